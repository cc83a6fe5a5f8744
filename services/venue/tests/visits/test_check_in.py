"""Check-in: who is let in, who is stopped, who is looked at; and what is stored of it."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from chassis.access import calling
from chassis.errors import DomainError, Kind, store_error
from chassis.rpc.status import from_proto
from chassis.rpc.validation import validate
from lilitong.venue.v1 import visit_pb2
from passes import venue_code
from venue.visits import store
from venue.visits.model import Grade, Visit, VisitRef, key_bytes
from venue.visits.recording import is_repeat

pytestmark = [pytest.mark.connected, pytest.mark.feature("V4")]

ADMITTED, REFUSED, REFER = 1, 2, 3
TODAY = date(2022, 3, 10)


def reasons(answer):
    return [each.code for each in answer.reasons]


@pytest.mark.case("happy path")
async def test_a_resident_who_scans_the_poster_is_admitted_and_recorded(house):
    code = (await house.register()).zones[0].code
    answer = await house.check_in(house.scan("wang", code))
    assert (answer.outcome, answer.grade, reasons(answer), answer.degraded) == (ADMITTED, 3, [], False)
    ref = VisitRef.of_id(answer.visit_ids[0])
    (row,) = await house.rows("SELECT * FROM visits_plain")
    assert (row["day"], row["tag"].bytes, key_bytes(row["visit_key"])) == (ref.day, ref.tag, ref.visit_key)
    assert (row["entered"], row["stay"], row["grade"], row["late"]) == (12 * 3600, 45 * 60, 3, False)


@pytest.mark.feature("V3")
@pytest.mark.case("happy path", "bad input")
async def test_a_rotating_code_proves_more_than_a_poster_and_only_for_its_moment(house, who):
    venue = await house.register()
    zone = venue.zones[0].zone
    from lilitong.venue.v1 import venue_pb2

    with calling(who.operator):
        issued = await house.venues.IssueScreenSecret(
            venue_pb2.IssueScreenSecretRequest(request_id="8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4c1", zone=zone), None
        )
    grant = venue_code.ScreenGrant(zone, issued.version, issued.kid, issued.signature)
    shown = grant.show(issued.secret, house.clock.now()).to_text()
    answer = await house.check_in(house.scan("wang", shown))
    assert (answer.outcome, answer.grade) == (ADMITTED, 2)
    house.clock.advance(timedelta(seconds=90))
    with pytest.raises(DomainError) as refused:
        await house.check_in(house.scan("li", shown))
    assert refused.value.reason == "VENUE_CODE_EXPIRED"
    assert await house.stored() == 1


@pytest.mark.case("happy path", "wrong caller")
async def test_staff_of_the_venue_scan_the_phone_and_nobody_elses_staff_may(house, who):
    code = (await house.register()).zones[0].code
    request = house.staff_scan(house.people.show("wang", house.clock.now()), code)
    with pytest.raises(DomainError) as refused:
        await house.check_in(request, who.other)
    assert (refused.value.kind, refused.value.reason) == (Kind.DENIED, "NOT_AN_OPERATOR")
    assert await house.stored() == 0
    answer = await house.check_in(request, who.operator)
    assert (answer.outcome, answer.grade) == (ADMITTED, 1)


@pytest.mark.case("happy path")
async def test_companions_are_recorded_with_the_holder_or_without(house):
    code = (await house.register()).zones[0].code
    family = await house.check_in(house.scan("wang", code, companions=("son", "aunt")))
    assert len(family.visit_ids) == 3
    only_son = await house.check_in(house.scan("wang", code, companions=("son", "aunt"), presence=0b010))
    assert VisitRef.of_id(only_son.visit_ids[0]).tag == house.people.tag("son", TODAY)
    assert await house.stored() == 4


@pytest.mark.case("happy path", "bad input")
async def test_a_paper_card_is_scanned_by_staff_and_weighs_little(house, who):
    code = (await house.register()).zones[0].code
    card = house.card("grandma")
    answer = await house.check_in(house.staff_scan(card, code), who.operator)
    assert (answer.outcome, answer.grade) == (ADMITTED, 4)
    assert VisitRef.of_id(answer.visit_ids[0]).tag == house.people.tag("grandma", TODAY)
    with pytest.raises(DomainError) as refused:
        await house.check_in(visit_pb2.CheckInRequest(visit_key=bytes(8), credential=card, venue_code=code))
    assert refused.value.reason == "CARD_NEEDS_STAFF"
    unknown = await house.check_in(house.staff_scan("LLC1:00000000000000000000000000K1", code), who.operator)
    assert (unknown.outcome, await house.stored()) == (REFER, 1)


@pytest.mark.case("happy path")
async def test_a_restricted_person_is_refused_with_reason_and_reference_and_not_recorded(house):
    code = (await house.register()).zones[0].code
    entry = house.entry("contact")
    house.restrict(entry)
    answer = await house.check_in(house.scan("contact", code))
    assert (answer.outcome, reasons(answer), answer.reference) == (REFUSED, ["RESTRICTED_CLOSE_CONTACT"], entry.ref)
    assert all((answer.reasons[0].text_zh, answer.reasons[0].text_en))
    assert (list(answer.visit_ids), await house.stored()) == ([], 0)
    assert (await house.check_in(house.scan("neighbour", code))).outcome == ADMITTED


async def test_a_family_with_one_restricted_member_is_refused_as_a_whole(house):
    code = (await house.register()).zones[0].code
    house.restrict(house.entry("son", reason=3))
    answer = await house.check_in(house.scan("wang", code, companions=("son",)))
    assert (answer.outcome, reasons(answer)) == (REFUSED, ["RESTRICTED_HOUSEHOLD"])
    assert (await house.check_in(house.scan("wang", code, companions=("son",), presence=1))).outcome == ADMITTED


async def test_a_restriction_that_has_ended_or_was_lifted_stops_nobody(house):
    code = (await house.register()).zones[0].code
    house.restrict(house.entry("free", end_minute=11 * 60), house.entry("lifted"))
    house.restrict(house.entry("lifted", lift=True))
    assert (await house.check_in(house.scan("free", code))).outcome == ADMITTED
    assert (await house.check_in(house.scan("lifted", code))).outcome == ADMITTED


async def test_a_denial_without_proof_is_no_denial_but_a_question(house):
    from dataclasses import replace

    code = (await house.register()).zones[0].code
    genuine = house.log.segment(1, [house.entry("wang")], day=TODAY)
    house.index.apply(replace(genuine, salt=bytes(16)))
    answer = await house.check_in(house.scan("wang", code))
    assert (answer.outcome, reasons(answer)) == (REFER, ["UNPROVEN_DENIAL"])
    assert await house.stored() == 0


async def test_a_list_too_old_lets_nobody_in_unseen(house):
    code = (await house.register()).zones[0].code
    house.state.too_old = True
    answer = await house.check_in(house.scan("wang", code))
    assert (answer.outcome, reasons(answer), await house.stored()) == (REFER, ["LIST_TOO_OLD"], 0)


@pytest.mark.case("bad input")
async def test_what_does_not_prove_presence_is_referred_and_not_stored(house):
    venue, other = await house.register(), await house.register()
    code = venue.zones[0].code
    now = house.clock.now()
    forged = house.scan("wang", code, key=b"k" * 8)
    from cryptography.hazmat.primitives.asymmetric import ec

    elsewhere = house.scan("wang", other.zones[0].code)
    elsewhere.venue_code = code
    cases = {
        "STALE": house.scan("wang", code, at=now - timedelta(seconds=61)),
        "CLOCK": house.scan("wang", code, at=now + timedelta(seconds=31)),
        "WRONG_DAY": house.scan("wang", code, day=TODAY - timedelta(days=1)),
        "UNKNOWN_KEY": house.scan("wang", code, key=b"k" * 8),
        "WRONG_CONTEXT": elsewhere,
        "MALFORMED": visit_pb2.CheckInRequest(visit_key=bytes(8), credential="LLT1:NONSENSE", venue_code=code),
    }
    stranger = ec.generate_private_key(ec.SECP256R1())
    context = venue_code.parse(code).to_bytes()
    cases["UNKNOWN_KEY"].credential = house.people.show("wang", now, context=context, key=stranger)
    for reason, request in cases.items():
        answer = await house.check_in(request)
        assert (answer.outcome, reasons(answer)) == (REFER, [reason])
        assert list(answer.visit_ids) == []
    assert forged.visit_key == b"k" * 8
    assert await house.stored() == 0


async def test_a_phone_code_shown_to_staff_is_no_check_in_by_the_phone_itself_and_the_reverse(house, who):
    code = (await house.register()).zones[0].code
    shown = house.people.show("wang", house.clock.now())
    by_app = visit_pb2.CheckInRequest(visit_key=bytes(8), credential=shown, venue_code=code)
    assert reasons(await house.check_in(by_app)) == ["WRONG_CONTEXT"]
    signed_for_code = house.scan("wang", code)
    signed_for_code.scanned_by_staff = True
    assert reasons(await house.check_in(signed_for_code, who.operator)) == ["WRONG_CONTEXT"]


async def test_one_phone_code_is_used_once(house, who):
    first, second = await house.register(), await house.register()
    shown = house.people.show("wang", house.clock.now())
    assert (await house.check_in(house.staff_scan(shown, first.zones[0].code), who.operator)).outcome == ADMITTED
    copied = await house.check_in(house.staff_scan(shown, second.zones[0].code), who.operator)
    assert (copied.outcome, reasons(copied), await house.stored()) == (REFER, ["REPLAYED"], 1)


@pytest.mark.case("repeat")
async def test_sending_a_check_in_again_returns_the_first_answer_even_much_later(house):
    code = (await house.register()).zones[0].code
    request = house.scan("wang", code, companions=("son",))
    first = await house.check_in(request)
    house.restrict(house.entry("wang"))
    assert await house.check_in(request) == first
    house.clock.advance(timedelta(hours=1))
    assert await house.check_in(request) == first
    (again,) = await house.batch([request])
    assert again.response == first
    assert await house.stored() == 2


@pytest.mark.case("repeat")
async def test_a_visit_key_used_for_another_check_in_is_a_mismatch_and_stores_nothing(house):
    venue = await house.register(zones=2)
    here, there = venue.zones[0].code, venue.zones[1].code
    await house.check_in(house.scan("wang", here, key=b"k" * 8))
    for request in (
        house.scan("wang", there, key=b"k" * 8),
        house.scan("wang", there, key=b"k" * 8, companions=("son",)),
    ):
        with pytest.raises(DomainError) as refused:
            await house.check_in(request)
        assert (refused.value.kind, refused.value.reason) == (Kind.MISMATCH, "VISIT_KEY_REUSED")
    assert await house.stored() == 1


@pytest.mark.case("concurrency", "repeat")
async def test_the_same_check_in_sent_twenty_times_at_once_is_one_visit(house):
    code = (await house.register()).zones[0].code
    request = house.scan("wang", code)
    answers = await asyncio.gather(*(house.check_in(request) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)
    assert await house.stored() == 1


@pytest.mark.case("concurrency")
async def test_many_check_ins_at_once_are_each_stored_and_answered(house):
    code = (await house.register()).zones[0].code
    requests = [house.scan(f"p{n}", code) for n in range(120)]
    answers = await asyncio.gather(*(house.check_in(request) for request in requests))
    assert {VisitRef.of_id(answer.visit_ids[0]).visit_key for answer in answers} == {r.visit_key for r in requests}
    assert await house.stored() == 120


@pytest.mark.case("bad input")
async def test_a_batch_answers_each_item_on_its_own(house):
    venue = await house.register()
    code = venue.zones[0].code
    house.restrict(house.entry("contact"))
    used = house.scan("li", code, key=b"k" * 8)
    await house.check_in(used)
    clash = house.scan("li", code, key=b"k" * 8, at=house.clock.now() - timedelta(seconds=5))
    bad_code = house.scan("wang", code)
    bad_code.venue_code = "LLV1:NOTACODE"
    requests = [house.scan("wang", code), house.scan("contact", code), clash, bad_code, used]
    results = await house.batch(requests)
    assert [each.response.outcome for each in results] == [ADMITTED, REFUSED, 0, 0, ADMITTED]
    assert [each.error_reason for each in results] == ["", "", "VISIT_KEY_REUSED", "VENUE_CODE_INVALID", ""]
    kinds = [known.kind if (known := from_proto(each.error)) else None for each in results]
    assert kinds == [None, None, Kind.MISMATCH, Kind.INVALID, None]
    assert await house.stored() == 2


@pytest.mark.case("happy path", "bad input")
async def test_a_late_item_is_judged_at_its_signed_time_recorded_and_stops_nobody_in_hindsight(house):
    code = (await house.register()).zones[0].code
    then = house.clock.now() - timedelta(hours=70)
    day = TODAY - timedelta(days=3)
    house.restrict(house.entry("wang", day=day), day=day)
    answer = await house.check_in(house.scan("wang", code, at=then, late=True))
    assert answer.outcome == ADMITTED
    (row,) = await house.rows("SELECT day, late, entered FROM visits_plain")
    assert (row["day"], row["late"], row["entered"]) == (day, True, 14 * 3600)
    too_late = await house.check_in(house.scan("wang", code, at=house.clock.now() - timedelta(hours=73), late=True))
    assert (too_late.outcome, reasons(too_late), await house.stored()) == (REFER, ["STALE"], 1)


@pytest.mark.case("happy path")
async def test_a_card_read_offline_is_dated_by_the_scan(house, who):
    code = (await house.register()).zones[0].code
    card = house.card("grandma")
    at = house.clock.now() - timedelta(hours=2)
    answer = await house.check_in(house.staff_scan(card, code, late=True, scanned_at=at), who.operator)
    assert answer.outcome == ADMITTED
    (row,) = await house.rows("SELECT late, entered FROM visits_plain")
    assert (row["late"], row["entered"]) == (True, 10 * 3600)
    early = await house.check_in(house.staff_scan(card, code, scanned_at=at), who.operator)
    assert reasons(early) == ["STALE"]


@pytest.mark.feature("V3")
@pytest.mark.case("bad input")
async def test_a_former_a_revoked_and_a_forged_code_admit_nobody(house, who):
    from lilitong.venue.v1 import venue_pb2

    venue = await house.register()
    zone, code = venue.zones[0].zone, venue.zones[0].code
    stranger = venue_code.issue_poster(zone, 1, house.people.real).to_text()
    with pytest.raises(DomainError) as forged:
        await house.check_in(house.scan("wang", stranger))
    assert forged.value.reason == "VENUE_CODE_INVALID"
    with calling(who.officer):
        replaced = await house.venues.ReplaceVenueCode(
            venue_pb2.ReplaceVenueCodeRequest(request_id="8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4c2", zone=zone), None
        )
    with pytest.raises(DomainError) as former:
        await house.check_in(house.scan("wang", code))
    assert former.value.reason == "VENUE_CODE_REVOKED"
    assert (await house.check_in(house.scan("wang", replaced.zone.code))).outcome == ADMITTED
    with calling(who.officer):
        await house.venues.RevokeVenueCode(
            venue_pb2.RevokeVenueCodeRequest(request_id="8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4c3", zone=zone), None
        )
    with pytest.raises(DomainError) as revoked:
        await house.check_in(house.scan("wang", replaced.zone.code))
    assert revoked.value.reason == "VENUE_CODE_REVOKED"
    assert await house.stored() == 1


@pytest.mark.feature("X10")
async def test_a_drill_touches_nobody_real(house):
    real, mock = await house.register(), await house.register(drill_id="spring")
    house.restrict(house.entry("wang"), drill_id="spring")
    assert (await house.check_in(house.scan("wang", real.zones[0].code))).outcome == ADMITTED
    stopped = await house.check_in(house.scan("wang", real.zones[0].code, drill_id="spring"))
    assert (stopped.outcome, stopped.drill_id) == (REFUSED, "spring")
    visitor = await house.check_in(house.scan("wang", mock.zones[0].code))
    assert (visitor.outcome, reasons(visitor)) == (REFER, ["DRILL_VENUE"])
    other = await house.check_in(house.scan("li", mock.zones[0].code, drill_id="autumn"))
    assert (other.outcome, reasons(other)) == (REFER, ["OTHER_DRILL"])
    played = await house.check_in(house.scan("li", real.zones[0].code, drill_id="spring"))
    assert (played.outcome, played.drill_id) == (ADMITTED, "spring")
    rows = await house.rows("SELECT drill_id FROM visits ORDER BY drill_id NULLS FIRST")
    assert [row["drill_id"] for row in rows] == [None, "spring"]


@pytest.mark.case("crash")
async def test_a_check_in_whose_transaction_is_killed_is_not_acknowledged_and_succeeds_when_sent_again(house):
    code = (await house.register()).zones[0].code
    request = house.scan("wang", code)
    blocker = house.owner.transaction()
    await blocker.start()
    await house.owner.execute("LOCK TABLE visits IN ACCESS EXCLUSIVE MODE")
    waiting = asyncio.create_task(house.check_in(request))
    killed = 0
    for _ in range(100):
        killed = await house.admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'venue'"
            " AND datname = current_database() AND wait_event_type = 'Lock'"
        )
        if killed:
            break
        await asyncio.sleep(0.02)
    assert killed == 1
    with pytest.raises(Exception) as lost:  # noqa: PT011 - any of several, all mapped alike
        await waiting
    known = store_error(lost.value)
    assert known is not None
    assert known.kind is Kind.UNAVAILABLE
    await blocker.rollback()
    assert await house.stored() == 0
    assert (await house.check_in(request)).outcome == ADMITTED
    assert await house.stored() == 1


async def test_no_stored_value_is_shared_by_two_days_of_one_person(house):
    """S5: everything of the row but the place differs or is common to many."""
    code = (await house.register()).zones[0].code
    await house.check_in(house.scan("wang", code))
    house.clock.advance(timedelta(days=1, minutes=7))
    await house.check_in(house.scan("wang", code))
    first, second = await house.rows("SELECT * FROM visits ORDER BY day")
    shared = {name for name in first.keys() if first[name] == second[name]}  # noqa: SIM118 - a record is no mapping
    assert shared == {"place", "facts", "drill_id"}


@pytest.mark.case("bad input")
def test_the_contract_refuses_a_request_that_says_too_little():
    with pytest.raises(DomainError) as refused:
        validate(visit_pb2.CheckInRequest(visit_key=b"short", credential="x"))
    assert set(refused.value.fields) == {"visit_key", "credential", "venue_code"}


@pytest.mark.case("concurrency")
async def test_batches_that_repeat_each_others_check_ins_never_wait_in_a_circle(house):
    """Two replicas are sent the same check-ins again, each in an order of its own, among those of others."""
    one, other, between = (_visit(number) for number in (1, 3, 2))
    async with house.pool.acquire() as blocker, house.pool.acquire() as first, house.pool.acquire() as second:
        held = blocker.transaction()
        await held.start()
        await store.insert(blocker, [between])

        async def write(connection, visits):
            async with connection.transaction():
                await store.insert(connection, visits)

        waiting = asyncio.create_task(write(first, [one, between, other]))
        await _until_it_waits(house, first)
        crossing = asyncio.create_task(write(second, [other, one]))
        await asyncio.wait({crossing}, timeout=0.3)
        await held.rollback()
        await asyncio.gather(waiting, crossing)
    assert await house.stored() == 3


async def _until_it_waits(house, connection):
    for _ in range(500):
        if await house.admin.fetchval(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", connection.get_server_pid()
        ):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def _visit(number):
    return Visit(TODAY, bytes([number]) * 16, bytes([number]) * 8, 1, 0, 60, Grade.STATIC_CODE, False, False, "")


@pytest.mark.parametrize("key", [bytes(8), b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7), b"\xff" * 8])
@pytest.mark.parametrize("drill_id", ["", "spring"])
async def test_the_largest_values_are_read_as_they_were_written(house, key, drill_id):
    """Several of a visit's facts share a number: none may reach into its neighbour."""
    visit = Visit(TODAY, b"\xff" * 16, key, 2**26 - 1, 86_399, 86_400, Grade.STATIC_CARD, True, True, drill_id)
    ref = VisitRef(TODAY, visit.tag, key)
    async with house.pool.acquire() as connection, connection.transaction():
        assert await store.insert(connection, [visit]) == {(TODAY, UUID(bytes=visit.tag), key)}
        assert await store.insert(connection, [visit]) == set()
        assert is_repeat(visit, await store.find(connection, [ref]))
        assert await store.lock_for_check_out(connection, ref) == store.StoredVisit(visit, False)
        await store.set_stay(connection, ref, 0, overstay=False)
        ended = replace(visit, stay=0, overstay=False)
        assert await store.lock_for_check_out(connection, ref) == store.StoredVisit(ended, True)
