"""When a connected scanner begins to refuse people, by its own list: the far end of the closed loop.

Two thousand scans of a millisecond each would measure the scanning and not the loop. So before the approval every person
is scanned for real, with a fresh presentation whose two signatures are verified; while the list grows, only what can
change is asked again: whether the scanner's list now denies that tag (the log's proof was verified when the segment came
in). The first and the last person of every addition are scanned in full, with a presentation signed on the spot, before
their moment is taken; all the others are once the loop is closed.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_bytes
from typing import Final

from devstack.phone import Phone
from passes.replay import ReplayGuard
from scanner.client import Scanner
from scanner.held import Held
from verdicts.credential import Shown, read
from verdicts.model import Colour, Decision, Observations, Verdict
from verdicts.verdict import decide

HEALTHY: Final = Observations(
    temperature_decicelsius=365, health_code=Colour.GREEN, itinerary_card=Colour.GREEN, mask_worn=True
)
LOOK_SECONDS: Final = 0.5
"""The list is looked at whenever it changes; this often even if nobody said that it did."""


class NotClosedError(Exception):
    """The loop did not do what it promises: somebody was refused too early, too late, or not at all."""


class Gate:
    """A scanner's own judgement, from the text it scans to the verdict: both signatures, freshness, list and policy."""

    def __init__(self, held: Held, now: Callable[[], datetime]) -> None:
        """`now`: the scanner's clock, as the server corrects it."""
        self._held, self.now = held, now
        self._replays = ReplayGuard()

    def read(self, text: str, now: datetime) -> Shown:
        """What was scanned, verified. NotClosedError when it is not a fresh and genuine pass."""
        held = self._held
        found = read(
            text,
            keys=held.keys,
            lists=held.index,
            drills=held.drills,
            replays=self._replays,
            use=token_bytes(8),
            now=now,
        )
        if not isinstance(found, Shown) or found.failure is not None:
            raise NotClosedError("a fresh presentation was not taken as one")
        return found

    def verdict(self, shown: Shown, now: datetime) -> Decision:
        """The scanner's own verdict on somebody who looks healthy."""
        held = self._held
        return decide(
            shown,
            observations=HEALTHY,
            bearer_matched=False,
            policy=held.policy,
            lists=held.index,
            list_age_seconds=held.age_for(shown, now),
            at=now,
        )

    def scan(self, phone: Phone) -> Decision:
        """Somebody shows a pass signed on the spot."""
        now = self.now()
        return self.verdict(self.read(phone.show_anew(now), now), now)

    def denies(self, shown: Shown, now: datetime) -> bool:
        """What the list alone says of a credential that was verified before."""
        lookup = self._held.index.lookup
        return any(lookup(shown.day, shown.drill_id, tag, now) is not None for tag in shown.tags)


@dataclass(slots=True)
class Watch:
    """Waits at one scanner for people to be refused. `moments`: `time.perf_counter()` of each refusal, in order."""

    scanner: Scanner
    moments: list[float] = field(default_factory=list)
    order: list[Phone] = field(default_factory=list)
    _held: Held = field(init=False, repr=False)
    _gate: Gate = field(init=False, repr=False)
    _waiting: list[tuple[Phone, Shown]] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        self._held = self.scanner._held  # noqa: SLF001 - what this scanner itself holds is what is measured
        self._gate = Gate(self._held, self.scanner.clock.now)

    def admit(self, phones: Sequence[Phone]) -> None:
        """Scan everybody in full before anything is decided: all must be allowed to pass. Then hold the breath."""
        for phone in phones:
            now = self._gate.now()
            shown = self._gate.read(phone.show_anew(now), now)
            if self._gate.verdict(shown, now).verdict is not Verdict.ALLOW:
                raise NotClosedError("somebody was stopped before anything was decided")
            self._waiting.append((phone, shown))
        gc.collect()  # a collection in the observer is no part of the loop
        gc.disable()

    async def closed(self, seconds: float) -> None:
        """Returns when the last one is refused; NotClosedError when that takes longer than `seconds`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            while self._waiting:
                if loop.time() > until:
                    raise NotClosedError(f"{len(self._waiting)} people are not refused after {seconds:.0f} s")
                await asyncio.wait([self._held.news()], timeout=LOOK_SECONDS)
                self._look()
        finally:
            gc.enable()
        for phone in self.order:
            self._refused(phone)

    def _look(self) -> None:
        now = self._gate.now()
        found = [(phone, shown) for phone, shown in self._waiting if self._gate.denies(shown, now)]
        if not found:
            return
        self._refused(found[0][0])
        self.moments.append(time.perf_counter())
        if len(found) > 1:
            self._refused(found[-1][0])
            self.moments += [time.perf_counter()] * (len(found) - 1)
        gone = {id(phone) for phone, _ in found}
        self.order += [phone for phone, _ in found]
        self._waiting = [each for each in self._waiting if id(each[0]) not in gone]

    def _refused(self, phone: Phone) -> None:
        """A scan in full: DENY means that the restriction's proof was found in the scanner's list and verified there."""
        decision = self._gate.scan(phone)
        if decision.verdict is not Verdict.DENY or not decision.denials:
            raise NotClosedError(f"{decision.verdict.name} where DENY was due")

    async def spot_check(self, phones: Sequence[Phone]) -> None:
        """The checkpoint service refuses too: real scans over the network, recorded, borne out by the scanner's list."""
        for phone in phones:
            shown = await self.scanner.scan(phone.show_anew(self._gate.now()), HEALTHY)
            if shown.verdict is not Verdict.DENY or not shown.online:
                said = "; ".join(reason.en for reason in shown.reasons)
                raise NotClosedError(f"the service said {shown.verdict.name} ({said}), on line: {shown.online}")
