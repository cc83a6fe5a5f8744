"""The attack: drafts become calls, calls are sent over many connections at once, answers are judged."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from random import Random
from typing import Any

from devstack.stack import Stack
from gateway.operations import KEY_FIELD

from rest_attack.calls import RIGHT, ROUTES, Call, Caller, Cast
from rest_attack.drafts import NEGATIVE, NOTHING, POSITIVE, SAMPLED, Draft, Wanted, stream
from rest_attack.report import Report, done
from rest_attack.sound import sound
from rest_attack.stored import Acknowledged
from rest_attack.things import Things
from rest_attack.wire import Answer, Line

TASKS = 24
WRONG_CALLERS = ("nobody", "forger", "wrong role", "wrong area")
_WRONG, _REPEATED = 0.08, 0.12  # shares
_FEWER = 3  # a batch costs as much as some calls
_SAMPLES = 8  # of the calls of an operation, one in so many is one that the access matrix knows to be good
# A visit is known again by person, day and key, a check-out by its visit; who handles a lot by person, day and venue, and the
# key is not stored, or it would tie days together.
_KNOWN_OTHERWISE = frozenset({"RecordLotHandler"})
_TIMES = 2  # a draft costs more than its call: each is sent about other things and by other people again


class _Turns:
    """Calls go side by side, but two of the same go alone: nothing else may change in between what they are about."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._beside, self._alone = 0, False

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._alone)
            self._beside += 1
        try:
            yield
        finally:
            async with self._changed:
                self._beside -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._alone)
            self._alone = True  # from here on nobody begins
            await self._changed.wait_for(lambda: not self._beside)
        try:
            yield
        finally:
            async with self._changed:
                self._alone = False
                self._changed.notify_all()


