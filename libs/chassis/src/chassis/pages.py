"""Page tokens: where a page of a list ended, as text that a caller hands back unread.

    after = pages.after(Cursor, request.page_token)     None for the first page; INVALID for what is no token of ours
    found, more = await store.page(conn, after, size)
    next_page_token=pages.token(more)

A list whose order has another shape than a number and an id brings a `PageCursor` of its own.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, Self, TypeVar
from uuid import UUID

from chassis.errors import DomainError, Kind

_TOKEN: Final = re.compile(r"(\d{1,19})\.([0-9a-f]{32})", re.ASCII)
_END: Final = 1 << 62  # numbers go into int8 columns and times of the calendar
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class PageCursor(Protocol):
    """Where a page ended."""

    def encode(self) -> str: ...

    @classmethod
    def decode(cls, token: str) -> Self:
        """The inverse of `encode`. Raises `ValueError` on anything else."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the number by which the list is ordered, 0 to 2⁶² − 1, and the id of the last row."""

    number: int
    id: UUID

    def encode(self) -> str:
        return f"{self.number}.{self.id.hex}"

    @classmethod
    def decode(cls, token: str) -> Self:
        """The inverse of `encode`. Raises `ValueError` on anything else."""
        found = _TOKEN.fullmatch(token)
        if found is None or int(found[1]) >= _END:
            raise ValueError("not a page token")
        return cls(int(found[1]), UUID(hex=found[2]))


@dataclass(frozen=True, slots=True)
class TimeCursor:
    """Where a page ended of a list that is ordered by a time, to the microsecond, from 1970 on."""

    at: datetime
    id: UUID

    def encode(self) -> str:
        return Cursor((self.at - _EPOCH) // _MICROSECOND, self.id).encode()

    @classmethod
    def decode(cls, token: str) -> Self:
        """The inverse of `encode`. Raises `ValueError` on anything else."""
        found = Cursor.decode(token)
        try:
            return cls(_EPOCH + found.number * _MICROSECOND, found.id)
        except OverflowError:
            raise ValueError("not a page token") from None


_C = TypeVar("_C", bound=PageCursor)


def after(cursor: type[_C], page_token: str) -> _C | None:
    """Where the wanted page begins, None for the first. Raises INVALID `PAGE_TOKEN_INVALID` for what is no token."""
    if not page_token:
        return None
    try:
        return cursor.decode(page_token)
    except ValueError:
        raise wrong_token() from None


def wrong_token() -> DomainError:
    """The refusal of `after`, for lists whose tokens are of another kind."""
    return DomainError(
        Kind.INVALID,
        "PAGE_TOKEN_INVALID",
        "This page token is not one of ours.",
        fields={"page_token": "take it from the former page"},
    )


def token(cursor: PageCursor | None) -> str:
    """What the caller hands back for the next page; empty when this was the last."""
    return "" if cursor is None else cursor.encode()
