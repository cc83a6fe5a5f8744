"""The lists over time: bases, changes, cards, midnight, and what they give away."""

import asyncio
import re
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from chassis import urls
from daysets import wire
from lilitong.quarantine.v1.day_set_pb2 import DaySetSegment
from passes.cards import card_key
from passes.days import bounds, local_day
from passes.tags import tag
from passes.vault import roll
from prometheus_client import REGISTRY
from quarantine.daysets import issue

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q10")]


async def restrict(world: Any, people: int = 1) -> list[UUID]:
    """Index people of that many confirmed cases, restricted one after the other."""
    made = []
    for _ in range(people):
        (person,) = await world.household()
        await world.confirmed(person)
        await world.loop.imposer.run_due()
        made.append(person)
    return made


def number_of(world: Any, card_id: UUID) -> bytes:
    return world.loop.issuer._card_number(card_id)


async def card(world: Any, person: UUID) -> UUID:
    card_id = uuid4()
    async with world.pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "INSERT INTO paper_cards (card_id, resident_id, drill_id) VALUES ($1, $2, '')", card_id, person
        )
        await world.loop.issuer.card_changed(conn, "", card_id, world.clock.now())
    return card_id


async def test_the_sweep_gives_each_live_day_a_base_once(world) -> None:
    await asyncio.gather(*(world.loop.keeper.tick() for _ in range(3)))
    await world.loop.keeper.tick()
    today = local_day(world.clock.now())
    segments = await world.segments()
    assert [(s.day, s.generation, s.number) for s in segments] == [
        (today + timedelta(days=offset), 1, 1) for offset in range(3)
    ]
    assert {len(s.entries) // 27 for s in segments} == {32}


async def test_segments_are_made_beside_the_event_loop(world, monkeypatch) -> None:
    """A base of a hundred thousand people is a second of work: calls must not wait for it."""
    threads = set()
    for name in ("build", "padded", "difference"):
        real = getattr(issue, name)

        def noted(*arguments: Any, real: Any = real, **named: Any) -> Any:
            threads.add(threading.get_ident())
            return real(*arguments, **named)

        monkeypatch.setattr(issue, name, noted)
    await world.policy()
    await world.loop.keeper.tick()
    await restrict(world, 1)
    assert threads
    assert threading.get_ident() not in threads


async def test_the_snapshot_and_the_events_say_the_same_and_every_segment_is_proven(world) -> None:
    await world.policy()
    await world.loop.keeper.tick()
    await restrict(world, 2)
    events = [wire.from_message(message) for message in await world.events(DaySetSegment)]
    assert sorted(await world.segments(), key=lambda s: (s.day, s.number)) == sorted(
        events, key=lambda s: (s.day, s.number)
    )
    index = await world.index()
    assert index.status(local_day(world.clock.now())).complete


async def test_coming_days_follow_together_after_ten_minutes(world) -> None:
    await world.policy()
    await world.loop.keeper.tick()
    first, second = await restrict(world, 2)
    await world.loop.keeper.tick()
    assert [await world.listed(first, days=days) for days in range(3)] == [1, None, None]
    world.clock.advance(timedelta(minutes=10))
    await world.loop.keeper.tick()
    for person in (first, second):
        assert [await world.listed(person, days=days) for days in range(3)] == [1, 1, 1]
    tomorrow = local_day(world.clock.now()) + timedelta(days=1)
    changes = [s for s in await world.segments() if s.day == tomorrow and not s.is_base]
    assert len(changes) == 1


async def test_what_still_waits_at_midnight_goes_out_with_the_first_tick(world) -> None:
    await world.policy()
    await world.loop.keeper.tick()
    world.clock.set(bounds(local_day(world.clock.now()))[1] - timedelta(seconds=1))
    (person,) = await restrict(world)
    await world.loop.keeper.tick()
    world.clock.advance(timedelta(seconds=1))
    assert await world.listed(person) is None
    await world.loop.keeper.tick()
    assert await world.listed(person) == 1
    assert await world.listed(person, days=2) == 1  # the new last day has its base
    await world.loop.keeper.forget()
    left = await world.pool.fetchval("SELECT min(day) FROM day_set_pending")
    assert left is None or left >= local_day(world.clock.now())


async def test_a_restriction_is_off_the_list_of_the_day_on_which_it_has_ended(world) -> None:
    await world.policy(case_days=1)
    (person,) = await restrict(world)
    await world.loop.keeper.tick()
    world.clock.advance(timedelta(minutes=10))
    await world.loop.keeper.tick()
    assert [await world.listed(person, days=days) for days in range(3)] == [1, 1, None]


async def test_the_same_person_has_another_reference_each_day(world) -> None:
    await world.policy()
    await restrict(world)
    await world.loop.keeper.tick()
    references = await world.pool.fetch("SELECT reference FROM day_set_entries")
    assert len(references) == len({row["reference"] for row in references}) == 3


async def test_no_value_of_one_days_segments_is_found_in_anothers(world) -> None:
    """S5: entries, references, salts and proofs are new each day; only reasons are shared."""
    await world.policy()
    people = await restrict(world, 2)
    await world.loop.keeper.tick()
    await card(world, people[0])
    world.clock.advance(timedelta(minutes=10))
    await world.loop.keeper.tick()
    values: dict[date, set[object]] = {}
    for segment in await world.segments():
        mine = values.setdefault(segment.day, set())
        # A size is a position in the log as well, so the two are told apart.
        mine |= {segment.salt, ("leaf", segment.leaf_index), ("size", segment.tree_size), segment.checkpoint}
        for entry in segment.read_entries():
            mine |= {entry.tag, entry.ref}
        for key, card_tag in segment.read_cards():
            mine |= {key, card_tag}
    first, second, third = values.values()
    assert not first & second
    assert not first & third
    assert not second & third


async def test_cards_are_listed_found_and_withdrawn(world) -> None:
    await world.policy()
    await world.loop.keeper.tick()
    (person,) = await world.household()
    card_id = await card(world, person)
    await world.loop.keeper.tick()
    today = local_day(world.clock.now())

    async def resolves(days: int = 0) -> bool:
        day = today + timedelta(days=days)
        found = (await world.index()).resolve_card(day, "", card_key(day, number_of(world, card_id)))
        return found == tag(world.vault.day_key(day), person.bytes)

    assert await resolves()
    assert not await resolves(1)
    world.clock.advance(timedelta(minutes=10))
    await world.loop.keeper.tick()
    assert await resolves(1)
    async with world.pool.acquire() as conn, conn.transaction():
        await conn.execute("UPDATE paper_cards SET revoked_at = now() WHERE card_id = $1", card_id)
        await world.loop.issuer.card_changed(conn, "", card_id, world.clock.now())
    await world.loop.keeper.tick()
    assert not await resolves()


async def test_lifts_are_hidden_among_lifts_of_decoys_that_the_list_has(world) -> None:
    await world.policy()
    await world.loop.keeper.tick()
    (person,) = await restrict(world)
    async with world.pool.acquire() as conn, conn.transaction():
        restriction = await conn.fetchval("SELECT restriction_id FROM restrictions")
        await conn.execute(
            "INSERT INTO lift_proposals (restriction_id, proposed_by, proposed_at, grounds) VALUES ($1, 'a', now(), '')",
            restriction,
        )
        await conn.execute(
            "INSERT INTO lifts (restriction_id, drill_id, kind, proposed_by, approved_by, lifted_at)"
            " VALUES ($1, '', 1, 'a', 'b', now())",
            restriction,
        )
        await world.loop.issuer.decided(conn, "", [person], world.clock.now())
    today = local_day(world.clock.now())
    *before, change = [s for s in await world.segments() if s.day == today]
    lifted = {entry.tag for entry in change.read_entries() if entry.lift}
    assert len(lifted) == 8
    assert tag(world.vault.day_key(today), person.bytes) in lifted
    assert lifted <= {entry.tag for segment in before for entry in segment.read_entries()}
    assert await world.listed(person) is None


async def test_a_worn_list_begins_anew_with_the_same_references(world, monkeypatch) -> None:
    from quarantine.daysets import model

    await world.policy()
    await world.loop.keeper.tick()
    people = await restrict(world, 3)
    reference = await world.pool.fetchval("SELECT reference FROM day_set_entries WHERE resident_id = $1", people[0])
    monkeypatch.setattr(model, "MIN_CHANGES", 2)
    await world.loop.keeper.tick()
    today = local_day(world.clock.now())
    mine = [s for s in await world.segments() if s.day == today]
    assert [(s.generation, s.number, s.is_base) for s in mine] == [(2, 1, True)]
    assert reference in {entry.ref for entry in mine[0].read_entries()}
    for person in people:
        assert await world.listed(person) == 1


async def test_a_large_base_comes_in_parts_and_says_the_same(world, monkeypatch) -> None:
    from quarantine.daysets import model

    monkeypatch.setattr(model, "PART_RECORDS", 2)
    await world.policy()
    people = await restrict(world, 5)
    await world.loop.keeper.tick()
    tomorrow = local_day(world.clock.now()) + timedelta(days=1)
    mine = [s for s in await world.segments() if s.day == tomorrow]
    assert [(s.number, s.base_parts) for s in mine] == [(1, 3), (2, 3), (3, 3)]
    for person in people:
        assert await world.listed(person, days=1) == 1


async def test_a_decision_that_commits_during_a_flush_is_not_lost(world) -> None:
    """The queue's row is updated, not left: a flush that cannot see the decision yet has to wait for it."""
    await world.policy()
    (person,) = await restrict(world)
    await world.loop.keeper.tick()
    today = local_day(world.clock.now())
    tomorrow = today + timedelta(days=1)
    issuer = world.loop.issuer
    from quarantine.daysets import store

    async with world.pool.acquire() as conn:
        await store.queue(conn, [tomorrow], "", [person], world.clock.now())
    deciding, flushing = await world.pool.acquire(), await world.pool.acquire()
    try:
        decision = deciding.transaction()
        await decision.start()
        restriction = await deciding.fetchval("SELECT restriction_id FROM restrictions")
        await deciding.execute(
            "INSERT INTO lift_proposals (restriction_id, proposed_by, proposed_at, grounds) VALUES ($1, 'a', now(), '')",
            restriction,
        )
        await deciding.execute(
            "INSERT INTO lifts (restriction_id, drill_id, kind, proposed_by, approved_by, lifted_at)"
            " VALUES ($1, '', 1, 'a', 'b', now())",
            restriction,
        )
        await store.queue(deciding, [tomorrow], "", [person], world.clock.now())

        async def flush() -> None:
            async with flushing.transaction():
                await issuer.flush(flushing, tomorrow, "")

        task = asyncio.create_task(flush())
        await asyncio.sleep(0.2)
        assert not task.done()
        await decision.commit()
        await task
    finally:
        await world.pool.release(deciding)
        await world.pool.release(flushing)
    assert await world.listed(person, days=1) is None


@pytest.mark.feature("X11")
async def test_days_with_a_published_list_are_exported_so_that_a_missing_one_is_noticed(world) -> None:
    await world.loop.keeper.tick()
    assert REGISTRY.get_sample_value("lilitong_day_sets_published") == 0  # as it found them
    await world.loop.keeper.tick()
    assert REGISTRY.get_sample_value("lilitong_day_sets_published") == 3


async def start_anew(world, postgres_server) -> None:
    """What docs/operations/disaster.md tells operators to type, as the superuser that they are then."""
    page = (Path(__file__).parents[4] / "docs/operations/disaster.md").read_text()
    (statement,) = set(re.findall(r'sql "(UPDATE quarantine\.day_set_heads [^"]+)"', page))
    name = await world.pool.fetchval("SELECT current_database()")
    admin = await asyncpg.connect(urls.with_database(postgres_server.admin_url, name))
    await admin.execute(statement)
    await admin.close()
    await world.loop.keeper.tick()


@pytest.mark.feature("X11")
async def test_after_the_day_keys_were_lost_lists_started_anew_stop_people_by_their_new_tags(
    world, postgres_server, tmp_path
) -> None:
    await world.policy()
    await world.loop.keeper.tick()
    (person,) = await restrict(world)
    for path in (tmp_path / "vault/days").glob("*.key"):
        path.unlink()
    world.vault._cache.clear()
    roll(world.vault, local_day(world.clock.now()))
    assert await world.listed(person) is None
    await start_anew(world, postgres_server)
    assert [await world.listed(person, days=days) for days in range(3)] == [1, 1, 1]


@pytest.mark.feature("X11")
async def test_after_a_record_lost_its_tail_lists_started_anew_are_taken_by_who_saw_the_lost_ones(
    world, postgres_server
) -> None:
    await world.policy()
    await world.loop.keeper.tick()
    name = await world.pool.fetchval("SELECT current_database()")
    admin = await asyncpg.connect(urls.with_database(postgres_server.admin_url, name))
    await admin.execute("SET session_replication_role = replica")
    await admin.execute("SET search_path = quarantine")
    saved = await admin.fetch("SELECT day, drill_id, last_number, change_records FROM day_set_heads")
    size, frontier = await admin.fetchrow("SELECT size, frontier FROM ledger_head")
    (lost,) = await restrict(world)
    scanner = await world.index()  # has seen what will be lost
    # The record goes back to what was saved: lists, log and restrictions.
    for row in saved:
        await admin.execute(
            "UPDATE day_set_heads SET last_number = $3, change_records = $4 WHERE day = $1 AND drill_id = $2", *row
        )
    await admin.execute("UPDATE ledger_head SET size = $1, frontier = $2", size, frontier)
    await admin.execute("DELETE FROM ledger_leaves WHERE leaf_index >= $1", size)
    await admin.execute("DELETE FROM ledger_nodes WHERE (node_index + 1) << level > $1", size)
    for table in ("restrictions", "contacts", "day_set_entries", "outbox"):
        await admin.execute(f"DELETE FROM {table}")
    await admin.execute("DELETE FROM day_set_published WHERE number > 1")
    await admin.close()
    await start_anew(world, postgres_server)
    (person,) = await restrict(world)
    for message in await world.events(DaySetSegment):
        scanner.apply(wire.from_message(message))
    assert not scanner.refusals
    today = local_day(world.clock.now())
    tags = {one: tag(world.vault.day_key(today), one.bytes) for one in (lost, person)}
    assert scanner.lookup(today, "", tags[person], world.clock.now()) is not None
    assert scanner.lookup(today, "", tags[lost], world.clock.now()) is None
