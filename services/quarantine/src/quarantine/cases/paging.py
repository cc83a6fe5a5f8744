"""Cursor pages over ids."""

from collections.abc import Sequence
from uuid import UUID

from chassis import pages


def decode(token: str) -> UUID | None:
    """The id after which the page begins; INVALID for a token that is not ours."""
    if not token:
        return None
    try:
        return UUID(hex=token)
    except ValueError:
        raise pages.wrong_token() from None


def token(ids: Sequence[UUID], size: int) -> str:
    """The token of the next page when one more row than `size` was read, else empty."""
    return ids[size - 1].hex if len(ids) > size else ""
