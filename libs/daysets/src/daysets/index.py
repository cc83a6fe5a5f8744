"""The restricted list in memory: what every verdict asks, and what a scanner shows of its list."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum

from ledger import note

from daysets import tokens
from daysets.day_set import DaySet
from daysets.refused import Refused
from daysets.segment import NO_CARD, Entry, Reason, Segment, SegmentError, is_proven, verify

DISTRICT_ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")


class Outcome(StrEnum):
    APPLIED = "applied"
    DUPLICATE = "duplicate"
    OUTDATED = "outdated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Hit:
    """A proven restriction that holds at the moment asked about; `DaySetIndex.segment` of its numbers has the proof."""

    reason: int
    ref: bytes
    end_minute: int | None
    generation: int
    number: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """A segment that could not be verified names this tag: no ground to deny, and none to let pass without a look."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Status:
    """How much of one day's list is here. Not complete: something is refused, or missing (`missing`: known numbers)."""

    generation: int
    complete: bool
    missing: tuple[int, ...]
    doubts: int


class DaySetIndex:
    """Segments in, hits out. Nothing takes effect before its log proof is verified.

    Not thread-safe: one event loop owns it. `version` grows with every change of what is in force or in doubt.
    """

    def __init__(self, log_keys: Callable[[], Iterable[note.Verifier]]) -> None:
        """`log_keys` is asked at every segment, so that a key withdrawn is a key no longer believed."""
        self._log_keys = log_keys
        self._sets: dict[tuple[date, str], DaySet] = {}
        self._refused = Refused()
        self.version = 0
        self.refusals: Counter[Reason] = Counter()

    def apply(self, segment: Segment) -> Outcome:
        """Verifies and takes in one segment, in any order and any number of times."""
        key = (segment.day, segment.drill_id)
        current = self._sets.get(key) or DaySet()
        held = current.held(segment.generation, segment.number)
        if held == segment:
            return Outcome.DUPLICATE
        if current.outdated(segment.generation):
            return Outcome.OUTDATED
        try:
            verify(segment, self._log_keys())
        except SegmentError as error:
            # What poses as a segment whose genuine form is held casts no doubt: that one says all there is to say.
            return self._refuse(segment, error.reason, in_doubt=held is None)
        if held is not None and held.leaf() == segment.leaf():
            return Outcome.DUPLICATE  # the same statement, proven under another checkpoint
        if held is not None or not current.accepts_parts(segment.generation, segment.base_parts):
            return self._refuse(segment, Reason.CONFLICT, in_doubt=True)
        current.add(segment)
        self._sets[key] = current
        self._refused.forget(segment)
        self.version += 1
        return Outcome.APPLIED

    def proves(self, segment: Segment) -> bool:
        """Whether the log, by a key trusted now, holds the segment; takes nothing in."""
        return is_proven(segment, self._log_keys())

    def lookup(self, day: date, drill_id: str, tag: bytes, at: datetime) -> Hit | None:
        """The proven restriction of this tag (16 bytes) on that day, unless it has ended by `at` (aware)."""
        current = self._sets.get((day, drill_id))
        found = None if current is None else current.find(tag)
        if found is None:
            return None
        (generation, number), record = found
        entry = Entry.unpack(record)
        if entry.lift or (entry.end_minute is not None and at >= _moment(day, entry.end_minute)):
            return None
        return Hit(entry.reason, entry.ref, entry.end_minute, generation, number)

    def doubt(self, day: date, drill_id: str, tag: bytes) -> Doubt | None:
        """Whether a refused segment names this tag. Ask after `lookup` found nothing: REFER, with "unproven denial"."""
        reason = self._refused.find(day, drill_id, tag)
        return None if reason is None else Doubt(reason)

    def resolve_card(self, day: date, drill_id: str, card_key: bytes) -> bytes | None:
        """The tag of a paper card (key: 8 bytes, `passes.cards`), None when unknown or withdrawn."""
        current = self._sets.get((day, drill_id))
        tag = None if current is None else current.find_card(card_key)
        return None if tag == NO_CARD else tag

    def status(self, day: date, drill_id: str = "") -> Status:
        current = self._sets.get((day, drill_id))
        doubts = self._refused.count(day, drill_id)
        if current is None:
            return Status(0, complete=False, missing=(), doubts=doubts)
        missing = current.missing()
        return Status(current.generation, not missing and not doubts, missing, doubts)

    def segment(self, day: date, drill_id: str, generation: int, number: int) -> Segment | None:
        """The verified segment that a `Hit` refers to: its proof, for whoever asks why."""
        current = self._sets.get((day, drill_id))
        return None if current is None else current.held(generation, number)

    def segments(self) -> Iterator[Segment]:
        """Everything held and verified, ordered by day, drill, generation and number."""
        for _, current in sorted(self._sets.items()):
            yield from current.segments()

    def token(self) -> bytes:
        """How far this list has come, for `segments_after` elsewhere; at most 1,024 bytes."""
        return tokens.encode(
            tokens.Progress(day, drill_id, *order)
            for (day, drill_id), current in sorted(self._sets.items(), key=lambda item: (item[0][1], item[0][0]))
            for order in current.progress()
        )

    def segments_after(self, token: bytes) -> list[Segment]:
        """What somebody with that token lacks; all of it for an empty token. TokenError when it is not one of ours."""
        progress = {(p.day, p.drill_id, p.generation): p.contiguous for p in tokens.decode(token)}
        return [s for s in self.segments() if s.number > progress.get((s.day, s.drill_id, s.generation), 0)]

    def drop_before(self, day: date) -> None:
        """Forgets earlier days."""
        gone = [key for key in self._sets if key[0] < day]
        for key in gone:
            del self._sets[key]
        if self._refused.drop_before(day) or gone:
            self.version += 1

    def recheck(self) -> list[Segment]:
        """Tries refused segments again, as after a new log key became known; returns those now applied."""
        waiting, counted = self._refused.take(), self.refusals.copy()
        applied = [segment for segment in waiting if self.apply(segment) is Outcome.APPLIED]
        self.refusals = counted  # they were counted when they came
        return applied

    def _refuse(self, segment: Segment, reason: Reason, *, in_doubt: bool) -> Outcome:
        self.refusals[reason] += 1
        if in_doubt and self._refused.keep(segment, reason):
            self.version += 1
        return Outcome.REFUSED


def _moment(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(), DISTRICT_ZONE).astimezone(UTC) + timedelta(minutes=minute)
