"""From a signed batch to the scans that are kept."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from chassis.errors import DomainError, Kind
from chassis.rpc.validation import validate
from google.protobuf.message import DecodeError
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import date_of, number_of_unix

from checkpoint.scanning.model import (
    FUTURE_TOLERANCE,
    LATE_AFTER,
    OLDEST_UPLOAD,
    Grade,
    Scan,
    graded,
    of_upload,
    refusal,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000_000
# What the contract allows; see `plain`.
_MOST_SCANS, _MOST_TAGS, _MOST_REASONS, _LONGEST_DRILL, _HIGHEST_TEMPERATURE = 500, 6, 16, 64, 450
_SCAN_ID, _BATCH_ID, _TAG = 8, 16, 16
_LAST_VERDICT, _LAST_COLOUR = max(scan_pb2.Verdict.values()), max(scan_pb2.CodeColour.values())


def decode(batch: bytes, post: int, now: datetime) -> tuple[Sequence[scan_pb2.OfflineScan], list[Scan | str]]:
    """The items of a batch as signed, and for each the scan that is kept, or why it will never be taken.

    The batch is held against its contract like any request; INVALID when it breaks it.
    """
    try:
        decoded = scan_pb2.ScanBatch.FromString(batch)
    except DecodeError:
        raise DomainError(
            Kind.INVALID, "INVALID_REQUEST", "The request breaks its contract.", fields={"batch": "is no ScanBatch"}
        ) from None
    items = list(decoded.scans)
    found = plain(items, post, now)
    if None in found or len(decoded.batch_id) != _BATCH_ID or not 1 <= len(items) <= _MOST_SCANS:
        validate(decoded)
    return items, [scan or read(item, post, now) for scan, item in zip(found, items, strict=True)]


def plain(items: Sequence[Any], post: int, now: datetime) -> list[Scan | None]:
    """The scans that are plainly in order; None for those that take a closer look.

    To be validated by the contract's own rules and read without haste costs an item three times as much as to be stored, so
    this reads what nearly all are. It is no second truth: a test holds that what it accepts, the contract accepts, and
    that `read` says the same of it.
    """
    oldest, newest = int((now - OLDEST_UPLOAD).timestamp()) + 1, int((now + FUTURE_TOLERANCE).timestamp())
    late_before = now - LATE_AFTER
    days: dict[int, date] = {}
    found: list[Scan | None] = []
    for item in items:
        at, number, scan_id, tags, verdict = item.scanned_at, item.day, item.scan_id, item.tags, item.verdict
        seconds, nanos, seen, reasons, drill_id = at.seconds, at.nanos, item.observations, item.reasons, item.drill_id
        if not (
            oldest <= seconds < newest
            and number == number_of_unix(seconds)
            and 0 <= nanos < _SECOND
            and len(scan_id) == _SCAN_ID
            and 0 < verdict <= _LAST_VERDICT
            and 0 < len(tags) <= _MOST_TAGS
            and seen.temperature_decicelsius <= _HIGHEST_TEMPERATURE
            and 0 <= seen.health_code <= _LAST_COLOUR
            and 0 <= seen.itinerary_card <= _LAST_COLOUR
            and len(drill_id) <= _LONGEST_DRILL
            and len(reasons) <= _MOST_REASONS
        ):
            found.append(None)
            continue
        people = tuple(tags)
        if len(people) > 1:
            people = tuple(dict.fromkeys(people))
        if len(people[0]) != _TAG or (len(people) > 1 and any(len(tag) != _TAG for tag in people)):
            found.append(None)
            continue
        mask, grade = 0, Grade.SHOWN
        if item.static_card or reasons:
            mask, grade = graded(reasons, static_card=item.static_card)
        if (day := days.get(number)) is None:
            day = days[number] = date_of(number)
        passed_at = _EPOCH + timedelta(0, seconds, nanos // 1000)
        late = passed_at < late_before
        found.append(Scan(people, scan_id, day, post, passed_at, verdict, mask, grade, late, drill_id))
    return found


def read(item: Any, post: int, now: datetime) -> Scan | str:
    """One item, whatever it says."""
    try:
        day, scanned_at = date_of(item.day), item.scanned_at.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return "DAY_AND_TIME_DISAGREE"
    reason = refusal(day, scanned_at, now)
    if reason is not None:
        return reason
    return of_upload(
        item.scan_id,
        day,
        item.tags,
        post,
        scanned_at,
        int(item.verdict),
        item.reasons,
        static_card=item.static_card,
        drill_id=item.drill_id,
        now=now,
    )
