"""Committing, opening and drawing against a real Postgres: who, when, once, and what is left after an interruption."""

import asyncio
import json
from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import asyncpg
import pytest
from chassis.errors import Kind
from lilitong.venue.v1 import spot_check_pb2 as pb
from venue.spotcheck import record, store

from .conftest import COMMITTED, DISTRICT, DRAWN, LAPSED, OPENED, PUBLISHED, TO_BEGIN, person, refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V9")]


@pytest.mark.case("happy path")
async def test_a_draw_comes_out_as_its_frame_says_and_anybody_can_draw_it_again_afterwards(squad):
    await squad.team("一队", ["141102001001", "141102009001", "141102009002", "141102009003"])
    await squad.team("二队", ["141102002001", "141102009004"])
    venues = [*await squad.venues(5), *await squad.venues(3, category=6), *await squad.venues(4, area="141102002001")]
    check = await squad.commit()
    assert (check.state, check.eligible, check.drawn) == (COMMITTED, 12, 3 + 2 + 2)
    assert [(each.area, each.category, each.eligible, each.drawn) for each in check.strata] == [
        ("141102001", 3, 5, 3), ("141102001", 6, 3, 2), ("141102002", 3, 4, 2),
    ]  # fmt: skip
    drawn = await squad.draw(check.draw_id)
    assert (drawn.state, drawn.pairs) == (DRAWN, 3)
    listed = await squad.assignments(check.draw_id)
    assert len(listed) == 7
    assert {each.venue_id for each in listed} < {each.venue_id for each in venues}
    assert all(each.progress == TO_BEGIN for each in listed)
    squad.later(days=8)
    assert (await squad.get(check.draw_id)).state == PUBLISHED
    said = json.loads(await squad.record(check.draw_id))
    again = record.verify(said, [squad.signer.verifier])
    assert again.assignments == {each.venue_id: each.pair for each in listed}
    assert not {"一队-0", "二队-0"} & set(json.dumps(said, ensure_ascii=False).split('"')), "accounts are not published"


async def test_the_commitment_stands_in_the_log_before_anybody_can_know_the_outcome(squad):
    await squad.team()
    await squad.venues(4)
    check = await squad.commit()
    row = (await squad.house.rows("SELECT * FROM spot_checks"))[0]
    leaf = await squad.house.owner.fetchval(
        "SELECT leaf_hash FROM ledger_leaves WHERE leaf_index = $1", check.commitment_index
    )
    assert leaf == row["leaf_hash"]
    assert check.frame_sha256 == sha256(row["frame"]).digest()
    for table in ("spot_check_openings", "spot_check_draws", "spot_check_pairs", "spot_check_assignments"):
        assert not await squad.house.rows(f"SELECT * FROM {table}")
    drawn = await squad.draw(check.draw_id)
    secret = await squad.house.owner.fetchval("SELECT secret FROM spot_check_draws")
    assert secret not in b"".join(bytes(value) for value in row.values() if isinstance(value, bytes))
    assert drawn.opening_index > check.commitment_index
    assert drawn.checkpoint.startswith(f"lilitong/venue\n{drawn.opening_index + 1}\n")


async def test_venues_and_inspectors_who_come_after_the_commitment_are_not_drawn(squad):
    team, _ = await squad.team(homes=["141102009001"] * 2)
    early = await squad.venues(2)
    check = await squad.commit(per_mille=1000)
    await squad.venues(3)
    await squad.call(squad.lead, squad.assign(team, "late", "141102009001"))
    await squad.draw(check.draw_id)
    listed = await squad.assignments(check.draw_id)
    assert {each.venue_id for each in listed} == {each.venue_id for each in early}
    assert "late" not in {name for each in listed for name in (each.first_inspector, each.second_inspector)}


