"""Files through the gateway: uploaded and passed on part by part, downloaded page by page. No file is ever held whole."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from chassis.errors import DomainError, Kind
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.bodies import pieces
from gateway.door import Headers
from gateway.problems import HttpError

PART: Final = 512 * 1024
LIMIT: Final = 32 * 1024 * 1024
WAIT_SECONDS: Final = 20.0
"""For a turn: a small part of the time that a file has, so that whoever gets one can still use it."""
MEDIA_TYPES: Final = ("text/csv", "application/octet-stream")
Call = Callable[..., Awaitable[Any]]


async def upload(
    call: Call,
    message: Any,
    request: Request,
    headers: Headers,
    *,
    check: Callable[[Any], None],
    turns: asyncio.Semaphore,
    seconds: float,
) -> Any:
    """The answer to the last part. `message` names what the file is for; `check` is held against every part. Nothing is
    read before its turn: a server with many uploads at once holds far more of each than the part it is asked for, measured
    as 13 MiB of 12 for each of 24, and without a bound that is memory for whoever sends files.

    Raises a 415 for what is no file, a 429 when no turn comes in `WAIT_SECONDS`, else as `bodies.pieces`, and what the
    service refuses: nothing more is passed on then, but the rest is read, for a connection with an unread body is closed, and
    whoever uses it next is cut off.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES or headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(
            415,
            Kind.INVALID,
            "FILE_REQUIRED",
            "Send the file itself as text/csv or application/octet-stream, without Content-Encoding.",
            headers={"accept-post": ", ".join(MEDIA_TYPES), "connection": "close"},
        )
    offset, reply, refusal = 0, None, None
    async with _turn(turns):
        async for piece, last in pieces(request.receive, headers, LIMIT, size=PART, seconds=seconds):
            if refusal is not None:
                continue
            message.offset, message.data, message.last = offset, piece, last
            try:
                check(message)
                reply = await call(message, timeout=seconds)
            except DomainError as error:
                refusal = error
            offset += len(piece)
    if refusal is not None:
        raise refusal
    return reply


@asynccontextmanager
async def _turn(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await turns.acquire()
    except TimeoutError:
        raise HttpError(
            429,
            Kind.EXHAUSTED,
            "UPLOADS_BUSY",
            "Too many files are being uploaded; try again shortly.",
            headers={"connection": "close"},
        ) from None
    try:
        yield
    finally:
        turns.release()


def download(call: Call, message: Any, first: Any, *, seconds: float, status: int) -> Response:
    """The file that begins with `first`'s data, with the pages that follow as they come.

    A page that fails cuts the answer off, which the client sees: its end mark is missing.
    """

    async def whole() -> AsyncIterator[bytes]:
        page = first
        yield page.data
        while page.next_page_token:
            message.page_token = page.next_page_token
            page = await call(message, timeout=seconds)
            yield page.data

    return StreamingResponse(whole(), status, disposition(first.media_type), first.media_type)


def disposition(media_type: str) -> dict[str, str]:
    """Tables are for a spreadsheet, sheets for the eye."""
    shown = "attachment" if media_type == "text/csv" else "inline"
    return {"content-disposition": shown, "cache-control": "private, no-cache"}
