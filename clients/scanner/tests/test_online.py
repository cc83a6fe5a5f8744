"""Verdicts with the server at hand: its word, as far as the scanner's own list bears it out."""

import asyncio
import secrets

import pytest
from daysets import wire as daysets_wire
from daysets.segment import Entry
from daysets.testing import MemoryLog
from lilitong.checkpoint.v1 import scan_pb2
from passes import cards
from passes.days import local_day
from verdicts.model import Colour, Observations, Reason, Verdict

pytestmark = [pytest.mark.connected, pytest.mark.feature("C2")]
WELL = Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True)


def numbers(shown):
    return [text.number for text in shown.reasons]


async def held(scanner, checkpoint, segment):
    """Returns when the scanner's own list has it."""
    index = scanner._held.index
    await checkpoint.until(
        lambda: index.segment(segment.day, segment.drill_id, segment.generation, segment.number) == segment
    )


async def test_an_unrestricted_person_passes_and_the_server_has_the_scan(checkpoint, scanner):
    shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.verdict, shown.online, shown.recorded, shown.queued) == (Verdict.ALLOW, True, True, False)
    assert list(checkpoint.stored) == [shown.scan_id]


@pytest.mark.feature("Q10")
async def test_a_pushed_restriction_denies_the_next_scan_with_a_proof_of_our_own(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    segment = checkpoint.restrict(alice)
    shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16), alice, presence=0b11), WELL)
    assert (shown.verdict, numbers(shown)) == (Verdict.DENY, [Reason.RESTRICTED_CLOSE_CONTACT])
    (denial,) = shown.denials
    (entry,) = segment.read_entries()
    assert (denial.person, denial.reference, denial.number) == (1, entry.ref, 2)
    assert shown.reasons[0].zh
    assert shown.reasons[0].en