async def test_only_venues_of_the_area_the_categories_and_the_drill_are_candidates(squad):
    await squad.team()
    wanted = await squad.venues(2, area="141102001001", category=6)
    await squad.venues(1, area="141102001001", category=3)
    await squad.venues(1, area="141102002001", category=6)
    await squad.venues(1, area="141102001001", category=6, drill_id="drill-1")
    closed = (await squad.venues(1, area="141102001001", category=6))[0]
    await squad.house.owner.execute(
        "UPDATE venues SET closed_at = $1, closed_by = 'officer-1', closing_reason = '停业' WHERE venue_id = $2",
        squad.now(),
        closed.venue_id,
    )
    check = await squad.drawn(area="141102001", categories=[6], per_mille=1000)
    listed = await squad.assignments(check.draw_id)
    assert {each.venue_id for each in listed} == {each.venue_id for each in wanted}
    drill = await squad.commit(area="141102001", drill_id="drill-1")
    assert (drill.eligible, drill.drill_id) == (1, "drill-1")


@pytest.mark.case("wrong caller")
async def test_who_committed_cannot_open_and_no_other_role_can(squad):
    await squad.team()
    await squad.venues(2)
    both = person("both", "venue_officer", "enforcement_lead")
    check = (await squad.call(both, squad.commitment())).spot_check
    assert await refused(squad.call(both, squad.opening(check.draw_id))) == (Kind.DENIED, "SECOND_PERSON_NEEDED")
    elsewhere = person("lead-9", "enforcement_lead", areas=("141102001",))
    assert await refused(squad.call(elsewhere, squad.opening(check.draw_id))) == (Kind.DENIED, "OUT_OF_AREA")
    assert (await squad.get(check.draw_id)).state == COMMITTED
    assert await refused(squad.call(squad.lead, squad.opening(str(uuid4())))) == (Kind.NOT_FOUND, "SPOT_CHECK_UNKNOWN")


@pytest.mark.case("concurrency")
async def test_two_draws_of_one_commitment_at_once_give_one_result(squad):
    await squad.team(homes=["141102009001"] * 6)
    await squad.venues(6)
    check = await squad.commit()
    callers = [squad.lead, squad.chief] * 5
    answers = await asyncio.gather(
        *(squad.call(each, squad.opening(check.draw_id)) for each in callers), return_exceptions=True
    )
    done = [each for each in answers if not isinstance(each, BaseException)]
    assert len(done) == 1
    assert {each.reason for each in answers if isinstance(each, BaseException)} == {"ALREADY_OPENED"}
    assert await squad.house.owner.fetchval("SELECT count(*) FROM spot_check_openings") == 1
    assert len(await squad.assignments(check.draw_id)) == 3


@pytest.mark.case("concurrency", "repeat")
async def test_the_same_draw_asked_for_twice_at_once_is_done_once(squad):
    await squad.team()
    await squad.venues(4)
    check = await squad.commit()
    request = squad.opening(check.draw_id)
    again = squad.opening(check.draw_id, request.contribution)
    answers = await asyncio.gather(*(squad.call(squad.lead, each) for each in (request, request, again, again)))
    assert len({each.SerializeToString() for each in answers}) == 1
    assert [what for what, _ in await squad.events()] == ["committed", "drawn"]


