"""What enforcement asks of the register of documents: a number and a place for a paper, in the caller's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from chassis.pool import Connection

from venue.enforcement.ladder.facts import Issued
from venue.enforcement.policies.model import Paper


@dataclass(frozen=True, slots=True)
class NewPaper:
    """A paper to be issued. `content` is what is printed on it: JSON values. `measure_id`: the failed inspection."""

    paper: Paper
    venue_id: UUID
    area: str
    measure_id: UUID
    issuing_body: str
    issued_at: datetime
    content: Mapping[str, Any]
    drill_id: str


class IssuePaper(Protocol):
    """Gives the paper its number and keeps it; nothing of it stays if the transaction is rolled back."""

    async def __call__(self, conn: Connection, paper: NewPaper) -> Issued: ...
