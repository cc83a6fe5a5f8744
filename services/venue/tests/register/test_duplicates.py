"""Likely duplicates: found by what they share, proposed once, decided by people."""

import asyncio
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError
from chassis.events.outbox import unsealed
from lilitong.venue.v1 import duplicate_pb2 as pb
from lilitong.venue.v1 import venue_pb2
from venue.register.duplicates.finding import Finding
from venue.register.duplicates.likeness import LIKELY, Entry, keys, likeness
from venue.register.duplicates.rpc import DuplicateServicer

AREA = "141102001001"
pytestmark = pytest.mark.feature("V1")
connected = pytest.mark.connected
SAME, DIFFERENT = 1, 2


def entry(name, address="滨河路1号", *, licence="", area=AREA, drill_id=""):
    return Entry(uuid4(), name, address, area, licence, drill_id)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (entry("吕梁人家"), entry("吕梁人家")),
        (entry("吕梁人家"), entry("吕梁 人家（有限公司）", "滨河路１号")),
        (entry("吕梁人家饭店"), entry("吕粱人家饭店")),
        (entry("甲店", licence="91141102MA0K00000X"), entry("甲店", "建设街2号", licence="91141102MA0K00000X")),
        (entry("甲店", licence="91141102MA0K00000X"), entry("乙楼", licence="91141102MA0K00000X")),
    ],
)
def test_likely_ones_share_a_key_and_score_high(one, other):
    assert keys(one) & keys(other)
    assert likeness(one, other).score >= LIKELY
    assert likeness(one, other) == likeness(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (entry("吕梁人家", "滨河路1号"), entry("晋泉酒楼", "建设街88号")),
        (
            entry("蜜雪滨河店", "滨河路1号", licence="91141102MA0K00000X"),
            entry("万达奶茶", "建设街88号", licence="91141102MA0K00000X"),
        ),
        (entry("便民超市", "滨河路1号"), entry("便民超市", "建设街八十八号院内")),
    ],
)
def test_neighbours_branches_and_namesakes_are_not_likely(one, other):
    assert likeness(one, other).score < LIKELY


def test_a_drills_venues_are_compared_with_its_own_only():
    assert not keys(entry("吕梁人家")) & keys(entry("吕梁人家", drill_id="drill-1"))


@pytest.fixture
def desk(house, who):
    finding = Finding(house.pool, house.clock)
    servicer = DuplicateServicer(house.pool, house.clock, unsealed, house.zones.announce)

    async def listed(caller=None, **given):
        request = pb.ListMergeCandidatesRequest(**{"area": "141102"} | given)
        with calling(caller or who.officer):
            return await servicer.ListMergeCandidates(request, None)

    async def decide(candidate, decision, kept="", *, caller=None, request_id=None):
        request = pb.DecideMergeCandidateRequest(
            request_id=request_id or str(uuid4()),
            candidate_id=candidate.candidate_id,
            decision=decision,
            kept_venue_id=kept,
        )
        with calling(caller or who.officer):
            return (await servicer.DecideMergeCandidate(request, None)).venue

    async def register(name, address="滨河路1号", area=AREA, **given):
        request = venue_pb2.RegisterVenueRequest(
            request_id=str(uuid4()),
            venue_id=str(uuid4()),
            name=name,
            category=6,
            area=area,
            address=address,
            zones=[venue_pb2.NewZone(name="大厅", capacity=9)],
            particulars=venue_pb2.Particulars(**given),
        )
        with calling(who.officer):
            return (await house.venues.RegisterVenue(request, None)).venue

    return SimpleNamespace(find=finding.tick, listed=listed, decide=decide, register=register)


@connected
@pytest.mark.case("happy path")
async def test_a_likely_pair_is_proposed_once_and_nothing_is_merged(desk, house):
    one, other = await desk.register("吕梁人家"), await desk.register("吕梁人家饭店")
    await desk.register("晋泉酒楼", "建设街88号")
    await desk.find()
    await desk.find()
    (candidate,) = (await desk.listed()).candidates
    assert {candidate.first.venue_id, candidate.second.venue_id} == {one.venue_id, other.venue_id}
    assert list(candidate.reasons) == ["similar_name", "address"]
    assert LIKELY <= candidate.score < 100
    assert await house.owner.fetchval("SELECT count(*) FROM venues WHERE closed_at IS NOT NULL") == 0


@connected
@pytest.mark.case("happy path", "repeat", of="V1")
async def test_merging_closes_the_other_venue_and_keeps_all_it_had(desk, house):
    one, other = await desk.register("吕梁人家"), await desk.register("吕梁人家")
    await house.check_in(house.scan("甲", other.zones[0].code))
    await desk.find()
    (candidate,) = (await desk.listed()).candidates
    request_id = str(uuid4())
    kept = await desk.decide(candidate, SAME, one.venue_id, request_id=request_id)
    assert kept.venue_id == one.venue_id
    assert await desk.decide(candidate, SAME, one.venue_id, request_id=request_id) == kept
    row = (await house.rows("SELECT merged_into FROM venues WHERE venue_id = $1", UUID(other.venue_id)))[0]
    assert str(row["merged_into"]) == one.venue_id
    with pytest.raises(DomainError, match="VENUE_CODE_REVOKED"):
        await house.check_in(house.scan("乙", other.zones[0].code))
    assert await house.stored() == 1
    assert not (await desk.listed()).candidates
    subject = await house.owner.fetchval("SELECT subject FROM outbox ORDER BY seq DESC LIMIT 1")
    assert subject == "lilitong.venue.venue.v1.merged"