@pytest.mark.case("crash")
async def test_a_process_that_ends_between_opening_and_drawing_changes_nothing_of_the_outcome(
    squad, rebuilt, monkeypatch
):
    await squad.team(homes=["141102009001"] * 8)
    await squad.venues(8)
    check = await squad.commit()

    async def crash(*_):
        raise ConnectionResetError("the process ends")

    request = squad.opening(check.draw_id)
    with monkeypatch.context() as broken:
        broken.setattr(store, "insert_assignments", crash)
        with pytest.raises(ConnectionResetError):
            await squad.call(squad.lead, request)
    opened = await squad.get(check.draw_id)
    assert opened.state == OPENED
    assert not await squad.house.rows("SELECT * FROM spot_check_draws"), "nothing of the half draw is left"
    # Another number is too late, though nothing is drawn.
    assert await refused(squad.call(squad.chief, squad.opening(check.draw_id))) == (Kind.EXISTS, "ALREADY_OPENED")
    stuck = rebuilt()
    other = await squad.commit()
    with monkeypatch.context() as broken:
        broken.setattr(store, "insert_assignments", crash)
        with pytest.raises(ConnectionResetError):
            await squad.call(squad.lead, squad.opening(other.draw_id))
    real = store.insert_assignments

    async def fails_for_the_other(conn, check, *rest):
        if str(check.draw_id) == other.draw_id:
            raise RuntimeError("this one cannot be drawn")
        await real(conn, check, *rest)

    with monkeypatch.context() as broken:
        broken.setattr(store, "insert_assignments", fails_for_the_other)
        await stuck.clocks.tick()
    assert (await squad.get(other.draw_id)).state == OPENED, "one that cannot be drawn puts off no other"
    drawn = await squad.get(check.draw_id)
    assert (drawn.state, drawn.checkpoint) == (DRAWN, opened.checkpoint)
    # The one who opened it asks again and is told the same.
    assert (await squad.call(squad.lead, request)).spot_check == drawn
    squad.later(days=8)
    record.verify(json.loads(await squad.record(check.draw_id)), [squad.signer.verifier])


@pytest.mark.case("crash", "repeat")
async def test_a_crash_while_committing_leaves_neither_commitment_nor_entry(squad, monkeypatch):
    await squad.team()
    await squad.venues(2)
    size = await squad.house.owner.fetchval("SELECT size FROM ledger_head")

    async def crash(*_):
        raise ConnectionResetError("the process ends")

    request = squad.commitment()
    with monkeypatch.context() as broken:
        broken.setattr(store, "insert_commitment", crash)
        with pytest.raises(ConnectionResetError):
            await squad.call(squad.officer, request)
    assert await squad.house.owner.fetchval("SELECT size FROM ledger_head") == size
    made = (await squad.call(squad.officer, request)).spot_check
    assert made.commitment_index == size
    assert (await squad.call(squad.officer, request)).spot_check == made, "a repeat is answered as before"
    other = squad.commitment(draw_id=request.draw_id)
    assert await refused(squad.call(squad.officer, other)) == (Kind.EXISTS, "SPOT_CHECK_EXISTS")
    changed = squad.commitment(request_id=request.request_id, title="别的")
    assert await refused(squad.call(squad.officer, changed)) == (Kind.MISMATCH, "IDEMPOTENCY_MISMATCH")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"area": "141102003"}, (Kind.PRECONDITION, "NO_VENUES")),
        ({"days": 61}, (Kind.INVALID, "END_INVALID")),
        ({"days": -1}, (Kind.INVALID, "END_INVALID")),
        ({"team_ids": [str(uuid4())]}, (Kind.INVALID, "TEAM_UNKNOWN")),
    ],
)
@pytest.mark.case("bad input")
async def test_a_commitment_to_nothing_is_refused(squad, given, expected):
    await squad.team()
    await squad.venues(2)
    assert await refused(squad.call(squad.officer, squad.commitment(**given))) == expected
    assert not await squad.house.rows("SELECT * FROM spot_checks")


@pytest.mark.case("bad input")
async def test_a_commitment_that_some_draw_could_not_keep_is_refused_beforehand(squad):
    await squad.venues(1, area="141102001001")
    await squad.team("一队", ["141102001001", "141102009001", "141102001001", "141102009002"])
    reason = (Kind.PRECONDITION, "TOO_FEW_INSPECTORS")
    assert await refused(squad.call(squad.officer, squad.commitment())) == reason
    team, _ = await squad.team("二队", ["141102009003", "141102009004"])
    assert (await squad.drawn()).pairs == 3
    assert (await squad.drawn(team_ids=[team])).pairs == 1


async def test_a_commitment_that_nobody_opens_lapses(squad):
    await squad.team()
    await squad.venues(2)
    check = await squad.commit(days=2)
    squad.later(days=2)
    assert (await squad.get(check.draw_id)).state == LAPSED
    assert await refused(squad.call(squad.lead, squad.opening(check.draw_id))) == (
        Kind.PRECONDITION,
        "SPOT_CHECK_LAPSED",
    )
    assert await refused(squad.record(check.draw_id)) == (Kind.PRECONDITION, "NOT_YET_PUBLISHED")


