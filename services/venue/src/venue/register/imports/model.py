"""An import as a job: its states, its counts, its bounds. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from venue.register.imports.layout import Layout

MAX_FILE: Final = 32 * 1024 * 1024
MIN_PART: Final = 64 * 1024
"""Bytes of a part that is not the last: a file is never a million of them."""
MAX_ROWS: Final = 200_000
MAX_LINES: Final = 1_000_000
"""Blank ones and those within quotes are among them."""
ABANDONED: Final = timedelta(days=1)


class State(IntEnum):
    """Numbers as in the contract."""

    RECEIVING = 1
    QUEUED = 2
    RUNNING = 3
    DONE = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class Import:
    """`bytes_read`: where the job goes on, at line `next_line`. rows_read = created + unchanged + rejected."""

    import_id: UUID
    area: str
    drill_id: str
    file_name: str
    created_by: str
    created_at: datetime
    state: State
    bytes_received: int
    bytes_read: int
    next_line: int
    layout: Layout | None
    rows_read: int
    created: int
    unchanged: int
    rejected: int
    failure: str
    failure_line: int
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a job did: how far it came, and what became of the rows."""

    bytes_read: int
    next_line: int
    created: int
    unchanged: int
    rejected: int
