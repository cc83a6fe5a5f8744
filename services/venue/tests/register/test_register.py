"""The register: one and many, repeats, clashes, pages, who may; and the codes."""

import asyncio
from uuid import uuid4

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError, Kind
from chassis.rpc.status import from_proto
from hypothesis import given
from hypothesis import strategies as st
from lilitong.venue.v1 import events_pb2, venue_pb2
from passes import venue_code
from venue.register.model import Cursor

AREA = "141102001001"
pytestmark = pytest.mark.feature("V1")
connected = pytest.mark.connected


def request(**given):
    fields = {
        "request_id": str(uuid4()),
        "venue_id": str(uuid4()),
        "name": "吕梁人家",
        "category": 6,
        "area": AREA,
        "address": "滨河路1号",
        "zones": [venue_pb2.NewZone(name="大厅", capacity=80), venue_pb2.NewZone(name="二楼", capacity=40)],
        "operators": ["shop-1", 'a"b\\,{}'],
    }
    return venue_pb2.RegisterVenueRequest(**fields | given)


async def register(house, who, one):
    with calling(who.officer):
        return (await house.venues.RegisterVenue(one, None)).venue


async def batch(house, who, requests):
    with calling(who.officer):
        answer = await house.venues.BatchRegisterVenues(venue_pb2.BatchRegisterVenuesRequest(requests=requests), None)
    return answer.results


async def get(house, caller, venue_id):
    with calling(caller):
        return (await house.venues.GetVenue(venue_pb2.GetVenueRequest(venue_id=venue_id), None)).venue


async def listed(house, caller, **given):
    with calling(caller):
        return await house.venues.ListVenues(venue_pb2.ListVenuesRequest(**{"area": "141102"} | given), None)


@connected
@pytest.mark.case("happy path")
async def test_a_venue_is_registered_with_codes_told_and_known_at_once(house, who):
    one = request()
    venue = await register(house, who, one)
    assert (venue.name, venue.category, venue.area, list(venue.operators)) == (
        one.name,
        6,
        AREA,
        ["shop-1", 'a"b\\,{}'],
    )
    assert [(zone.name, zone.capacity, zone.code_version) for zone in venue.zones] == [("大厅", 80, 1), ("二楼", 40, 1)]
    for zone in venue.zones:
        assert venue_code.parse(zone.code).zone == zone.zone
        assert house.zones.find(zone.zone).operators == {"shop-1", 'a"b\\,{}'}
    assert await get(house, who.app, one.venue_id) == venue
    (row,) = await house.rows("SELECT aggregate, payload FROM outbox")
    assert row["aggregate"] == one.venue_id
    assert events_pb2.VenueRegistered.FromString(row["payload"]).venue == venue
    assert house.state.woken == 1


@connected
@pytest.mark.case("repeat")
async def test_registering_again_gives_the_same_answer_and_one_venue(house, who):
    one = request()
    first = await register(house, who, one)
    assert await register(house, who, one) == first
    again = request(request_id=str(uuid4()), venue_id=one.venue_id)
    assert await register(house, who, again) == first
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 1
    assert await house.owner.fetchval("SELECT count(*) FROM outbox") == 1


@connected
@pytest.mark.case("repeat", "bad input")
async def test_an_id_that_stands_for_something_else_is_refused_and_nothing_stored(house, who):
    one = request()
    await register(house, who, one)
    for clash, kind in (
        (request(request_id=one.request_id), Kind.MISMATCH),
        (request(venue_id=one.venue_id, name="另一家"), Kind.EXISTS),
        (request(request_id=one.request_id, venue_id=one.venue_id, name="另一家"), Kind.MISMATCH),
    ):
        with pytest.raises(DomainError) as refused:
            await register(house, who, clash)
        assert refused.value.kind is kind
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 1


@connected
@pytest.mark.case("bad input", "repeat")
async def test_a_batch_keeps_the_good_and_names_the_bad(house, who):
    known = request()
    await register(house, who, known)
    twin = request()
    requests = [request(), known, request(venue_id=known.venue_id, name="另一家"), twin, twin]
    results = await batch(house, who, requests)
    assert [result.HasField("venue") for result in results] == [True, True, False, True, True]
    assert from_proto(results[2].error).reason == "VENUE_EXISTS"
    assert results[3].venue == results[4].venue
    assert [result.venue_id for result in results] == [each.venue_id for each in requests]
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 3
    assert [*await batch(house, who, requests)] == [*results]


@connected
@pytest.mark.case("concurrency", "repeat")
async def test_five_hundred_at_once_and_the_same_from_two_imports(house, who):
    requests = [request(name=f"店{n}") for n in range(500)]
    first, second = await asyncio.gather(batch(house, who, requests), batch(house, who, requests))
    assert [*first] == [*second]
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 500
    assert await house.owner.fetchval("SELECT count(*) FROM zones") == 1000
    assert await house.owner.fetchval("SELECT count(*) FROM outbox") == 500


@connected
@pytest.mark.case("crash")
async def test_a_registration_that_fails_in_the_middle_leaves_nothing(house, who, monkeypatch):
    from venue.register import registration

    async def fail(*_):
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(registration, "publish_registered", fail)
        with pytest.raises(ConnectionResetError):
            await register(house, who, one := request())
    assert await house.owner.fetchval("SELECT count(*) FROM zones") == 0
    assert (await register(house, who, one)).venue_id == one.venue_id


