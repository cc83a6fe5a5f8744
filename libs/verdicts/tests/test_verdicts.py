"""Verdict rules against a small fake list: nothing here needs a socket."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from lilitong.checkpoint.v1 import scan_pb2
from passes import cards, cose, presentation
from passes.pass_token import IssuerKey, Pass, issue
from passes.replay import ReplayGuard
from verdicts.credential import Refused, Shown, read
from verdicts.model import (
    ORDER,
    Colour,
    Decision,
    Observations,
    Policy,
    Reason,
    Verdict,
    from_mask,
    ordered,
    to_mask,
)
from verdicts.texts import REASONS, VERDICTS
from verdicts.texts import reason as text_of
from verdicts.verdict import decide

NOW = datetime(2026, 3, 10, 4, 0, tzinfo=UTC)
DAY = date(2026, 3, 10)
ALICE, BOB, EVE = bytes([1]) * 16, bytes([2]) * 16, bytes([3]) * 16
CARD = bytes(range(16))
WELL = Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True)
ISSUER, DRILL_ISSUER = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
KEYS = {
    b"real-key": IssuerKey(ISSUER.public_key()),
    b"drillkey": IssuerKey(DRILL_ISSUER.public_key(), drill=True),
}
PHONE = generate_private_key(SECP256R1())

pytestmark = pytest.mark.feature("C2")


@dataclass(frozen=True)
class Restriction:
    reason: int
    ref: bytes = b"referenc"
    generation: int = 1
    number: int = 2


@dataclass
class FakeLists:
    restricted: dict = field(default_factory=dict)
    doubted: set = field(default_factory=set)
    cards: dict = field(default_factory=dict)

    def lookup(self, day, drill_id, tag, at):
        return self.restricted.get((day, drill_id, tag))

    def doubt(self, day, drill_id, tag):
        return True if (day, drill_id, tag) in self.doubted else None

    def resolve_card(self, day, drill_id, card_key):
        return self.cards.get((day, drill_id, card_key))


def shown_pass(*, at=NOW, tags=(ALICE, BOB), presence=1, drill_id="", key=ISSUER, kid=b"real-key", context=b""):
    token = issue(Pass(DAY, tags, cose.point_of(PHONE.public_key()), drill_id), key, kid)
    return presentation.present(token, PHONE, at, presence=presence, context=context).to_text()


def reading(text, *, lists=None, drills=(), replays=None, use=b"scan-one", now=NOW):
    return read(
        text,
        keys=KEYS,
        lists=lists or FakeLists(),
        drills=drills,
        replays=ReplayGuard() if replays is None else replays,
        use=use,
        now=now,
    )


def judged(credential, *, lists=None, observations=WELL, matched=False, policy=None, age=1.0) -> Decision:
    return decide(
        credential,
        observations=observations,
        bearer_matched=matched,
        policy=policy or Policy(),
        lists=lists or FakeLists(),
        list_age_seconds=age,
        at=NOW,
    )


def test_numbers_and_names_are_those_of_the_contract():
    assert {f"SCAN_REASON_{r.name}": r.value for r in Reason} == dict(scan_pb2.ScanReason.items())
    assert {f"CODE_COLOUR_{c.name}": c.value for c in Colour} == dict(scan_pb2.CodeColour.items())
    contract = dict(scan_pb2.Verdict.items())
    del contract["VERDICT_UNSPECIFIED"]
    assert {f"VERDICT_{v.name}": v.value for v in Verdict} == contract


def test_every_reason_and_verdict_has_a_text_in_both_languages_and_a_place_in_the_order():
    assert set(ORDER) == set(Reason) == set(REASONS)
    assert set(VERDICTS) == set(Verdict)
    assert all(t.zh and t.en and not t.zh.isascii() and t.en.isascii() for t in [*REASONS.values(), *VERDICTS.values()])


def test_a_reason_from_a_later_version_is_shown_as_one_to_check_by_hand():
    assert "check by hand" in text_of(99).en
    assert text_of(10) == REASONS[Reason.STALE]


@given(st.sets(st.sampled_from(list(Reason))))
def test_reasons_survive_being_packed_into_an_integer(reasons):
    assert from_mask(to_mask(reasons)) == ordered(reasons)
    assert 0 <= to_mask(reasons) < 1 << 63


def test_a_fresh_pass_of_an_unrestricted_person_passes():
    assert judged(reading(shown_pass())) == Decision(Verdict.ALLOW, ())


def test_a_proven_restriction_denies_with_its_reference_and_segment():
    lists = FakeLists(restricted={(DAY, "", ALICE): Restriction(2)})
    decision = judged(reading(shown_pass()), lists=lists)
    assert (decision.verdict, decision.reasons) == (Verdict.DENY, (Reason.RESTRICTED_CLOSE_CONTACT,))
    (denial,) = decision.denials
    assert (denial.person, denial.day, denial.reference, denial.generation, denial.number) == (
        0,
        DAY,
        b"referenc",
        1,
        2,
    )


def test_only_people_who_are_present_are_looked_up_and_positions_are_those_on_the_pass():
    lists = FakeLists(restricted={(DAY, "", BOB): Restriction(3)})
    assert judged(reading(shown_pass(presence=0b01)), lists=lists).verdict is Verdict.ALLOW
    decision = judged(reading(shown_pass(presence=0b10)), lists=lists)
    assert decision.verdict is Verdict.DENY
    assert [denial.person for denial in decision.denials] == [1]


def test_the_worst_verdict_of_several_people_wins_and_all_reasons_are_said():
    lists = FakeLists(restricted={(DAY, "", BOB): Restriction(1)}, doubted={(DAY, "", EVE)})
    decision = judged(reading(shown_pass(tags=(ALICE, BOB, EVE), presence=0b111)), lists=lists)
    assert decision.verdict is Verdict.DENY
    assert decision.reasons == (Reason.RESTRICTED_CASE, Reason.UNPROVEN_DENIAL)


def test_an_unproven_denial_is_for_a_human():
    decision = judged(reading(shown_pass()), lists=FakeLists(doubted={(DAY, "", ALICE)}))
    assert decision == Decision(Verdict.REFER, (Reason.UNPROVEN_DENIAL,))


def test_a_proven_restriction_of_an_unknown_kind_still_denies():
    decision = judged(reading(shown_pass()), lists=FakeLists(restricted={(DAY, "", ALICE): Restriction(77)}))
    assert (decision.verdict, decision.reasons) == (Verdict.DENY, (Reason.UNSPECIFIED,))


@pytest.mark.parametrize(
    ("seconds", "failure"),
    [(-31, Reason.CLOCK), (-30, None), (0, None), (60, None), (61, Reason.STALE), (7200, Reason.STALE)],
)
def test_freshness_has_sharp_edges_and_never_denies(seconds, failure):
    credential = reading(shown_pass(at=NOW - timedelta(seconds=seconds)))
    assert isinstance(credential, Shown)
    assert credential.failure is failure
    lists = FakeLists(restricted={(DAY, "", ALICE): Restriction(1)})
    decision = judged(credential, lists=lists)
    assert decision.verdict is (Verdict.REFER if failure else Verdict.DENY)
    assert failure is None or decision.reasons == (failure,)


def test_a_second_scan_of_one_code_is_a_replay_and_the_same_scan_again_is_not():
    replays, text = ReplayGuard(), shown_pass()
    assert reading(text, replays=replays).failure is None
    assert reading(text, replays=replays).failure is None
    assert reading(text, replays=replays, use=b"scan-two").failure is Reason.REPLAYED
    assert judged(reading(text, replays=replays, use=b"scan-two")).verdict is Verdict.REFER


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("LLT1:%%%", Reason.MALFORMED),
        ("garbage from a door bell", Reason.MALFORMED),
        ("LLC1:0000", Reason.MALFORMED),
        (shown_pass(kid=b"otherkid"), Reason.UNKNOWN_KEY),
        (shown_pass(key=DRILL_ISSUER), Reason.BAD_SIGNATURE),
        (shown_pass(key=DRILL_ISSUER, kid=b"drillkey"), Reason.UNKNOWN_KEY),
        (shown_pass(at=NOW + timedelta(days=1)), Reason.WRONG_DAY),
        (shown_pass(context=b"a venue code"), Reason.MALFORMED),
        (cards.card_text(CARD), Reason.UNKNOWN_CARD),
    ],
)
def test_what_does_not_hold_is_referred_with_its_reason(text, reason):
    credential = reading(text)
    assert credential == Refused(reason)
    assert judged(credential) == Decision(Verdict.REFER, (reason,))


@pytest.mark.parametrize("text", ["", "  ", "\r\n"])
def test_somebody_without_phone_or_card_is_asked_to_register_and_never_denied(text):
    assert reading(text) is None
    assert judged(None) == Decision(Verdict.REFER, (Reason.NO_CREDENTIAL, Reason.NOT_REGISTERED))
    lenient = Policy(registration_required=False)
    assert judged(None, policy=lenient) == Decision(Verdict.ALLOW, (Reason.NO_CREDENTIAL,))


def card_lists(drill_id="", **more):
    return FakeLists(cards={(DAY, drill_id, cards.card_key(DAY, CARD)): ALICE}, **more)


def test_a_paper_card_passes_when_staff_matched_the_bearer():
    for text in (cards.card_text(CARD), cards.printed(CARD).lower()):
        credential = reading(text, lists=card_lists())
        assert credential == Shown(DAY, (ALICE,), (0,), NOW, card=True)
        assert judged(credential, matched=True) == Decision(Verdict.ALLOW, (Reason.STATIC_CARD,))
        assert judged(credential, matched=False) == Decision(Verdict.REFER, (Reason.STATIC_CARD,))


def test_a_restricted_card_denies_only_its_matched_bearer():
    lists = card_lists(restricted={(DAY, "", ALICE): Restriction(4)})
    credential = reading(cards.card_text(CARD), lists=lists)
    both = (Reason.RESTRICTED_INTERVIEWED, Reason.STATIC_CARD)
    assert judged(credential, lists=lists, matched=True).verdict is Verdict.DENY
    unmatched = judged(credential, lists=lists, matched=False)
    assert (unmatched.verdict, unmatched.reasons, unmatched.denials) == (Verdict.REFER, both, ())


@pytest.mark.feature("X10")
def test_a_drill_pass_meets_only_its_own_drills_list():
    text = shown_pass(drill_id="drill-1", key=DRILL_ISSUER, kid=b"drillkey")
    real = FakeLists(restricted={(DAY, "", ALICE): Restriction(1)})
    assert judged(reading(text), lists=real) == Decision(Verdict.ALLOW, (), drill_id="drill-1")
    drill = FakeLists(restricted={(DAY, "drill-1", ALICE): Restriction(1)})
    assert judged(reading(text), lists=drill).verdict is Verdict.DENY
    assert judged(reading(shown_pass()), lists=drill).verdict is Verdict.ALLOW


@pytest.mark.feature("X10")
def test_a_card_of_a_drill_is_found_in_that_drill_only_and_marked():
    lists = card_lists("drill-1")
    assert reading(cards.card_text(CARD), lists=lists) == Refused(Reason.UNKNOWN_CARD)
    found = reading(cards.card_text(CARD), lists=lists, drills=("drill-0", "drill-1"))
    assert isinstance(found, Shown)
    assert found.drill_id == "drill-1"


@pytest.mark.feature("C4")
@pytest.mark.parametrize(("age", "verdict"), [(43_200, Verdict.DENY), (43_201, Verdict.REFER), (None, Verdict.REFER)])
def test_a_list_that_is_too_old_or_missing_neither_denies_nor_passes(age, verdict):
    lists = FakeLists(restricted={(DAY, "", ALICE): Restriction(1)})
    decision = judged(reading(shown_pass()), lists=lists, age=age)
    assert decision.verdict is verdict
    assert Reason.RESTRICTED_CASE in decision.reasons
    if verdict is Verdict.REFER:
        assert not decision.denials
        assert judged(reading(shown_pass()), age=age) == Decision(Verdict.REFER, (Reason.LIST_TOO_OLD,))


@pytest.mark.parametrize(
    ("seen", "reasons"),
    [
        (Observations(372, Colour.GREEN, Colour.GREEN), ()),
        (Observations(373, Colour.GREEN, Colour.GREEN), (Reason.HIGH_TEMPERATURE,)),
        (Observations(0, Colour.GREEN, Colour.GREEN), (Reason.TEMPERATURE_MISSING,)),
        (Observations(366, Colour.RED, Colour.GREEN), (Reason.HEALTH_CODE_BAD,)),
        (Observations(366, Colour.GREEN, Colour.YELLOW), (Reason.ITINERARY_BAD,)),
        (Observations(366, Colour.NOT_SHOWN, Colour.GREEN), (Reason.CODES_MISSING,)),
        (Observations(), (Reason.TEMPERATURE_MISSING, Reason.CODES_MISSING)),
    ],
)
def test_what_staff_saw_refers_and_never_denies(seen, reasons):
    assert judged(reading(shown_pass()), observations=seen) == Decision(
        Verdict.REFER if reasons else Verdict.ALLOW, reasons
    )


def test_what_the_policy_does_not_ask_for_is_not_missed_but_a_bad_sign_still_counts():
    lenient = Policy(temperature_required=False, codes_required=False)
    credential = reading(shown_pass())
    assert judged(credential, policy=lenient, observations=Observations()).verdict is Verdict.ALLOW
    assert judged(credential, policy=lenient, observations=Observations(390)).reasons == (Reason.HIGH_TEMPERATURE,)


def test_a_code_signed_before_midnight_is_judged_by_its_own_day():
    signed = datetime(2026, 3, 10, 15, 59, 50, tzinfo=UTC)
    credential = reading(shown_pass(at=signed), now=signed + timedelta(seconds=30))
    assert isinstance(credential, Shown)
    assert (credential.day, credential.failure, credential.time) == (DAY, None, signed)
