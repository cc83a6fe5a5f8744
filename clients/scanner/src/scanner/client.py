"""The scanner as a library."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from ledger.note import Verifier
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import local_day
from verdicts.model import Observations

from scanner import state, wire
from scanner.asking import ANSWER_S, Asking
from scanner.backlog import Backlog
from scanner.clock import Clock, CorrectedClock, SystemClock, boot, counter
from scanner.held import Held
from scanner.journal import Mark
from scanner.link import Credentials, Link
from scanner.said import Said
from scanner.shown import Aside, Kept, Shown, Status
from scanner.state import DAMAGED, Reading, Saved
from scanner.sync import SILENCE_S, Syncing
from scanner.upload import OLDEST, Uploading

LONGEST_ANSWER_S: Final = 0.8
_SAVE_EVERY_S: Final = 1.0
_TRY_DISK_EVERY_S: Final = 1.0
_TRY_STATE_EVERY: Final = 5


class Scanner:
    """One device at one post.

        async with Scanner(folder, "checkpoint:443", device_id, device_key, log_keys=[...]) as scanner:
            shown = await scanner.scan(text, Observations(temperature_decicelsius=366, ...))

    Works from its last list when the server cannot be reached, from the first moment on. What the server did not
    acknowledge is in the journal before `scan` returns, and is uploaded when it can be.
    """

    def __init__(
        self,
        state_dir: Path,
        target: str,
        device_id: UUID,
        device_key: EllipticCurvePrivateKey,
        *,
        log_keys: Sequence[Verifier] | None = None,
        clock: Clock | None = None,
        steady: Callable[[], float] | None = None,
        credentials: Credentials = None,
        answer_seconds: float = ANSWER_S,
        silence_seconds: float = SILENCE_S,
    ) -> None:
        """Takes the folder and reads what it holds; nothing is sent yet.

        log_keys: needed the first time and pinned in the folder then; later None, or the same. clock: the machine's
        unless given; corrected by the server's time in any case. steady: seconds of a counter by which time goes on between
        the server's words, the machine's (since its start) if `clock` is not given; None with a `clock`: as that says.
        credentials: for TLS, or what gives those of the moment (`scanner.renewal`); None speaks in the clear, for
        loopback only. answer_seconds: how long a scan waits for the server, at most 0.8. silence_seconds: how long a
        connection may say nothing; the server's heartbeat comes every 10 s.

        StateError when the folder is in use, another device's, or pinned to other log keys; JournalError when its
        journal cannot be opened for another reason than a full disk.
        """
        if not 0 < answer_seconds <= LONGEST_ANSWER_S:
            raise ValueError("a scan waits for the server for at most 0.8 s")
        self._folder = state.Folder(state_dir)
        try:
            pinned = self._folder.pin(device_id, log_keys)
            saved, damaged = self._folder.load()
            self._boot = boot()
            self.clock = _clock(clock, counter if clock is None else steady, saved, self._boot)
            self._held = Held(pinned)
            self._problems: list[Said] = [DAMAGED] if damaged else []
            self._problems += self._held.load(self._folder, saved, self.clock.now())
            self._backlog = Backlog(state_dir / state.JOURNAL)
        except BaseException:
            self._folder.release()
            raise
        self._unsaved_state = ""
        self._link = Link(target, device_id, device_key, self.clock, credentials)
        self._asking = Asking(self._link, self._held, self.clock, answer_seconds)
        self._uploading = Uploading(self._link, self._backlog, device_key, self.clock)
        self._syncing = Syncing(self._link, self._held, self.clock, self._changed, silence=silence_seconds)
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to sync and to upload, in the background. Returns at once, with or without network."""
        self._link.open()
        for run in (self._syncing.run, self._uploading.run, self._keep_saving, self._keep_trying_the_disk):
            task = asyncio.create_task(run())
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def close(self) -> None:
        """Ends the background work, saves and gives the folder free. What is queued stays in the journal."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._link.close()
        self._save()
        self._backlog.close()
        self._folder.release()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def scan(self, text: str, observations: Observations | None = None, *, bearer_matched: bool = False) -> Shown:
        """The verdict on what was scanned; "" for somebody who has neither phone nor card. Never raises for its content.

        bearer_matched: staff compared the bearer of a paper card with a photo or document.
        """
        began, now, scan_id = time.perf_counter(), self.clock.now(), secrets.token_bytes(8)
        seen = observations or Observations()
        found = await self._asking.judge(scan_id, text, seen, bearer_matched=bearer_matched)
        credential, ruling, answer = found.credential, found.ruling, found.answer
        recorded = answer is not None and answer.recorded
        kept = None if recorded else self._queue(wire.offline_scan(scan_id, credential, ruling, seen, now), now)
        age = self._held.age_for(credential, self.clock.now()) if answer is None else answer.list_age_seconds
        if answer is not None:
            self._uploading.wake()
        return Shown(
            scan_id=scan_id,
            verdict=ruling.verdict,
            reasons=ruling.reasons,
            denials=ruling.denials,
            drill_id=ruling.drill_id,
            list_age_seconds=None if age is None else int(age),
            online=answer is not None,
            degraded=answer is None or answer.degraded,
            recorded=recorded,
            queued=kept is Kept.ON_DISK,
            in_memory=kept is Kept.IN_MEMORY,
            took_ms=(time.perf_counter() - began) * 1000,
        )

    def status(self) -> Status:
        """What staff must know right now."""
        now = self.clock.now()
        queue, aside, in_memory = self._backlog.counts()
        age = self._held.age(now) if self._held.has_list(local_day(now)) else None
        return Status(
            online=self._link.online,
            list_age_seconds=None if age is None else int(age),
            list_complete=self._held.complete(now),
            policy_version=self._held.policy.version,
            queue=queue,
            overdue=len(self._backlog.older_than(now - OLDEST)) if queue else 0,
            aside=aside,
            refused=self._link.refused,
            clock_offset_seconds=self.clock.correction.total_seconds(),
            problems=tuple(self._all_problems()),
            in_memory=in_memory,
            clock_jump_seconds=self.clock.jump.total_seconds(),
            clock_doubtful=self.clock.doubtful,
        )

    async def wait_current(self, seconds: float) -> bool:
        """Whether the scanner is connected and has all that the server has, within that time."""
        try:
            async with asyncio.timeout(seconds):
                while not (self._link.online and self._syncing.current):
                    await self._held.news()
        except TimeoutError:
            return False
        return True

    async def upload(self) -> int:
        """Uploads the queue now; how many scans the server now has. CallError when it cannot be reached."""
        return await self._uploading.flush()

    def aside(self) -> list[Aside]:
        """Scans that the server will never take (too old, or refused), with the reason. JournalError: they cannot be read."""
        return self._backlog.aside()

    def clear_aside(self) -> int:
        """Forgets them, once staff have taken note; returns how many. JournalError: the disk does not let it."""
        return self._backlog.clear_aside()

    def _queue(self, scan: scan_pb2.OfflineScan, now: datetime) -> Kept:
        # A phone signs its own time. Ours, which no server has confirmed yet, is mended when one does.
        ours = scan.scanned_at.ToDatetime(UTC) == now and not self.clock.confirmed
        mark = Mark(self._boot, self.clock.steady()) if ours and self.clock.counted and self._boot else None
        kept = self._backlog.add(scan, mark)
        if kept is not Kept.NOWHERE:
            self._uploading.wake()
        return kept

    def _all_problems(self) -> list[Said]:
        found = list(self._problems)
        if self._backlog.damaged:
            kept = self._backlog.damaged.name
            found.append(Said(f"the journal was damaged; it is kept as {kept}", f"日志文件曾损坏，已另存为 {kept}"))
        if self._backlog.trouble:
            found.append(
                Said(f"the journal cannot be written: {self._backlog.trouble}", f"日志写不进：{self._backlog.trouble}")
            )
        if self._unsaved_state:
            found.append(
                Said(f"the state cannot be saved: {self._unsaved_state}", f"状态无法保存：{self._unsaved_state}")
            )
        return found

    def _changed(self) -> None:
        self._asking.stalled = False
        self._dirty.set()
        self._uploading.wake()

    async def _keep_saving(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            self._save()
            await asyncio.sleep(_SAVE_EVERY_S)

    async def _keep_trying_the_disk(self) -> None:
        """What a full disk did not take goes there as soon as there is room, without waiting for the next person."""
        for second in itertools.count():
            await asyncio.sleep(_TRY_DISK_EVERY_S)
            self._backlog.save()
            if self._unsaved_state and second % _TRY_STATE_EVERY == 0:
                self._save()  # not every time: a list may have megabytes

    def _save(self) -> None:
        now = self.clock.now()
        reading = Reading(self._boot, self.clock.steady(), now, self.clock.confirmed)
        try:
            self._held.save(self._folder, self.clock.correction, reading)
            self._unsaved_state = ""
        except OSError as error:
            self._unsaved_state = error.strerror or type(error).__name__

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            # Never expected; but a scanner that no longer syncs must not look like one that does.
            self._link.online = False
            name = type(error).__name__
            self._note(
                Said(
                    f"background work ended with {name}; start the scanner again",
                    f"后台任务异常（{name}），请重启扫码程序",
                )
            )

    def _note(self, problem: Said) -> None:
        if problem not in self._problems:
            self._problems.append(problem)


def _clock(clock: Clock | None, steady: Callable[[], float] | None, saved: Saved, this_boot: str) -> CorrectedClock:
    base = clock or SystemClock()
    if steady is None:
        return CorrectedClock(base, saved.clock_offset, known=saved.known)
    offset, confirmed = saved.offset_now(base.now(), this_boot, steady())
    return CorrectedClock(base, offset, steady=steady, known=saved.known, confirmed=confirmed)
