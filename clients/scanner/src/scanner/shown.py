"""What a scanner shows, and what it says about itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from verdicts.model import Denial, Verdict

from scanner.said import Said


@dataclass(frozen=True, slots=True)
class ReasonText:
    """One reason. number: of lilitong.checkpoint.v1.ScanReason; it may be one that this version does not know."""

    number: int
    zh: str
    en: str


class Kept(Enum):
    """Where a scan is that the server has not acknowledged. In memory: the disk does not take it, a power cut would."""

    ON_DISK = "on disk"
    IN_MEMORY = "in memory"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Shown:
    """The answer to one scan.

    denials: only proven ones, found and verified in the scanner's own list; not empty exactly if the verdict is DENY.
    list_age_seconds: of the list that decided (the server's on line, the scanner's own off line); None when there is
    none. online: the server judged. degraded: the server said that it may lack news. recorded: the server has
    committed the scan. queued: it is in the journal and will be uploaded. in_memory: the journal cannot be written; the scan
    is kept until it can, or is uploaded, or the power fails. None of the three only if the memory is full too.
    drill_id: not empty for a drill, which must be said wherever the verdict is. took_ms: from call to answer.
    """

    scan_id: bytes
    verdict: Verdict
    reasons: tuple[ReasonText, ...]
    denials: tuple[Denial, ...]
    drill_id: str
    list_age_seconds: int | None
    online: bool
    degraded: bool
    recorded: bool
    queued: bool
    took_ms: float
    in_memory: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What staff must know of the scanner. Nothing of it is an estimate.

    online: the server was heard lately and the last call did not fail. list_age_seconds: of the scanner's own list; None
    when it has none for today. list_complete: nothing of today's list is known to be missing or in doubt. queue:
    scans to be uploaded; overdue: those of them older than 72 h, which the server will not take. aside: scans that
    will never be taken, kept until staff clear them. refused: the server no longer accepts this device. problems: the
    state folder's troubles, as short sentences. in_memory: scans of the queue that the disk does not take.
    clock_offset_seconds: what is added to the machine's clock. clock_jump_seconds: how far the machine's clock was set since
    the server was last heard; the scanner goes on by its own count. clock_doubtful: the time may be wrong, and no server
    has confirmed it since the machine was started.
    """

    online: bool
    list_age_seconds: int | None
    list_complete: bool
    policy_version: int
    queue: int
    overdue: int
    aside: int
    refused: bool
    clock_offset_seconds: float
    problems: tuple[Said, ...]
    in_memory: int = 0
    clock_jump_seconds: float = 0.0
    clock_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Aside:
    """A scan that will never be taken, and why. Its content names nobody."""

    scan_id: bytes
    scanned_at: datetime
    reason: str
