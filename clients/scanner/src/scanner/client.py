"""The scanner as a library."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import grpc
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from ledger.note import Verifier
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import local_day
from verdicts.model import Observations

from scanner import state, wire
from scanner.asking import ANSWER_S, Asking
from scanner.clock import Clock, CorrectedClock, SystemClock
from scanner.held import Held
from scanner.journal import Journal, JournalError
from scanner.link import Link
from scanner.shown import Aside, Shown, Status
from scanner.sync import SILENCE_S, Syncing
from scanner.upload import OLDEST, Uploading

LONGEST_ANSWER_S: Final = 0.8
_SAVE_EVERY_S: Final = 1.0


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
        credentials: grpc.ChannelCredentials | None = None,
        answer_seconds: float = ANSWER_S,
        silence_seconds: float = SILENCE_S,
    ) -> None:
        """Takes the folder and reads what it holds; nothing is sent yet.

        log_keys: needed the first time and pinned in the folder then; later None, or the same. clock: the machine's
        unless given; corrected by the server's time in any case. credentials: for TLS; None speaks in the clear, for
        loopback only. answer_seconds: how long a scan waits for the server, at most 0.8. silence_seconds: how long a
        connection may say nothing; the server's heartbeat comes every 10 s.

        StateError when the folder is in use, another device's, or pinned to other log keys; JournalError when its
        journal cannot be opened.
        """
        if not 0 < answer_seconds <= LONGEST_ANSWER_S:
            raise ValueError("a scan waits for the server for at most 0.8 s")
        self._folder = state.Folder(state_dir)
        try:
            pinned = self._folder.pin(device_id, log_keys)
            saved, damaged = self._folder.load()
            self.clock = CorrectedClock(clock or SystemClock(), saved.clock_offset)
            self._held = Held(pinned)
            self._problems = ["the stored state was damaged and is not used"] if damaged else []
            self._problems += self._held.load(self._folder, saved, self.clock.now())
            self._journal = Journal(state_dir / state.JOURNAL)
        except BaseException:
            self._folder.release()
            raise
        if self._journal.damaged:
            self._problems.append(f"the journal was damaged; it is kept as {self._journal.damaged.name}")
        self._link = Link(target, device_id, device_key, self.clock, credentials)
        self._asking = Asking(self._link, self._held, self.clock, answer_seconds)
        self._uploading = Uploading(self._link, self._journal, device_key, self.clock)
        self._syncing = Syncing(self._link, self._held, self.clock, self._changed, silence=silence_seconds)
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to sync and to upload, in the background. Returns at once, with or without network."""
        self._link.open()
        for run in (self._syncing.run, self._uploading.run, self._keep_saving):
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
        self._journal.close()
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
        queued = not recorded and self._queue(wire.offline_scan(scan_id, credential, ruling, seen, now))
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
            queued=queued,
            took_ms=(time.perf_counter() - began) * 1000,
        )

    def status(self) -> Status:
        """What staff must know right now. JournalError when the journal cannot be read."""
        now = self.clock.now()
        queue, aside = self._journal.counts()
        age = self._held.age(now) if self._held.has_list(local_day(now)) else None
        return Status(
            online=self._link.online,
            list_age_seconds=None if age is None else int(age),
            list_complete=self._held.complete(now),
            policy_version=self._held.policy.version,
            queue=queue,
            overdue=len(self._journal.older_than(now - OLDEST)) if queue else 0,
            aside=aside,
            refused=self._link.refused,
            clock_offset_seconds=self.clock.offset.total_seconds(),
            problems=tuple(self._problems),
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
        """Scans that the server will never take (too old, or refused), with the reason."""
        return self._journal.aside()

    def clear_aside(self) -> int:
        """Forgets them, once staff have taken note; returns how many."""
        return self._journal.clear_aside()

    def _queue(self, scan: scan_pb2.OfflineScan) -> bool:
        try:
            self._journal.add(scan)
        except JournalError as error:
            self._note(f"the journal cannot be written: {error}")
            return False
        self._uploading.wake()
        return True

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

    def _save(self) -> None:
        try:
            self._held.save(self._folder, self.clock.offset)
        except OSError as error:
            self._note(f"the state cannot be saved: {error.strerror}")

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            # Never expected; but a scanner that no longer syncs must not look like one that does.
            self._link.online = False
            self._note(f"background work ended with {type(error).__name__}; start the scanner again")

    def _note(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)
