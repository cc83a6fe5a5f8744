"""Between the contract's messages and the models."""

from datetime import datetime

from lilitong.checkpoint.v1 import scan_pb2
from passes.cards import parse_card
from passes.days import day_number, local_day
from passes.errors import PassError
from passes.presentation import PREFIX
from passes.text import MAX_TEXT
from verdicts.credential import Credential, Shown
from verdicts.model import Observations, Policy, Reason

from scanner.judge import Answer, Ruling
from scanner.shown import ReasonText

NOT_OURS = "?"
_CUT_OFF = (Reason.STALE, Reason.CLOCK)


def observations(seen: Observations) -> scan_pb2.Observations:
    return scan_pb2.Observations(
        temperature_decicelsius=seen.temperature_decicelsius,
        health_code=scan_pb2.CodeColour.ValueType(seen.health_code),
        itinerary_card=scan_pb2.CodeColour.ValueType(seen.itinerary_card),
        mask_worn=seen.mask_worn,
    )


def credential(text: str) -> str:
    """What is sent of a scanned text: passes and cards only.

    Any other code (a payment, a medical record, a link with a name in it) is none of the server's business; a
    question mark in its place gets the same verdict.
    """
    clean = text.strip()
    if not clean:
        return ""
    if len(clean) <= MAX_TEXT and clean.isascii() and clean[: len(PREFIX)].upper() == PREFIX:
        return clean
    try:
        parse_card(clean)
    except PassError:
        return NOT_OURS
    return clean


def answer(message: scan_pb2.ScanResponse) -> Answer:
    return Answer(
        verdict=int(message.verdict),
        reasons=tuple(ReasonText(int(text.reason), text.text_zh, text.text_en) for text in message.reasons),
        denied=frozenset(denial.person for denial in message.denials),
        recorded=message.recorded,
        degraded=message.degraded,
        list_age_seconds=message.list_age_seconds,
        drill_id=message.drill_id,
    )


def policy(message: scan_pb2.ScanPolicy) -> Policy:
    return Policy(
        version=message.version,
        temperature_required=message.temperature_required,
        high_temperature_decicelsius=message.high_temperature_decicelsius,
        codes_required=message.codes_required,
        registration_required=message.registration_required,
        list_max_age_seconds=message.list_max_age_seconds,
    )


def offline_scan(
    scan_id: bytes, shown: Credential, ruling: Ruling, seen: Observations, now: datetime
) -> scan_pb2.OfflineScan:
    """The record of a scan that the server has not acknowledged.

    Day, tags and time are chosen as the service chooses them for the same scan, so that one which it did commit
    after all is recognised by (day, tag, scan id). A stale pass of another day goes without its tags: with them, the
    row would tie that day's tag to a moment at which its bearer most likely shows today's pass next.
    """
    item = scan_pb2.OfflineScan(
        scan_id=scan_id,
        day=day_number(local_day(now)),
        verdict=scan_pb2.Verdict.ValueType(ruling.verdict),
        reasons=[scan_pb2.ScanReason.ValueType(text.number) for text in ruling.reasons],
        observations=observations(seen),
        drill_id=ruling.drill_id,
    )
    scanned_at = now
    if isinstance(shown, Shown) and (shown.failure is None or shown.day == local_day(now)):
        item.day = day_number(shown.day)
        item.tags.extend(shown.tags)
        item.static_card = shown.card
        scanned_at = now if shown.failure in _CUT_OFF else shown.time
    item.scanned_at.FromDatetime(scanned_at)
    return item