async def test_a_denial_whose_proof_comes_a_moment_later_is_shown(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    segment = checkpoint.restrict(alice, push=False)
    late = scan_pb2.SyncResponse(segment=daysets_wire.to_message(segment))
    asyncio.get_running_loop().call_later(0.1, checkpoint.push, late)
    shown = await scanner.scan(checkpoint.show(alice), WELL)
    assert shown.verdict is Verdict.DENY
    assert shown.took_ms < 800


async def test_a_denial_whose_proof_never_comes_is_referred_and_accuses_nobody(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    checkpoint.restrict(alice, push=False)
    shown = await scanner.scan(checkpoint.show(alice), WELL)
    assert (shown.verdict, numbers(shown), shown.denials) == (Verdict.REFER, [Reason.UNPROVEN_DENIAL], ())
    assert shown.took_ms < 1000


async def test_a_denial_without_any_restriction_behind_it_is_referred(checkpoint, scanner):
    def lie(request, answer):
        answer.verdict = scan_pb2.VERDICT_DENY
        answer.denials.add(day=19061, generation=1, number=1, reference=bytes(8), person=0)

    checkpoint.judge = lie
    shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.verdict, numbers(shown)) == (Verdict.REFER, [Reason.UNPROVEN_DENIAL])


async def test_a_proof_for_one_person_does_not_deny_another(checkpoint, scanner):
    alice, bob = secrets.token_bytes(16), secrets.token_bytes(16)
    checkpoint.restrict(alice)

    def accuse_the_other(request, answer):
        for denial in answer.denials:
            denial.person = 1

    checkpoint.judge = accuse_the_other
    shown = await scanner.scan(checkpoint.show(alice, bob, presence=0b11), WELL)
    assert (shown.verdict, shown.denials) == (Verdict.REFER, ())


async def test_a_forged_segment_is_neither_a_denial_nor_silence_even_when_the_server_allows(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    today = local_day(checkpoint.clock.now())
    forged = MemoryLog(seed=9).segment(2, [Entry(alice, 1, bytes(8))], day=today)
    checkpoint.push(scan_pb2.SyncResponse(segment=daysets_wire.to_message(forged)))
    checkpoint.beat()
    shown = await scanner.scan(checkpoint.show(alice), WELL)
    assert (shown.verdict, numbers(shown)) == (Verdict.REFER, [Reason.UNPROVEN_DENIAL])
    assert not scanner.status().list_complete
    stranger = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert stranger.verdict is Verdict.ALLOW


async def test_an_answer_that_overlooks_a_proven_restriction_is_referred(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    await held(scanner, checkpoint, checkpoint.restrict(alice))

    def overlook(request, answer):
        answer.verdict = scan_pb2.VERDICT_ALLOW
        del answer.reasons[:], answer.denials[:]

    checkpoint.judge = overlook
    shown = await scanner.scan(checkpoint.show(alice), WELL)
    assert (shown.verdict, numbers(shown)) == (Verdict.REFER, [Reason.UNPROVEN_DENIAL])


async def test_a_restriction_that_arrives_while_the_server_is_asked_counts_at_once(checkpoint, scanner):
    alice, bob = secrets.token_bytes(16), secrets.token_bytes(16)

    def meanwhile(request, answer):
        checkpoint.judge = None
        checkpoint.restrict(bob)

    checkpoint.judge, checkpoint.late = meanwhile, 0.05
    shown = await scanner.scan(checkpoint.show(alice, bob, presence=0b11), WELL)
    assert (shown.verdict, numbers(shown)) == (Verdict.DENY, [Reason.RESTRICTED_CLOSE_CONTACT])
    assert [denial.person for denial in shown.denials] == [1]
    assert shown.took_ms < 300


async def test_a_pushed_lift_lets_the_person_pass(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    checkpoint.restrict(alice)
    assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.DENY
    await held(scanner, checkpoint, checkpoint.restrict(alice, number=3, lift=True))
    checkpoint.clock.advance(seconds=1)
    assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.ALLOW


async def test_a_denial_from_a_list_older_than_the_policy_allows_is_referred(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    checkpoint.restrict(alice)

    def age(request, answer):
        answer.list_age_seconds = 43_201

    checkpoint.judge = age
    shown = await scanner.scan(checkpoint.show(alice), WELL)
    assert (shown.verdict, Reason.LIST_TOO_OLD in numbers(shown)) == (Verdict.REFER, True)
    other = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (other.verdict, numbers(other), other.list_age_seconds) == (Verdict.REFER, [Reason.LIST_TOO_OLD], 43_201)


async def test_a_verdict_that_this_version_does_not_know_is_referred(checkpoint, scanner):
    def novelty(request, answer):
        answer.verdict = 7
        answer.reasons.add(reason=99, text_zh="新", text_en="new")

    checkpoint.judge = novelty
    shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.verdict, numbers(shown)) == (Verdict.REFER, [99])


@pytest.mark.feature("X10")
async def test_a_drills_denial_says_so_and_has_no_effect_on_the_same_persons_real_pass(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    checkpoint.restrict(alice, drill_id="drill-7", number=1)
    drill = await scanner.scan(checkpoint.show(alice, drill_id="drill-7"), WELL)
    assert (drill.verdict, drill.drill_id) == (Verdict.DENY, "drill-7")
    real = await scanner.scan(checkpoint.show(alice), WELL)
    assert (real.verdict, real.drill_id) == (Verdict.ALLOW, "")


@pytest.mark.feature("Q2")
async def test_a_paper_card_denies_only_when_its_bearer_was_matched(checkpoint, scanner):
    alice, number = secrets.token_bytes(16), cards.new_number()
    today = local_day(checkpoint.clock.now())
    checkpoint.restrict(alice, cards=[(cards.card_key(today, number), alice)])
    text = cards.card_text(number)
    unmatched = await scanner.scan(text, WELL)
    assert (unmatched.verdict, Reason.STATIC_CARD in numbers(unmatched)) == (Verdict.REFER, True)
    assert (await scanner.scan(text, WELL, bearer_matched=True)).verdict is Verdict.DENY


async def test_other_peoples_codes_never_leave_the_scanner(checkpoint, scanner):
    for text in ("https://pay.example/zhang-san", "14110219880808123X", "LLT1:" + "A" * 3000, "体温码"):
        shown = await scanner.scan(text, WELL)
        assert (shown.verdict, numbers(shown)) == (Verdict.REFER, [Reason.MALFORMED])
    assert {request.credential for request in checkpoint.requests} == {"?"}
    assert (await scanner.scan("  ", WELL)).verdict is Verdict.REFER
    assert checkpoint.requests[-1].credential == ""


async def test_no_phone_and_no_card_is_sent_to_register_and_never_denied(checkpoint, scanner):
    shown = await scanner.scan("", WELL)
    assert (shown.verdict, numbers(shown)) == (Verdict.REFER, [Reason.NO_CREDENTIAL, Reason.NOT_REGISTERED])


async def test_one_code_at_two_people_is_a_replay(checkpoint, scanner):
    text = checkpoint.show(secrets.token_bytes(16))
    assert (await scanner.scan(text, WELL)).verdict is Verdict.ALLOW
    again = await scanner.scan(text, WELL)
    assert (again.verdict, numbers(again)) == (Verdict.REFER, [Reason.REPLAYED])
