"""A list on a scanner's disk: written whole or not at all, and believed only as far as it verifies again."""

import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from daysets import wire
from daysets.index import DaySetIndex, Outcome
from daysets.segment import SegmentError

_MAGIC = b"lilitong day sets 1\n"
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many segments are now in force, how many did not verify, and whether the file is cut off or not ours."""

    applied: int
    refused: int
    damaged: bool


def save(index: DaySetIndex, path: Path) -> None:
    """Writes all verified segments beside `path`, syncs and renames. OSError leaves the old file as it was."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC)
            for segment in index.segments():
                data = wire.encode(segment)
                file.write(_LENGTH.pack(len(data)) + data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def load(index: DaySetIndex, path: Path) -> Loaded:
    """Applies what the file holds, each segment verified anew. A missing file is empty; OSError if unreadable."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Loaded(0, 0, damaged=False)
    if not data.startswith(_MAGIC):
        return Loaded(0, 0, damaged=True)
    at, applied, refused = len(_MAGIC), 0, 0
    while at + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        begin, at = at + _LENGTH.size, at + _LENGTH.size + length
        if at > len(data):
            break
        try:
            outcome = index.apply(wire.decode(data[begin:at]))
        except SegmentError:
            outcome = Outcome.REFUSED
        applied += outcome is Outcome.APPLIED
        refused += outcome is Outcome.REFUSED
    return Loaded(applied, refused, damaged=at != len(data))


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
