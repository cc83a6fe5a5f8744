"""How long it takes until everybody whom an approval restricts is refused at a connected scanner."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scanner.client import Scanner
from scanner.shown import Shown
from verdicts.model import Verdict

from devstack.district import District
from devstack.gates import HEALTHY
from devstack.phone import Phone

AT_ONCE: Final = 32
"""Scans under way at a time: people at many lanes. Each waits for its commit, so fewer lanes would measure the queue."""
PROBE_SECONDS: Final = 0.01
USED_UP_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 30.0


class NotRefusedError(Exception):
    """Somebody who is restricted was let through, or not refused with proof, for as long as we waited."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Milliseconds from the sending of the approval: to its answer, to the first refusal, the median one, the last one.

    refused: people refused with a proof that the scanner verified itself.
    """

    answered_ms: float
    first_ms: float
    median_ms: float
    loop_ms: float
    refused: int


async def scan(scanner: Scanner, district: District, phone: Phone) -> Shown:
    """Somebody who looks healthy shows a fresh pass."""
    while True:
        try:
            text = phone.show_anew(district.now())
        except LookupError:
            await asyncio.sleep(USED_UP_SECONDS)
        else:
            return await scanner.scan(text, HEALTHY)


async def until(scanner: Scanner, district: District, phone: Phone, verdict: Verdict, drill_id: str = "") -> Shown:
    """Scans until that verdict is shown, each time with a fresh presentation. Raises NotRefusedError when time is over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        shown = await scan(scanner, district, phone)
        if shown.verdict is verdict and shown.drill_id == drill_id:
            return shown
        if time.monotonic() > deadline:
            said = "; ".join(reason.en for reason in shown.reasons)
            raise NotRefusedError(f"{verdict.name} was due at the scanner, it shows {shown.verdict.name} ({said})")
        await asyncio.sleep(PROBE_SECONDS)


async def close_loop(
    scanner: Scanner, district: District, phones: Sequence[Phone], approve: Callable[[], Awaitable[object]]
) -> Closing:
    """Sends the approval and measures until the last of the phones is refused.

    The first one is scanned again and again from the beginning; the others as soon as it is refused, several at once.
    DENY at this scanner means that the restriction's proof was found in its own list and verified there.
    """
    began = time.perf_counter()

    async def timed_approval() -> float:
        await approve()
        return _since(began)

    approval = asyncio.create_task(timed_approval())
    lanes = asyncio.Semaphore(AT_ONCE)

    async def refused_at(phone: Phone) -> float:
        async with lanes:
            await until(scanner, district, phone, Verdict.DENY)
            return _since(began)

    try:
        first = await refused_at(phones[0])
        others = await asyncio.gather(*map(refused_at, phones[1:]))
    finally:
        answered = await approval
    moments = sorted([first, *others])
    return Closing(answered, first, statistics.median(moments), moments[-1], len(moments))


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
