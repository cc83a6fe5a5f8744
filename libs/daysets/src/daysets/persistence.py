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
_NUMBER = struct.Struct(">I")


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
            segments = list(index.segments())
            file.write(_MAGIC + _NUMBER.pack(len(segments)))
            for segment in segments:
                data = wire.encode(segment)
                file.write(_NUMBER.pack(len(data)) + data)
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
    at, seen, applied, refused = len(_MAGIC) + _NUMBER.size, 0, 0, 0
    if not data.startswith(_MAGIC) or len(data) < at:
        return Loaded(0, 0, damaged=True)
    (count,) = _NUMBER.unpack_from(data, len(_MAGIC))
    while at + _NUMBER.size <= len(data):
        (length,) = _NUMBER.unpack_from(data, at)
        begin, at = at + _NUMBER.size, at + _NUMBER.size + length
        if at > len(data):
            break
        try:
            outcome = index.apply(wire.decode(data[begin:at]))
        except SegmentError:
            outcome = Outcome.REFUSED
        seen += 1
        applied += outcome is Outcome.APPLIED
        refused += outcome is Outcome.REFUSED
    return Loaded(applied, refused, damaged=seen != count or at != len(data))


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