@connected
@pytest.mark.case("happy path")
async def test_lists_are_complete_counted_and_bounded_by_area_category_and_operator(house, who):
    for area, category, operator in (
        ("141102001001", 6, "shop-1"),
        ("141102001002", 3, "shop-2"),
        ("141102002001", 6, "shop-1"),
        ("141103001001", 6, "shop-1"),
    ):
        abroad = Caller("o", frozenset({"venue_officer"}), ("14",))
        with calling(abroad):
            await house.venues.RegisterVenue(request(area=area, category=category, operators=[operator]), None)
    everything = await listed(house, who.officer)
    assert (len(everything.venues), everything.total, everything.next_page_token) == (3, 3, "")
    assert [venue.area for venue in everything.venues] == ["141102001001", "141102001002", "141102002001"]
    assert (await listed(house, who.officer, area="141102001")).total == 2
    assert (await listed(house, who.officer, category=3)).total == 1
    mine = await listed(house, who.operator)
    assert {operator for venue in mine.venues for operator in venue.operators} == {"shop-1"}
    pages, token = [], ""
    for _ in range(3):
        page = await listed(house, who.officer, page_size=1, page_token=token)
        assert page.total == 3
        pages += page.venues
        token = page.next_page_token
    assert (pages, token) == ([*everything.venues], "")
    with pytest.raises(DomainError) as refused:
        await listed(house, who.officer, page_token="1; DROP TABLE venues")
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


@connected
@pytest.mark.case("wrong caller")
async def test_a_venue_is_shown_to_those_of_its_area_and_to_its_own_operators(house, who):
    venue = await register(house, who, request())
    for caller, reason in (
        (Caller("o", frozenset({"venue_officer"}), ("141103",)), "OUT_OF_AREA"),
        (who.other, "NOT_AN_OPERATOR"),
    ):
        with pytest.raises(DomainError) as refused:
            await get(house, caller, venue.venue_id)
        assert refused.value.reason == reason
    assert await get(house, who.operator, venue.venue_id) == venue
    with pytest.raises(DomainError) as missing:
        await get(house, who.officer, str(uuid4()))
    assert missing.value.kind is Kind.NOT_FOUND


@connected
@pytest.mark.feature("V3")
@pytest.mark.case("happy path", "bad input", "repeat", "concurrency", "wrong caller", of="V3")
async def test_codes_are_replaced_revoked_and_issued_once_per_request(house, who):
    venue = await register(house, who, request())
    zone = venue.zones[0].zone
    ids = [str(uuid4()) for _ in range(4)]

    async def replace(request_id):
        ask = venue_pb2.ReplaceVenueCodeRequest(request_id=request_id, zone=zone)
        with calling(who.officer):
            return (await house.venues.ReplaceVenueCode(ask, None)).zone

    async def screen(request_id, caller=who.operator, number=zone):
        ask = venue_pb2.IssueScreenSecretRequest(request_id=request_id, zone=number)
        with calling(caller):
            return await house.venues.IssueScreenSecret(ask, None)

    first, repeat = await asyncio.gather(replace(ids[0]), replace(ids[0]))
    assert (first, first.code_version, (await replace(ids[1])).code_version) == (repeat, 2, 3)
    assert await replace(ids[0]) == first
    secret = await screen(ids[2])
    assert (await screen(ids[2]), secret.version, len(secret.secret)) == (secret, 1, 32)
    assert (await screen(ids[3])).secret != secret.secret
    with pytest.raises(DomainError) as reused:
        await screen(ids[0])
    assert reused.value.kind is Kind.MISMATCH
    with pytest.raises(DomainError) as refused:
        await screen(str(uuid4()), who.other)
    assert refused.value.reason == "NOT_AN_OPERATOR"
    with pytest.raises(DomainError) as missing:
        await screen(str(uuid4()), who.operator, 999_999)
    assert missing.value.kind is Kind.NOT_FOUND
    dump = str([tuple(row) for row in await house.rows("SELECT * FROM code_requests")])
    assert secret.secret.hex() not in dump
    rows = await house.rows("SELECT payload FROM outbox WHERE subject = 'lilitong.venue.code.v1.changed' ORDER BY seq")
    changes = [events_pb2.VenueCodeChanged.FromString(row["payload"]) for row in rows]
    assert [(change.zone, change.code_version, change.revoked) for change in changes] == [
        (zone, 2, False),
        (zone, 3, False),
    ]


@connected
@pytest.mark.feature("V3")
@pytest.mark.case("happy path", of="V3")
async def test_another_replica_learns_of_a_change_by_itself(house, who):
    from venue.register.zones import ZoneCache

    other = ZoneCache(house.pool)
    assert not other.loaded
    await other.look()
    venue = await register(house, who, request())
    assert other.find(venue.zones[0].zone) is None
    await other.look()
    assert other.find(venue.zones[0].zone) == house.zones.find(venue.zones[0].zone)


@connected
async def test_the_thirteen_categories_are_data_with_both_languages(house):
    rows = await house.rows("SELECT * FROM venue_categories ORDER BY category")
    assert [row["category"] for row in rows] == [*range(1, 14)]
    assert set(venue_pb2.VenueCategory.values()) == {0, *(row["category"] for row in rows)}
    assert all(row["name_zh"] and row["name_en"] for row in rows)


@given(st.from_regex(r"[0-9]{9,18}", fullmatch=True), st.uuids())
def test_a_page_token_is_read_back(area, venue_id):
    assert Cursor.decode(Cursor(area, venue_id).encode()) == Cursor(area, venue_id)
