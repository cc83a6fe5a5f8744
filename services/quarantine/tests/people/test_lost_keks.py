"""A key that wraps people's data keys and is missing, or another, is told at the start; one that is lost for good can be given up."""

import os

import pytest
from chassis.errors import DomainError, Kind
from chassis.key_versions import KeyVersionError
from passes.errors import SealError
from passes.vault import DirectoryVault
from quarantine.app import _known_keks as known_keks
from quarantine.people import rewrapping
from quarantine.people.wrapping import Wrapping

from .replicas import Replica

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q1")]


@pytest.mark.case("bad input")
async def test_a_missing_or_another_key_is_told_in_one_sentence_and_nothing_starts(running, start_in_vain):
    kek = running.settings.vault / "secrets/people-kek.bin"
    for change, said in [
        (kek.unlink, "people-kek.bin is missing, and is in use since"),
        (lambda: kek.write_bytes(b"x" * 32), "people-kek.bin is another key than the one in use since"),
    ]:
        change()
        code, told = await start_in_vain("quarantine", running.settings)
        assert (code, said in told) == (2, True), told
        assert [path.name for path in kek.parent.glob("people-kek*") if path != kek] == []


@pytest.mark.case("bad input")
async def test_a_database_from_before_versions_gets_no_new_first_key_for_the_people_in_it(
    replica, world, owner, tmp_path
):
    await replica.people(1)
    await owner.execute("DELETE FROM quarantine.key_versions")
    kek = tmp_path / "vault/secrets/people-kek.bin"
    key = kek.read_bytes()
    kek.unlink()
    with pytest.raises(KeyVersionError, match=r"people-kek\.bin is missing, and people are wrapped by it"):
        await known_keks(world.clock, world.pool, Wrapping.of(world.vault).keks)
    assert not kek.exists()
    kek.write_bytes(key)
    await known_keks(world.clock, world.pool, Wrapping.of(world.vault).keks)


@pytest.mark.case("bad input")
async def test_people_under_a_key_that_is_not_here_are_told_before_anything_is_done(replica, world, tmp_path):
    await replica.people(1)
    await replica.rotate()
    (tmp_path / "vault/secrets/people-kek.bin").unlink()
    with pytest.raises(KeyVersionError, match=r"people are wrapped by people-kek\.bin"):
        await Replica(world).rewrap()
    lost = await Replica(world).load()
    with pytest.raises(DomainError) as refused:
        await lost.names(await world.pool.fetchval("SELECT array_agg(resident_id) FROM residents"))
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "KEY_MISSING")


async def test_after_a_key_is_lost_for_good_the_service_starts_again_without_those_people(replica, world, tmp_path):
    (lost,) = await replica.people(1)
    (tmp_path / "vault/secrets/people-kek.bin").unlink()
    with pytest.raises(KeyVersionError, match=r"people-kek\.bin is missing"):
        await Replica(world).start()
    await replica.rotate()
    async with world.pool.acquire() as conn, conn.transaction():
        await rewrapping.retire(conn, replica.wrapping, 1, world.clock.now(), lost=True)
    started = await Replica(world).start()
    assert await started.names(await started.people(1)) == ["王芳"]
    with pytest.raises(DomainError, match="KEY_MISSING"):
        await started.names([lost])


@pytest.mark.case("crash")
async def test_people_from_before_versions_whose_key_is_lost_for_good_are_given_up_by_bringing_another(
    replica, world, owner, tmp_path
):
    (lost,) = await replica.people(1)
    await owner.execute("DELETE FROM quarantine.key_versions")
    (tmp_path / "vault/secrets/people-kek.bin").unlink()
    provided = tmp_path / "provided"
    provided.mkdir()
    (provided / "people-kek.bin").write_bytes(os.urandom(32))
    world.vault = DirectoryVault(tmp_path / "vault", provided=provided)
    started = Replica(world)
    await known_keks(world.clock, world.pool, started.wrapping.keks)
    assert await started.names(await started.people(1)) == ["王芳"]
    with pytest.raises(SealError):
        await started.names([lost])
