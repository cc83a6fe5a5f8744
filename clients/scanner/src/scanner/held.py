"""What the scanner carries: the restricted list, the issuers' keys, the post's policy, and how old all that is."""

import asyncio
import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from daysets import persistence, wire
from daysets.index import DaySetIndex, Outcome
from daysets.segment import Segment, SegmentError
from daysets.trust import Key, TrustedKeys, Use, from_messages
from google.protobuf.message import DecodeError
from ledger.note import Verifier
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import local_day
from passes.pass_token import IssuerKey, IssuerKeys
from verdicts.credential import Credential, Shown
from verdicts.model import Policy

from scanner import state
from scanner.clock import SET_BACK
from scanner.said import Said
from scanner.state import Folder, Reading, Saved, replace_file
from scanner.wire import policy as policy_of

_MAX_DOUBTS: Final = 64
_REFRESH: Final = timedelta(seconds=30)
_EVER: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_NUMBER: Final = struct.Struct(">I")


class Held:
    """Fed by Sync, asked by every verdict. Nothing takes effect before its log proof is verified by a pinned key."""

    def __init__(self, pinned: Sequence[Verifier]) -> None:
        self._pinned = tuple(pinned)
        self.logs = self._pinned
        self.index = DaySetIndex(lambda: self.logs)
        self.policy = Policy()
        self.keys: IssuerKeys = {}
        self.drills: tuple[str, ...] = ()
        self.resume_token = b""
        self.current_at: datetime | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._refreshed_at: datetime | None = None
        self._listed: list[Key] = []
        self._raw_keys = self._raw_policy = b""
        self._days: frozenset[date] = frozenset()
        self._doubts: dict[Segment, None] = {}
        self._saved_version = -1

    def take_segment(self, segment: Segment) -> Outcome:
        """A segment that does not verify casts doubt on whom it names, and is kept with the state for that."""
        outcome = self.index.apply(segment)
        if outcome is Outcome.REFUSED and len(self._doubts) < _MAX_DOUBTS:
            self._doubts[segment] = None
        elif outcome is Outcome.APPLIED:
            place = _place(segment)
            self._doubts = {doubt: None for doubt in self._doubts if _place(doubt) != place}
            self._survey()
        self._wake()
        return outcome

    def take_keys(self, message: scan_pb2.Keys, now: datetime) -> None:
        """Issuers' keys replace the former ones. Log keys are those of the enrolment: a server may only revoke one."""
        self._raw_keys, self._listed = message.SerializeToString(), from_messages(message.keys)
        self.refresh(now)

    def take_policy(self, message: scan_pb2.ScanPolicy) -> None:
        self._raw_policy, self.policy = message.SerializeToString(), policy_of(message)

    def take_heartbeat(self, beat: scan_pb2.Heartbeat, now: datetime) -> None:
        """All that was sent before is in. The list counts as current as of the server's own, if nothing of it is missing."""
        self.refresh(now)
        if beat.current and not self.missing(now):
            self.current_at = now - timedelta(seconds=beat.list_age_seconds)
            self.resume_token = beat.resume_token
        self._wake()

    def refresh(self, now: datetime) -> None:
        """Keys begin and end by the clock; days go by."""
        self._refreshed_at = now
        trusted = TrustedKeys.of(self._listed, now)
        self.keys = {kid: IssuerKey(key.public_key, key.drill) for kid, key in trusted.passes.items()}
        withdrawn = [_unbounded(key) for key in self._listed if key.use is Use.LOG and key.revoked]
        gone = set(TrustedKeys.of(withdrawn, now).logs)
        self.logs = tuple(key for key in self._pinned if key not in gone)
        # Yesterday's list stays: a pass shown just after midnight may have been signed just before it.
        yesterday = local_day(now) - timedelta(days=1)
        if any(day < yesterday for day in self._days):
            self.index.drop_before(yesterday)
            self._doubts = {doubt: None for doubt in self._doubts if doubt.day >= yesterday}
            self._survey()

    def refresh_if_due(self, now: datetime) -> None:
        """As `refresh`, when the last time is half a minute ago or the clock was set back: it costs too much per scan."""
        last = self._refreshed_at
        if last is None or not last <= now < last + _REFRESH:
            self.refresh(now)

    def age(self, now: datetime) -> float | None:
        """Seconds since the list was last known to be all there is; None while it never was, or no clock can tell."""
        if self.current_at is None or now < self.current_at - SET_BACK:
            return None
        return max((now - self.current_at).total_seconds(), 0.0)

    def age_for(self, shown: Credential, now: datetime) -> float | None:
        """As `age`, and None when there is no list of the credential's day; a drill need not have one."""
        if isinstance(shown, Shown) and not shown.drill_id and not self.has_list(shown.day):
            return None
        return self.age(now)

    def missing(self, now: datetime) -> bool:
        """Whether parts of today's list are known to exist and are not here."""
        return bool(self.index.status(local_day(now)).missing)

    def complete(self, now: datetime) -> bool:
        return self.index.status(local_day(now)).complete

    def has_list(self, day: date) -> bool:
        """Whether there is any real list of that day."""
        return day in self._days

    def news(self) -> asyncio.Future[None]:
        """Done when something was taken in after this call."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return waiter

    def save(self, folder: Folder, clock_offset: timedelta, reading: Reading | None = None) -> None:
        """The list first: a token must never be newer than the list beside it. OSError leaves the former files."""
        if self._saved_version != self.index.version:
            version = self.index.version
            persistence.save(self.index, folder.path / state.LISTS)
            doubts = b"".join(_framed(wire.encode(doubt)) for doubt in self._doubts)
            replace_file(folder.path / state.DOUBTS, doubts)
            self._saved_version = version
        folder.save(Saved(self._raw_keys, self._raw_policy, self.resume_token, self.current_at, clock_offset, reading))

    def load(self, folder: Folder, saved: Saved, now: datetime) -> list[Said]:
        """Takes up what was saved, every segment verified anew; returns what was wrong, as sentences.

        After any damage the list is asked for from the beginning, and no age is claimed for what is left of it.
        """
        problems: list[Said] = []
        try:
            # Keys first: a log key that was withdrawn must not prove the list once more.
            if saved.keys:
                self.take_keys(scan_pb2.Keys.FromString(saved.keys), now)
            if saved.policy:
                self.take_policy(scan_pb2.ScanPolicy.FromString(saved.policy))
        except DecodeError:
            problems.append(
                Said("the stored keys or policy were damaged and are not used", "保存的密钥或方案已损坏，未使用")
            )
        loaded = persistence.load(self.index, folder.path / state.LISTS)
        if loaded.damaged or loaded.refused:
            problems.append(
                Said("the stored list was damaged; parts of it are not used", "保存的名单已损坏，部分未使用")
            )
        for doubt in _read_doubts(folder.path / state.DOUBTS):
            self.take_segment(doubt)
        self._survey()
        if not problems:
            self.resume_token, self.current_at = saved.resume_token, saved.current_at
            self._saved_version = self.index.version
        self.refresh(now)
        return problems

    def _wake(self) -> None:
        for waiter in list(self._waiters):
            if not waiter.done():
                waiter.set_result(None)

    def _survey(self) -> None:
        held = {(segment.day, segment.drill_id) for segment in self.index.segments()}
        self._days = frozenset(day for day, drill_id in held if not drill_id)
        self.drills = tuple(sorted({drill_id for _, drill_id in held if drill_id}))


def _unbounded(key: Key) -> Key:
    """The same key as if it were in force at any time, to compare it with those pinned."""
    return replace(key, not_before=_EVER[0], not_after=_EVER[1], revoked=False)


def _place(segment: Segment) -> tuple[date, str, int, int]:
    return segment.day, segment.drill_id, segment.generation, segment.number


def _framed(data: bytes) -> bytes:
    return _NUMBER.pack(len(data)) + data


def _read_doubts(path: Path) -> Iterable[Segment]:
    try:
        data = path.read_bytes()
    except OSError:
        return
    at = 0
    while at + _NUMBER.size <= len(data):
        (length,) = _NUMBER.unpack_from(data, at)
        at += _NUMBER.size
        try:
            yield wire.decode(data[at : at + length])
        except SegmentError:
            return
        at += length