@connected
async def test_two_venues_that_were_told_apart_are_not_proposed_again(desk):
    await desk.register("吕梁人家")
    one = await desk.register("吕梁人家")
    await desk.find()
    (candidate,) = (await desk.listed()).candidates
    await desk.decide(candidate, DIFFERENT)
    await desk.register("晋泉酒楼", "建设街88号")
    await desk.find()
    assert not (await desk.listed()).candidates
    with pytest.raises(DomainError, match="CANDIDATE_DECIDED"):
        await desk.decide(candidate, SAME, one.venue_id)


@connected
@pytest.mark.case("bad input")
async def test_a_decision_that_contradicts_itself_is_refused(desk):
    await desk.register("吕梁人家")
    one = await desk.register("吕梁人家")
    await desk.find()
    (candidate,) = (await desk.listed()).candidates
    for decision, kept in ((SAME, ""), (SAME, str(uuid4())), (DIFFERENT, one.venue_id)):
        with pytest.raises(DomainError, match="INVALID_REQUEST"):
            await desk.decide(candidate, decision, kept)
    unknown = pb.MergeCandidate(candidate_id=str(uuid4()))
    with pytest.raises(DomainError, match="CANDIDATE_UNKNOWN"):
        await desk.decide(unknown, DIFFERENT)


@connected
@pytest.mark.feature("V7")
async def test_an_inspected_venue_does_not_vanish_into_one_that_was_never_inspected(desk, house):
    one, other = await desk.register("吕梁人家"), await desk.register("吕梁人家")
    await desk.find()
    (candidate,) = (await desk.listed()).candidates
    await house.owner.execute(
        "INSERT INTO ladder_heads (venue_id, drill_id, area) VALUES ($1, '', $2)", other.venue_id, AREA
    )
    await house.owner.execute(
        """
        INSERT INTO ladder_facts (fact_id, venue_id, ordinal, kind, actor, happened_at, recorded_at, passed)
        VALUES (gen_random_uuid(), $1, 1, 1, 'inspector-1', now(), now(), false)
        """,
        other.venue_id,
    )
    with pytest.raises(DomainError, match="VENUE_INSPECTED"):
        await desk.decide(candidate, SAME, one.venue_id)
    assert len((await desk.listed()).candidates) == 1
    assert (await desk.decide(candidate, SAME, other.venue_id)).venue_id == other.venue_id


@connected
@pytest.mark.case("concurrency")
async def test_only_one_of_several_decisions_at_once_holds(desk, house):
    one, other = await desk.register("吕梁人家"), await desk.register("吕梁人家")
    await desk.find()
    (candidate,) = (await desk.listed()).candidates
    done = await asyncio.gather(
        *(desk.decide(candidate, SAME, kept.venue_id) for kept in (one, other) * 3), return_exceptions=True
    )
    assert sum(not isinstance(each, Exception) for each in done) == 1
    assert await house.owner.fetchval("SELECT count(*) FROM venues WHERE closed_at IS NULL") == 1


@connected
@pytest.mark.case("wrong caller")
async def test_an_officer_sees_and_decides_only_pairs_that_lie_in_the_own_area_whole(desk):
    licence = "91141102MA0K00000X"
    await desk.register("吕梁人家", licence=licence)
    await desk.register("吕梁人家", area="141102002001", licence=licence)
    await desk.find()
    (candidate,) = (await desk.listed()).candidates
    half = Caller("officer-2", frozenset({"venue_officer"}), ("141102001",))
    assert not (await desk.listed(half, area="141102001")).candidates
    with pytest.raises(DomainError, match="OUT_OF_AREA"):
        await desk.decide(candidate, DIFFERENT, caller=half)


@connected
async def test_a_new_licence_is_compared_and_pages_are_followed(desk, house, who):
    venues = [await desk.register("吕梁人家") for _ in range(4)]
    await desk.find()
    seen, token = [], ""
    while True:
        page = await desk.listed(page_size=4, page_token=token)
        seen += [each.candidate_id for each in page.candidates]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == 6
    far = await desk.register("晋泉", "滨河路1号西", licence="91141102MA0K00000X")
    change = venue_pb2.ChangeOwnerRequest(
        request_id=str(uuid4()),
        venue_id=venues[0].venue_id,
        particulars=venue_pb2.Particulars(licence="91141102MA0K00000X"),
    )
    with calling(who.officer):
        await house.venues.ChangeOwner(change, None)
    await desk.find()
    pairs = [{each.first.venue_id, each.second.venue_id} for each in (await desk.listed(page_size=100)).candidates]
    assert {far.venue_id, venues[0].venue_id} in pairs