@pytest.mark.case("happy path", "bad input")
async def test_lists_show_the_newest_first_page_by_page_to_those_of_the_area(squad):
    await squad.team()
    await squad.venues(2, area="141102001001")
    made = []
    for area in (DISTRICT, "141102001", DISTRICT):
        made.append((await squad.commit(area=area)).draw_id)
        squad.later(minutes=1)
    first = await squad.call(squad.officer, pb.ListSpotChecksRequest(area=DISTRICT, page_size=2))
    rest = await squad.call(
        squad.officer, pb.ListSpotChecksRequest(area=DISTRICT, page_size=2, page_token=first.next_page_token)
    )
    assert [each.draw_id for each in (*first.spot_checks, *rest.spot_checks)] == made[::-1]
    assert not rest.next_page_token
    bad = pb.ListSpotChecksRequest(area=DISTRICT, page_token="1.x")
    assert await refused(squad.call(squad.officer, bad)) == (Kind.INVALID, "PAGE_TOKEN_INVALID")
    # A sub-district's inspectors find the district's draws.
    near = person("insp", "inspector", areas=("141102001",))
    found = await squad.call(near, pb.ListSpotChecksRequest(area="141102001"))
    assert [each.draw_id for each in found.spot_checks] == made[::-1]


async def test_the_store_refuses_a_draw_with_another_seed_another_secret_or_the_same_person(squad):
    await squad.team()
    await squad.venues(2)
    check = await squad.commit()
    await squad.draw(check.draw_id)
    owner = squad.house.owner
    await owner.execute("TRUNCATE spot_check_draws, spot_check_publications CASCADE")
    beacon = await owner.fetchval("SELECT beacon FROM spot_check_openings")
    promised = check.secret_sha256
    secret = sha256(b"chosen").digest()

    async def insert(secret, secret_hash, seed):
        await owner.execute(
            "INSERT INTO spot_check_draws VALUES ($1, $2, $3, $4, $5, 1, now())",
            check.draw_id, secret, secret_hash, beacon, seed,
        )  # fmt: skip

    for secret_hash, constraint in (
        (promised, "spot_check_draws_secret_check"),
        (sha256(f"lilitong/spot-check-secret/1|{secret.hex()}".encode()).digest(), "spot_check_draws_commitment_fkey"),
    ):
        seed = sha256(f"lilitong/spot-check-seed/1|{secret.hex()}|{check.draw_id}|{beacon.hex()}".encode()).digest()
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as found:
            await insert(secret, secret_hash, seed)
        assert found.value.constraint_name == constraint
    with pytest.raises(asyncpg.CheckViolationError) as found:
        await insert(secret, sha256(f"lilitong/spot-check-secret/1|{secret.hex()}".encode()).digest(), secret)
    assert found.value.constraint_name == "spot_check_draws_seed_check"
    # As the schema's owner, who may what the service may not.
    with pytest.raises(asyncpg.CheckViolationError) as found:
        await owner.execute("UPDATE spot_check_openings SET contributor = committed_by")
    assert found.value.constraint_name == "spot_check_openings_second_person_check"


@pytest.mark.parametrize("table", ["spot_checks", "spot_check_openings", "spot_check_draws", "spot_check_assignments"])
async def test_the_service_itself_can_change_or_delete_nothing_of_a_draw(squad, table):
    await squad.team()
    await squad.venues(2)
    await squad.drawn()
    async with squad.house.pool.acquire() as conn:
        for statement in (f"UPDATE {table} SET draw_id = gen_random_uuid()", f"DELETE FROM {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_an_end_between_seconds_is_kept(squad):
    await squad.team()
    await squad.venues(1)
    request = squad.commitment()
    request.ends_at.FromDatetime(squad.now() + timedelta(days=1, milliseconds=500))
    made = (await squad.call(squad.officer, request)).spot_check
    assert made.ends_at == request.ends_at