class Campaign:
    """One attack on a running system. `seed` decides the drafts and everything drawn here; times and keys are fresh."""

    def __init__(self, stack: Stack, things: Things, seed: int) -> None:
        self.report, self.acknowledged, self.seed = Report(), Acknowledged(), seed
        self._port, self._things, self._random = stack.children["gateway"].listen, things, Random(seed)
        self._turns = _Turns()
        self._caller = Caller(Cast(stack, things, self._random), things, self._random)

    async def refused(self, each: int) -> None:
        """Only calls that must be refused: spoiled ones of the right people, sound ones of the wrong."""
        wanted = [Wanted(about, mode, each) for about in ROUTES for mode in (NEGATIVE, POSITIVE)]
        await self._run(stream(wanted, self.seed), self._refuse)

    async def reaching(self, each: int) -> None:
        """Good and sensible calls of the right people, a few spoiled, a few of the wrong people, some repeated."""
        # These first: what is there in one state only would else be used up by calls that hardly differ from one another.
        good = [Draft(about, SAMPLED, {}, {}, {}, NOTHING) for about in ROUTES for _ in range(max(each // _SAMPLES, 1))]
        self._random.shuffle(good)
        await self._run([good], self._reach)
        wanted = []
        for about, operation in ROUTES.items():
            count = each // _TIMES
            wanted.append(Wanted(about, POSITIVE, count // _FEWER if operation.batch else count))
            wanted.append(Wanted(about, NEGATIVE, count // 20))
        await self._run((portion * _TIMES for portion in stream(wanted, self.seed)), self._reach)

    async def _run(self, portions: Iterable[list[Draft]], act: Callable[[list[Line], Draft], Awaitable[None]]) -> None:
        queue: asyncio.Queue[Draft | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def draw() -> None:
            for portion in portions:
                for draft in portion:
                    loop.call_soon_threadsafe(queue.put_nowait, draft)

        async def work() -> None:
            lines = [Line(self._port), Line(self._port)]
            while (draft := await queue.get()) is not None:
                await act(lines, draft)
            await asyncio.gather(*(line.close() for line in lines))

        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(work())
            await asyncio.to_thread(draw)
            for _ in range(TASKS):
                queue.put_nowait(None)

    async def _send(self, line: Line, call: Call) -> Answer:
        async with self._turns.beside():
            return await self._sent(line, call)

    async def _sent(self, line: Line, call: Call) -> Answer:
        answer = await line.send(call.data)
        self.report.count(call, answer)
        self.acknowledged.take(call, answer)
        if done(answer) and answer.body and answer.header("content-type") == "application/json":
            self._things.tell(json.loads(answer.body))
        return answer

    def _wrong_caller(self, about: str) -> str:
        by_field = isinstance(ROUTES[about].rule.area, str)
        return self._random.choice(WRONG_CALLERS if by_field else WRONG_CALLERS[:3])

    async def _refuse(self, lines: list[Line], draft: Draft) -> None:
        call = self._caller.call(draft, RIGHT if draft.mode == NEGATIVE else self._wrong_caller(draft.about))
        if call.caller == RIGHT and sound(call):
            return  # drawn as a bad one, and good after all
        if done(await self._send(lines[0], call)):
            self.report.fault(call, "was done and should have been refused")

    async def _reach(self, lines: list[Line], draft: Draft) -> None:
        wrong = self._random.random() < _WRONG
        call = self._caller.call(draft, self._wrong_caller(draft.about) if wrong else RIGHT)
        repeats = call.key and draft.mode != NEGATIVE and not wrong and self._random.random() < _REPEATED
        if repeats and self._random.random() < 0.3:
            await self._both(lines, call)
            return
        answer = await self._send(lines[0], call)
        if repeats and done(answer) and not call.operation.batch:
            if self._random.random() < 0.5:
                self._same(call, answer, await self._send(lines[0], call), "again")
            else:
                await self._other(lines[0], call)

    async def _both(self, lines: list[Line], call: Call) -> None:
        """The same call twice at once: one effect, and one answer to both."""
        async with self._turns.alone():
            first, second = await asyncio.gather(*(self._sent(line, call) for line in lines))
        if done(first) and done(second):
            self._same(call, first, second, "at once")
        elif done(first) != done(second):
            self.report.fault(call, f"of two at once one was done, the other answered {first.status}, {second.status}")

    async def _other(self, line: Line, call: Call) -> None:
        """Another content under the same key, after the first was done."""
        rpc = call.operation.rpc
        if KEY_FIELD not in rpc.takes.fields_by_name or rpc.descriptor.name in _KNOWN_OTHERWISE:
            return
        other = self._caller.call(call.draft, key=call.key)
        if (other.target, _meaning(other.body)) == (call.target, _meaning(call.body)):
            return
        answer = await self._send(line, other)
        self.report.repeats[f"other content {answer.status}"] += 1
        if done(answer):
            said = f"{call.target} {call.body} / {other.target} {other.body}"
            self.report.fault(call, f"other content was done under a key that was used before: {said[:600]}")

    def _same(self, call: Call, first: Answer, second: Answer, how: str) -> None:
        self.report.repeats[how] += 1
        if first.status != second.status or lasting(first) != lasting(second):
            self.report.fault(call, f"repeated {how}, it was answered differently: {first.status}, {second.status}")


def _meaning(body: Any) -> Any:
    """What a body says: a field that is empty or unspecified says what leaving it out says."""
    if isinstance(body, dict):
        said = {name: _meaning(value) for name, value in body.items()}
        return {name: value for name, value in said.items() if value and value != "unspecified"}
    return [_meaning(each) for each in body] if isinstance(body, list) else body


def lasting(answer: Answer) -> Any:
    """What a repeat must say again: not how old the list is by now, and of a batch, not why items were refused."""
    said = json.loads(answer.body)
    if answer.status == HTTPStatus.MULTI_STATUS:
        return [None if item.get("error") else lasting_part(item) for item in said["results"]]
    return lasting_part(said)


def lasting_part(said: Any) -> Any:
    if isinstance(said, dict):
        return {name: lasting_part(value) for name, value in said.items() if name != "list_age_seconds"}
    return said
