"""A look at a state folder, also beside the scanner that uses it. Nothing is written and nothing is locked."""

import asyncio
import fcntl
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc
from ledger.note import Verifier
from lilitong.checkpoint.v1.scan_pb2 import OfflineScan
from passes.days import local_day

from scanner import enrol, state
from scanner.clock import CorrectedClock, SystemClock, boot, counter
from scanner.enrol import Device, Enrolment
from scanner.held import Held
from scanner.journal import Journal, JournalError
from scanner.link import Failure, Link
from scanner.said import Said
from scanner.shown import Aside
from scanner.state import DAMAGED, Folder, StateError
from scanner.sync import take
from scanner.upload import OLDEST


@dataclass(slots=True)
class Queue:
    """What the journal holds. unreadable: why it could not be read, else empty."""

    waiting: list[OfflineScan] = field(default_factory=list)
    overdue: int = 0
    aside: list[Aside] = field(default_factory=list)
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking the server. failure: None when it answered. offset_seconds: to be added to the machine's clock."""

    failure: Failure | None
    offset_seconds: float | None


class Peek:
    """What the folder says by now."""

    def __init__(self, path: Path) -> None:
        """StateError when there is no folder, or device or enrolment cannot be read."""
        if not path.is_dir():
            raise StateError(
                f"{path} does not exist; enrol this scanner first (lilitong-scanner enrol FILE)",
                f"{path} 不存在；请先登记（lilitong-scanner enrol 文件）",
            )
        self.path = path
        self.device: Device | None = enrol.read_device(path)
        self.enrolment: Enrolment | None = None
        if (path / enrol.ENROLMENT).exists():
            self.enrolment = enrol.read_enrolment(path / enrol.ENROLMENT)
        self.pinned: list[Verifier] = list(self.enrolment.log_keys) if self.enrolment else []
        if self.device is not None and (path / state.TRUST).exists():
            self.pinned = Folder(path, lock=False).pin(self.device.device_id, None)
        saved, damaged = Folder(path, lock=False).load()
        self.problems: list[Said] = [DAMAGED] if damaged else []
        base = SystemClock()
        offset, confirmed = saved.offset_now(base.now(), boot(), counter())
        self.clock = CorrectedClock(base, offset, steady=counter, known=saved.known, confirmed=confirmed)
        self.held = Held(self.pinned)
        self.problems += self.held.load(Folder(path, lock=False), saved, self.clock.now())

    @property
    def in_use(self) -> bool:
        """Whether a scanner runs on this folder."""
        try:
            descriptor = os.open(self.path / state.LOCK, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def list_age(self, now: datetime) -> float | None:
        """Seconds; None without a list of today, or a clock that could tell."""
        return self.held.age(now) if self.held.has_list(local_day(now)) else None

    def queue(self, limit: int = 1_000_000) -> Queue:
        """Oldest first, and no more than that many."""
        found = Queue()
        if not (self.path / state.JOURNAL).exists():
            return found
        try:
            with Journal.reading(self.path / state.JOURNAL) as journal:
                found.waiting, found.aside = journal.oldest(limit), journal.aside()
                found.overdue = len(journal.older_than(self.clock.now() - OLDEST))
        except JournalError as error:
            found.unreadable = str(error)
        return found

    async def ask(self, target: str, credentials: grpc.ChannelCredentials | None, seconds: float) -> Heard:
        """Calls the server as the scanner does, until it says that nothing is lacking. The folder stays as it is."""
        if self.device is None:
            raise StateError(
                f"{self.path} has no device key; run lilitong-scanner new-device",
                f"{self.path} 没有设备密钥；请运行 lilitong-scanner new-device",
            )
        machine = CorrectedClock(SystemClock(), steady=counter)
        link = Link(target, self.device.device_id, self.device.key, self.clock, credentials)
        link.open()
        try:
            failure = await self._listen(link, machine, seconds)
            if failure is not None and failure.refused and failure.server_time is not None:
                failure = await self._listen(link, machine, seconds)  # refused for its clock, which is right now
        finally:
            await link.close()
        return Heard(failure, machine.correction.total_seconds() if machine.synced else None)

    async def _listen(self, link: Link, machine: CorrectedClock, seconds: float) -> Failure | None:
        """One Sync call up to its first heartbeat that says that all has been sent. machine: corrected by nobody before."""
        asked, call = machine.machine(), link.sync(self.held.resume_token)
        try:
            async with asyncio.timeout(seconds):
                while (message := await call.read()) is not grpc.aio.EOF:
                    if message.WhichOneof("item") == "heartbeat":
                        link.heard(message.heartbeat.server_time)
                        machine.hear(message.heartbeat.server_time.ToDatetime(UTC))
                    take(self.held, message, self.clock.now())
                    if message.heartbeat.current:
                        return None
        except TimeoutError:
            pass
        except grpc.aio.AioRpcError as error:
            failure = link.failed(error, asked).failure
            if failure.server_time is not None:
                machine.hear(failure.server_time, asked=asked)
            return failure
        finally:
            call.cancel()
        return Failure(grpc.StatusCode.DEADLINE_EXCEEDED)
