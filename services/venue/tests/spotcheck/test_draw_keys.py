"""The key that a draw follows from: another is noticed, a newer one changes no draw under way, a lost one can be given up."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis import key_versions
from chassis.errors import Kind
from chassis.key_versions import KeyVersionError
from passes.vault import DirectoryVault
from venue import keys as commands
from venue.key_versions import DRAWS, VenueKeys
from venue.spotcheck import store

from .conftest import DRAWN, OPENED, refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V9")]


async def test_a_vault_without_the_key_of_the_commitment_draws_nothing(squad, rebuilt, tmp_path):
    await squad.team()
    await squad.venues(2)
    check = await squad.commit()
    right, squad.draw_keys = squad.draw_keys, tmp_path / "another"
    squad.room = rebuilt()
    with pytest.raises(RuntimeError):
        await squad.draw(check.draw_id)
    assert (await squad.get(check.draw_id)).state == OPENED
    squad.draw_keys = right
    squad.room = rebuilt()
    await squad.room.clocks.tick()
    assert (await squad.get(check.draw_id)).state == DRAWN


@pytest.mark.case("happy path")
async def test_a_draw_goes_by_the_key_it_was_committed_with_whatever_was_rotated_since(squad):
    await squad.team()
    await squad.venues(2)
    keys = squad.room.servicer._drawing._keys
    await squad.house.owner.execute("TRUNCATE key_versions")
    async with squad.house.pool.acquire() as conn, conn.transaction():
        await key_versions.ensure(conn, [keys], squad.now())
    before = await squad.commit()
    async with squad.house.pool.acquire() as conn, conn.transaction():
        await key_versions.rotate(conn, keys, squad.now(), begins_after=timedelta(0))
        await key_versions.load(conn, [keys], squad.now())
    after = await squad.commit()
    rows = await squad.house.rows("SELECT draw_id, key_version FROM spot_checks")
    assert {str(row["draw_id"]): row["key_version"] for row in rows} == {before.draw_id: 1, after.draw_id: 2}
    async with squad.house.pool.acquire() as conn:
        assert [await store.waiting_for(conn, version, squad.now()) for version in (1, 2)] == [1, 1]
    assert [(await squad.draw(each.draw_id)).state for each in (before, after)] == [DRAWN, DRAWN]
    async with squad.house.pool.acquire() as conn, conn.transaction():
        assert await store.waiting_for(conn, 1, squad.now()) == 0
        await key_versions.retire(conn, keys, 1, squad.now())
    late = squad.room.servicer._drawing
    keys._current = (1, keys.get(1))  # a replica whose last look was before
    assert await refused(squad.commit()) == (Kind.UNAVAILABLE, "KEY_RETIRED")
    async with squad.house.pool.acquire() as conn:
        await key_versions.load(conn, [late._keys], squad.now())
    assert (await squad.drawn()).state == DRAWN
    with pytest.raises(KeyVersionError, match=r"spot-checks\.bin"):
        keys.get(1)
    await squad.house.owner.execute("TRUNCATE key_versions")


@pytest.mark.case("crash")
async def test_a_lost_key_of_an_open_draw_can_be_given_up_or_nothing_would_ever_start_again(squad, tmp_path):
    await squad.team()
    await squad.venues(2)
    keys = squad.room.servicer._drawing._keys
    every = replace(VenueKeys.of(DirectoryVault(tmp_path / "others")), draws=keys)
    await squad.house.owner.execute("TRUNCATE key_versions")
    async with squad.house.pool.acquire() as conn, conn.transaction():
        await key_versions.ensure(conn, [keys], squad.now())
    await squad.commit()
    async with squad.house.pool.acquire() as conn, conn.transaction():
        await key_versions.rotate(conn, keys, squad.now(), begins_after=timedelta(0))

    async def retire(*words):
        given = commands.arguments().parse_args(["retire", DRAWS, "1", *words])
        async with squad.house.pool.acquire() as conn, conn.transaction():
            await commands._retire(conn, every, given, squad.house.clock)

    with pytest.raises(KeyVersionError, match=r"1 spot checks that are not drawn yet follow from spot-checks\.bin"):
        await retire()
    await retire("--stolen")
    async with squad.house.pool.acquire() as conn:
        assert (await key_versions.every(conn, DRAWS))[0].retired_at is not None
    await squad.house.owner.execute("TRUNCATE key_versions")
