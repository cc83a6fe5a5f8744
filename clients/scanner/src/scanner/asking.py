"""One scan, from its text to what is shown: the server's verdict borne out by our list, or our own."""

import asyncio
from dataclasses import dataclass
from typing import Final

import grpc
from lilitong.checkpoint.v1 import scan_pb2
from passes.replay import ReplayGuard
from verdicts.credential import Credential, read
from verdicts.model import Observations
from verdicts.verdict import decide

from scanner import wire
from scanner.clock import CorrectedClock
from scanner.held import Held
from scanner.judge import Answer, Ruling, of_decision, reconcile, restricted
from scanner.link import CallError, Link

ANSWER_S: Final = 0.65
"""How long a scan waits for the server; with the wait for a proof, less than a second in all."""
STALLED_ANSWER_S: Final = 0.15
"""While the server does not answer, each scan still tries it for a moment: nobody is made to stand in the rain."""
PROOF_S: Final = 0.3
"""How long Sync gets to bring the segment that bears a verdict out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """answer: None when the server did not judge."""

    credential: Credential
    ruling: Ruling
    answer: Answer | None


class Asking:
    """Asks the server and the list. One replay memory for both, so that what was shown off line is known on line."""

    def __init__(self, link: Link, held: Held, clock: CorrectedClock, seconds: float) -> None:
        self._link, self._held, self._clock, self._seconds = link, held, clock, seconds
        self._replays = ReplayGuard()
        self.stalled = False

    async def judge(self, scan_id: bytes, text: str, seen: Observations, *, bearer_matched: bool) -> Outcome:
        """Within a second."""
        self._held.refresh_if_due(self._clock.now())
        credential = self._read(scan_id, text)
        request = scan_pb2.ScanRequest(
            scan_id=scan_id,
            credential=wire.credential(text),
            observations=wire.observations(seen),
            bearer_matched=bearer_matched,
        )
        known = restricted(credential, bearer_matched=bearer_matched, lists=self._held.index, at=self._clock.now())
        answer = await self._ask(request)
        if answer is None:
            return Outcome(credential, self._own(credential, seen, bearer_matched=bearer_matched), None)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PROOF_S
        while True:
            news = self._held.news()
            ruling = self._reconciled(answer, credential, known, bearer_matched=bearer_matched)
            if ruling.settled or not self._link.online:
                break
            try:
                async with asyncio.timeout_at(deadline):
                    await news
            except TimeoutError:
                break
            credential = self._read(scan_id, text)  # news may have brought the card or the issuer's key
        news.cancel()
        return Outcome(credential, ruling, answer)

    def _read(self, scan_id: bytes, text: str) -> Credential:
        return read(
            text,
            keys=self._held.keys,
            lists=self._held.index,
            drills=self._held.drills,
            replays=self._replays,
            use=scan_id,
            now=self._clock.now(),
        )

    async def _ask(self, request: scan_pb2.ScanRequest) -> Answer | None:
        try:
            message = await self._link.scan(request, STALLED_ANSWER_S if self.stalled else self._seconds)
        except CallError as error:
            self.stalled = error.failure.code is grpc.StatusCode.DEADLINE_EXCEEDED
            return None
        self.stalled = False
        return wire.answer(message)

    def _reconciled(
        self, answer: Answer, credential: Credential, known: frozenset[int], *, bearer_matched: bool
    ) -> Ruling:
        return reconcile(
            answer,
            credential,
            bearer_matched=bearer_matched,
            known=known,
            lists=self._held.index,
            policy=self._held.policy,
            at=self._clock.now(),
        )

    def _own(self, credential: Credential, seen: Observations, *, bearer_matched: bool) -> Ruling:
        now = self._clock.now()
        decision = decide(
            credential,
            observations=seen,
            bearer_matched=bearer_matched,
            policy=self._held.policy,
            lists=self._held.index,
            list_age_seconds=self._held.age_for(credential, now),
            at=now,
        )
        return of_decision(decision)
