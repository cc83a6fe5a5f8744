"""The scanner's folder: who it is, whom it believes, and what it knew last. Files are written whole or not at all."""

import base64
import fcntl
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from ledger.note import NoteError, Verifier

from scanner.said import Said

TRUST: Final = "trust.json"
STATE: Final = "state.json"
LISTS: Final = "lists.bin"
DOUBTS: Final = "doubts.bin"
JOURNAL: Final = "journal.db"
LOCK: Final = "lock"
DAMAGED: Final = Said("the stored state was damaged and is not used", "保存的状态已损坏，未使用")


class StateError(Exception):
    """The folder cannot be used as asked; the text says why and what to do, in English, and `zh` in Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.zh = zh


class InUseError(StateError):
    """Another process has the folder."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The true time, as far as it was known, at a reading of the counter of one start of the machine.

    confirmed: a server had said it since that start; only then it says more than the machine's clock does.
    """

    boot: str
    steady: float
    at: datetime
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """What the scanner knew last. keys, policy: serialized messages of the contract. resume_token: of the last heartbeat
    up to which the stored list is whole. current_at: when, by the server's clock, the list was last all there is.
    clock_offset: what was to be added to the machine's clock. reading: the time when it was saved.
    """

    keys: bytes = b""
    policy: bytes = b""
    resume_token: bytes = b""
    current_at: datetime | None = None
    clock_offset: timedelta = field(default_factory=timedelta)
    reading: Reading | None = None

    def offset_now(self, machine: datetime, boot: str, steady: float) -> tuple[timedelta, bool]:
        """What to add to the machine's clock, and whether that rests on a server's word since the machine's start.

        The counter knows better than the clock how long ago it was saved, wherever the clock was set to meanwhile.
        """
        last = self.reading
        if last is None or not (last.confirmed and last.boot and last.boot == boot and steady >= last.steady):
            return self.clock_offset, False
        return last.at + timedelta(seconds=steady - last.steady) - machine, True

    @property
    def known(self) -> datetime | None:
        """A time that is certainly past: a server's word that was written down."""
        confirmed = self.reading.at if self.reading and self.reading.confirmed else None
        return max((moment for moment in (confirmed, self.current_at) if moment), default=None)


class Folder:
    """A state folder in use by this process, and by no other."""

    def __init__(self, path: Path, *, lock: bool = True) -> None:
        """Makes and locks the folder. StateError when it is in use or cannot be written.

        lock=False: to look only, beside the scanner that uses it; nothing is made then, and nothing may be saved.
        """
        self.path = path
        self._lock: int | None = None
        if lock:
            self._take(path)

    def _take(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateError(
                f"{path} cannot be written ({error.strerror}); choose another folder",
                f"{path} 写不进（{error.strerror}）；请换一个目录",
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise InUseError(
                f"{path} is in use by another scanner; stop it or choose another folder",
                f"{path} 正被另一扫码程序使用；请先停止它，或换一个目录",
            ) from None

    def release(self) -> None:
        """The folder may be used by others again."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def pin(self, device_id: UUID, log_keys: Sequence[Verifier] | None) -> list[Verifier]:
        """The log keys that this folder believes: those of the first enrolment, for good.

        StateError when none were ever given, or other ones are given now, or the folder is another device's: then a
        new folder has to be made, by somebody who may enrol.
        """
        path = self.path / TRUST
        known = _read_json(path)
        if known is None:
            if path.exists():
                raise StateError(
                    f"{path} is damaged; enrol again into a new folder", f"{path} 已损坏；请换新目录重新登记"
                )
            if not log_keys:
                raise StateError(
                    "the first start needs the log's public key (enrolment file)", "首次使用需要日志公钥（登记文件）"
                )
            text = {"device_id": str(device_id), "log_keys": sorted(key.encode() for key in log_keys)}
            replace_file(path, json.dumps(text, indent=1).encode())
            return list(log_keys)
        try:
            pinned = [Verifier.parse(text) for text in known["log_keys"]]
            owner = UUID(known["device_id"])
        except (KeyError, TypeError, ValueError, AttributeError, NoteError):
            raise StateError(
                f"{path} is damaged; enrol again into a new folder", f"{path} 已损坏；请换新目录重新登记"
            ) from None
        if owner != device_id:
            raise StateError(
                f"{self.path} belongs to another device; every device needs a folder of its own",
                f"{self.path} 属于另一设备；每台设备须有自己的目录",
            )
        if log_keys is not None and {key.encode() for key in log_keys} != {key.encode() for key in pinned}:
            raise StateError(
                "the log's public key is not the one of the first enrolment; enrol into a new folder",
                "日志公钥与首次登记不符；请换新目录登记",
            )
        return pinned

    def save(self, saved: Saved) -> None:
        """OSError leaves the former file as it was."""
        text: dict[str, object] = {
            "keys": base64.b64encode(saved.keys).decode(),
            "policy": base64.b64encode(saved.policy).decode(),
            "resume_token": base64.b64encode(saved.resume_token).decode(),
            "current_at": saved.current_at.timestamp() if saved.current_at else None,
            "clock_offset": saved.clock_offset.total_seconds(),
        }
        if (last := saved.reading) is not None:
            text["reading"] = [last.boot, last.steady, last.at.timestamp(), last.confirmed]
        replace_file(self.path / STATE, json.dumps(text, indent=1).encode())

    def load(self) -> tuple[Saved, bool]:
        """What was saved, and whether the file was there but damaged (then nothing of it is used)."""
        path = self.path / STATE
        text = _read_json(path)
        if text is None:
            return Saved(), path.exists()
        try:
            at = text["current_at"]
            saved = Saved(
                keys=_bytes(text["keys"]),
                policy=_bytes(text["policy"]),
                resume_token=_bytes(text["resume_token"]),
                current_at=None if at is None else datetime.fromtimestamp(float(at), UTC),
                clock_offset=timedelta(seconds=float(text["clock_offset"])),
                reading=_reading(text.get("reading")),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return Saved(), True
        return saved, False


def replace_file(path: Path, data: bytes) -> None:
    """Writes beside the file, syncs, renames and syncs the folder. Readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _reading(value: Any) -> Reading | None:
    if value is None:
        return None
    start, steady, at, confirmed = value
    return Reading(str(start), float(steady), datetime.fromtimestamp(float(at), UTC), confirmed is True)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
