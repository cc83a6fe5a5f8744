"""The key that wraps people's data keys is changed with overlap: nobody becomes unreadable, at no moment, whoever is at work."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from chassis import key_versions
from chassis.errors import DomainError, Kind
from chassis.key_versions import KeyVersionError
from passes.sealing import new_data_key
from passes.vault import DirectoryVault
from prometheus_client import REGISTRY
from quarantine.keys.__main__ import arguments, run
from quarantine.people.rewrapping import Rewrapped, rewrap
from quarantine.people.wrapping import KEK
from quarantine.restrictions.sealing import EVIDENCE, Person, Sealer

from .replicas import LATER, Replica

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q1")]


@pytest.mark.case("happy path")
async def test_after_rewrapping_the_former_key_is_needed_by_nobody(replica, world, tmp_path):
    people = await replica.people(5)
    await replica.rotate()
    await replica.load()
    people += await replica.people(2)
    assert await replica.versions() == [1] * 5 + [2] * 2
    assert await replica.names(people) == ["王芳"] * 7

    assert Rewrapped(done=5, left=0, unreadable=0) == await replica.rewrap(batch=2)
    await replica.retire(1)
    (tmp_path / "vault/secrets/people-kek.bin").unlink()

    started = await Replica(world).start()
    assert await started.versions() == [2] * 7
    assert await started.names(people) == ["王芳"] * 7
    assert Rewrapped(0, 0, 0) == await started.rewrap()


@pytest.mark.feature("Q5")
@pytest.mark.case("happy path", of="Q1")
async def test_evidence_sealed_before_is_read_by_the_same_data_key_after(world):
    replica = await Replica(world).start()
    await world.policy()
    index, contact = await world.household(2)
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id)
    await world.found(search, [world.hit(contact, search.day)])
    await replica.rotate()
    assert (await replica.rewrap()).done == 2
    await replica.retire(1)
    rows = await world.pool.fetch(
        "SELECT e.resident_id, e.sealed, r.data_key FROM evidence e JOIN residents r USING (resident_id)"
    )
    assert rows
    sealer = Sealer(replica.wrapping, bytes(32))
    for row in rows:
        assert sealer.open_map(Person(row["resident_id"], row["data_key"]), EVIDENCE, row["sealed"])


async def test_a_new_key_wraps_only_when_every_replica_can_have_it(replica, world):
    await replica.rotate(wait=LATER - timedelta(seconds=1))
    await (await replica.load()).people(1)
    assert await replica.versions() == [1]
    world.clock.advance(timedelta(seconds=1))
    await (await replica.load()).people(1)
    assert await replica.versions() == [1, 2]


@pytest.mark.case("crash")
async def test_stopped_in_the_middle_it_goes_on_where_it_was(replica):
    people = await replica.people(6)
    await replica.rotate()

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await replica.rewrap(batch=2, told=stop)
    assert await replica.versions() == [1] * 4 + [2] * 2
    assert await replica.names(people) == ["王芳"] * 6
    assert Rewrapped(done=4, left=0, unreadable=0) == await replica.rewrap(batch=2)


@pytest.mark.case("concurrency")
async def test_a_row_somebody_holds_is_left_for_the_next_time(replica, world, owner):
    people = await replica.people(3)
    await replica.rotate()
    await owner.execute("SET search_path = quarantine")
    async with owner.transaction():
        # Whoever only refers to somebody, such as by a card, hinders nothing.
        await owner.execute("SELECT FROM residents WHERE resident_id = $1 FOR KEY SHARE", people[1])
        await owner.execute("SELECT FROM residents WHERE resident_id = $1 FOR UPDATE", people[0])
        assert Rewrapped(done=2, left=1, unreadable=0) == await asyncio.wait_for(replica.rewrap(), 10)
    assert Rewrapped(done=1, left=0, unreadable=0) == await replica.rewrap()


@pytest.mark.case("concurrency")
async def test_two_at_once_beside_registrations_by_a_replica_that_knows_nothing_yet_lose_nobody(replica, world):
    late = await Replica(world).start()
    people = await replica.people(20)
    await replica.rotate()
    first, second, more = await asyncio.gather(replica.rewrap(batch=3), Replica(world).rewrap(batch=3), late.people(20))
    assert first.done + second.done >= 20
    done = await replica.rewrap()
    assert done.left == 0
    assert await replica.versions() == [2] * 40
    assert await replica.names(people + more) == ["王芳"] * 40


@pytest.mark.case("repeat")
async def test_a_key_that_wraps_somebodys_is_not_retired(replica):
    await replica.people(2)
    await replica.rotate()
    with pytest.raises(KeyVersionError, match=r"people-kek\.bin wraps the data keys of 2 people"):
        await replica.retire(1)
    with pytest.raises(KeyVersionError, match="people-kek 2 is in use"):
        await replica.retire(2)
    assert await replica.versions() == [1, 1]
    await replica.rewrap()
    await replica.retire(1)
    with pytest.raises(KeyVersionError, match="retired already"):
        await replica.retire(1)


@pytest.mark.case("concurrency")
async def test_nobody_is_registered_under_a_key_that_was_just_retired(replica, world):
    late = await Replica(world).start()
    await replica.rotate()
    await replica.rewrap()
    await replica.retire(1)
    with pytest.raises(DomainError) as refused:
        await late.people(1)
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "KEY_RETIRED")
    assert await world.pool.fetchval("SELECT count(*) FROM households") == 0
    await (await late.load()).people(1)


@pytest.mark.case("concurrency")
async def test_retiring_waits_for_who_is_just_being_registered_and_then_counts_them(replica, world):
    await replica.rotate()
    late = await Replica(world).start()
    late.wrapping.keks._current = (
        1,
        late.wrapping.keks.get(1),
    )  # a replica whose last look was before the new key began
    async with world.pool.acquire() as conn:
        registering = conn.transaction()
        await registering.start()
        assert await key_versions.hold(conn, KEK, [1])
        retiring = asyncio.create_task(replica.retire(1))
        await late.people(1)
        await asyncio.sleep(0.2)
        assert not retiring.done()
        await registering.commit()
    with pytest.raises(KeyVersionError, match="1 people"):
        await retiring


@pytest.mark.case("concurrency")
async def test_nobody_is_wrapped_anew_by_a_key_that_was_retired_meanwhile(replica, world):
    people = await replica.people(2)
    await replica.rotate()
    late = await Replica(world).load()
    await replica.rotate()
    await replica.retire(2)
    with pytest.raises(KeyVersionError, match="people-kek 2 was retired meanwhile"):
        await rewrap(world.pool, late.wrapping)
    assert await replica.versions() == [1, 1]
    assert (await replica.rewrap()).done == 2
    assert await replica.names(people) == ["王芳"] * 2


@pytest.mark.case("concurrency")
async def test_a_replica_whose_clock_is_behind_goes_on_when_the_former_key_is_retired(replica, world):
    await replica.rotate()
    await replica.retire(1)
    world.clock.advance(timedelta(seconds=-30))
    assert (await replica.load()).wrapping.keks.current[0] == 2
    await replica.people(1)
    assert await replica.versions() == [2]


@pytest.mark.case("wrong caller")
async def test_the_service_can_neither_erase_nor_bring_back_nor_undo_by_the_function_it_has(replica, world, owner):
    erased, other = await replica.people(2)
    await replica.rotate()
    await replica.load()
    keys = dict(await world.pool.fetch("SELECT resident_id, data_key FROM residents"))
    newer = {person: replica.wrapping.wrap(new_data_key(), person) for person in keys}
    await owner.execute("UPDATE quarantine.residents SET data_key = NULL WHERE resident_id = $1", erased)

    async def change(person, former, wrapped):
        return await world.pool.fetchval("SELECT rewrap_people($1, $2, $3)", [person], [former], [wrapped])

    assert await change(erased, keys[erased], newer[erased]) == 0
    assert await change(erased, None, newer[erased]) == 0
    assert await change(other, keys[other], None) == 0
    assert await change(other, keys[other], keys[erased]) == 0
    assert await change(other, keys[erased], newer[other]) == 0
    assert Rewrapped(done=1, left=0, unreadable=0) == await replica.rewrap()
    assert (await world.pool.fetchval("SELECT data_key FROM residents WHERE resident_id = $1", erased)) is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.pool.execute("UPDATE residents SET data_key = NULL")
    with pytest.raises(asyncpg.CheckViolationError, match="residents_data_key_check"):
        await world.pool.execute(
            "INSERT INTO residents (resident_id, household_id, area, data_key) "
            "SELECT gen_random_uuid(), household_id, area, '\x01' FROM residents WHERE resident_id = $1",
            other,
        )


@pytest.mark.feature("Q2")
@pytest.mark.case("happy path", of="Q1")
async def test_the_operators_commands_change_the_key_while_the_service_runs(running, capsys):
    async def command(*words):
        code = await run(running.settings, arguments().parse_args(words), running.clock)
        return code, capsys.readouterr().out

    before = REGISTRY.get_sample_value("lilitong_signing_key_made_timestamp_seconds", {"use": KEK})
    code, said = await command("rotate", KEK)
    assert (code, "people-kek 2 wraps from" in said) == (0, True)
    code, said = await command("rewrap")
    assert (code, "run `rewrap` then" in said) == (1, True)
    running.clock.advance(LATER)
    assert await command("rewrap") == (0, "0 wrapped by people-kek 2, 0 left\n")
    code, said = await command("retire", KEK, "1")
    assert (code, "people-kek 1 is retired" in said) == (0, True)
    assert (await command("retire", KEK, "1"))[0] == 1
    _, listed = await command("list")
    assert [line.split()[3] for line in listed.splitlines() if line.split()[1] == KEK] == ["retired", "believed"]
    # As the service's own sweep looks, which `rewrap` did in this process.
    assert REGISTRY.get_sample_value("lilitong_signing_key_made_timestamp_seconds", {"use": KEK}) > before


async def test_a_provided_key_of_a_new_version_is_taken_and_not_made(world, tmp_path):
    provided = tmp_path / "provided"
    provided.mkdir()
    (provided / "people-kek.bin").write_bytes(b"1" * 32)
    world.vault = DirectoryVault(tmp_path / "vault", provided=provided)
    replica = await Replica(world).start()
    (provided / "people-kek-2.bin").write_bytes(b"2" * 32)
    await replica.rotate()
    assert (await replica.load()).wrapping.keks.current == (2, b"2" * 32)
    assert replica.wrapping.keks.believed == {1: b"1" * 32, 2: b"2" * 32}
    assert not (tmp_path / "vault/secrets/people-kek-2.bin").exists()
