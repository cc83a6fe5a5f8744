"""Who handled a lot is known by the tag of the day alone, and goes with the day."""

from datetime import timedelta

import pytest
from chassis.clock import local_day
from chassis.partitions import KEEP_DAYS
from lilitong.venue.v1 import cold_chain_pb2 as pb

from .conftest import person
from .test_release import refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V10")]


@pytest.mark.case("repeat")
async def test_the_same_people_are_recorded_once_however_often_and_late_they_are_sent(chain):
    source = await chain.premises()
    lot = await chain.lot(source)
    shown = chain.house.people.show("wang", chain.now(), companions=("li",))
    request = chain.ask(pb.RecordLotHandlerRequest, {}, lot_id=lot.lot_id, venue_id=source.venue_id, credential=shown)
    for _ in range(2):
        assert (await chain.call(chain.importer, request)).handlers == 2
    # The code is stale by now; what it recorded stays the answer.
    chain.later(minutes=10)
    assert (await chain.call(chain.importer, request)).handlers == 2
    assert len(await chain.house.rows("SELECT FROM lot_handlers")) == 2


@pytest.mark.case("bad input")
async def test_a_code_that_proves_nobody_records_nobody(chain):
    source = await chain.premises()
    lot = await chain.lot(source)
    people = chain.house.people
    old = people.show("wang", chain.now() - timedelta(minutes=10))
    await refused("STALE", chain.handle(lot, source.venue_id, shown=old))
    await refused("MALFORMED", chain.handle(lot, source.venue_id, shown="LLT1:ABCDEFGH"))
    signed_for_a_door = people.show("wang", chain.now(), context=b"a venue's code")
    await refused("WRONG_CONTEXT", chain.handle(lot, source.venue_id, shown=signed_for_a_door))
    copied = people.show("li", chain.now())
    other = await chain.lot(source)
    await chain.handle(lot, source.venue_id, shown=copied)
    await refused("REPLAYED", chain.handle(other, source.venue_id, shown=copied))
    assert len(await chain.house.rows("SELECT FROM lot_handlers")) == 1
    # Uploaded later it is taken, up to 72 hours.
    assert (await chain.handle(lot, source.venue_id, shown=old, late=True)).handlers == 1


async def test_a_paper_card_that_staff_scan_counts_too(chain):
    source = await chain.premises()
    lot = await chain.lot(source)
    assert (await chain.handle(lot, source.venue_id, shown=chain.house.card("wang"))).handlers == 1


@pytest.mark.case("happy path", "wrong caller", "bad input")
async def test_only_where_the_lot_is_or_was_and_only_by_that_venues_account(chain):
    source = await chain.premises()
    market = await chain.house.register(category=5, operators=("shop-2",))
    lot = await chain.released(source)
    await refused("NOT_AN_OPERATOR", chain.handle(lot, source.venue_id, caller=chain.shop))
    await refused("LOT_NEVER_THERE", chain.handle(lot, market.venue_id, caller=chain.shop))
    far = person("shop-2", "venue_operator", areas=("141181",))
    await refused("OUT_OF_AREA", chain.handle(lot, market.venue_id, caller=far))
    await chain.send(lot, source.venue_id, market.venue_id)
    assert (await chain.handle(lot, market.venue_id, "li", caller=chain.shop)).handlers == 1


async def test_a_drills_people_handle_a_drills_goods_and_nobody_elses(chain):
    real, drill = await chain.premises(), await chain.premises(drill_id="drill-1")
    lot, played = await chain.lot(real), await chain.lot(drill)
    show, now = chain.house.people.show, chain.now()
    await refused("OTHER_DRILL", chain.handle(lot, real.venue_id, shown=show("wang", now, drill_id="drill-1")))
    await refused("OTHER_DRILL", chain.handle(played, drill.venue_id, shown=show("li", now)))
    assert (await chain.handle(played, drill.venue_id, shown=show("zhao", now, drill_id="drill-1"))).handlers == 1
    rows = await chain.house.rows("SELECT lot_id::text, drill_id FROM lot_handlers")
    assert [tuple(row) for row in rows] == [(played.lot_id, "drill-1")]


@pytest.mark.feature("X4")
async def test_nothing_that_is_stored_links_two_days_of_a_handler(chain):
    """All of the schema but lot and venue: rows, outbox, answers kept by their ids."""
    source = await chain.premises()
    lot = await chain.released(source)
    await chain.recalled(lot)
    before = await dump(chain)
    found = []
    for _ in range(2):
        await chain.handle(lot, source.venue_id, "wang")
        after = await dump(chain)
        found.append(after - before)
        before = after
        chain.later(days=1)
    assert all(len(each) >= 4 for each in found)
    assert found[0] & found[1] == set()


async def dump(chain):
    """Every (table, row) and every value of it that is long enough to name somebody."""
    places = {
        row[0]
        for row in await chain.house.rows("SELECT venue_id::text FROM venues UNION SELECT lot_id::text FROM lots")
    }
    seen = set()
    for (table,) in await chain.house.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    ):
        for row in await chain.house.rows(f'SELECT * FROM "{table}"'):
            values = [str(value) for value in row.values() if len(str(value)) > 9]
            seen |= {value for value in values if value not in places and not value.startswith("lilitong.")}
    return seen


async def test_handlers_go_with_the_key_of_their_day(chain):
    """Of this room's table alone: other tests of this database want the other days."""
    source = await chain.premises()
    lot = await chain.lot(source)
    await chain.handle(lot, source.venue_id)
    for days, left in ((14, 1), (1, 0)):
        chain.later(days=days)
        oldest = local_day(chain.now()) - timedelta(days=KEEP_DAYS)
        async with chain.house.pool.acquire() as conn:
            await conn.execute("SELECT drop_day_partitions('lot_handlers', $1)", oldest)
        assert len((await chain.trace(lot)).handlers) == left
    await chain.recalled(lot)
    assert not await chain.events("handled")
