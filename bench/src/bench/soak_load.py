"""The mixed load of a soak: everything that people do all day, at a steady pace, each kind counted.

Every kind of work is a task of its own that repeats an action at a rate. What an action raises is counted by its type and
never ends the soak: a soak that stops at the first refusal has soaked nothing.
"""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import grpc
from devstack import scene
from devstack.api import ApiError
from devstack.district import District
from devstack.gateclient import GateClient
from devstack.phone import Phone
from devstack.scene import Gate, Place
from devstack.stack import Stack
from lilitong.checkpoint.v1 import scan_pb2
from passes import device
from passes.days import day_number, local_day

VISITORS, PLACES, GATES, LISTENERS = 400, 40, 4, 30
UPLOAD_ITEMS, BATCH = 100, 50


@dataclass(slots=True)
class Tally:
    """What was done and what failed, by kind. `unexpected`: failures that no healthy system gives."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Load:
    """A town that goes on. Made by `settle`; `run` until cancelled."""

    stack: Stack
    district: District
    phones: list[Phone]
    places: list[Place]
    gates: list[Gate]
    tally: Tally = field(default_factory=Tally)
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    @classmethod
    async def settle(cls, stack: Stack, district: District) -> "Load":
        """Registers the people, venues and posts that the load is about."""
        await district.start_policy()
        phones = await scene.people(district, VISITORS)
        places = [await scene.venue(district, capacity=10_000) for _ in range(PLACES)]
        gates = [await scene.gate(district) for _ in range(GATES)]
        return cls(stack, district, phones, places, gates)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind, every, action in self._kinds():
                tasks.create_task(self._repeat(kind, every, action))
            for gate in self.gates:
                tasks.create_task(self._passers(gate))
            for _ in range(LISTENERS):
                tasks.create_task(self._listener(self.dice.choice(self.gates)))

    def _kinds(self) -> Sequence[tuple[str, float, Callable[[], Awaitable[None]]]]:
        """For each kind: name, seconds between two of them, what is done."""
        return (
            ("check-in", 0.04, self._check_in),
            ("check-in batch of 50", 1.0, self._check_in_batch),
            ("upload of 100 scans", 1.0, self._upload),
            ("loop", 20.0, self._loop),
            ("registration", 5.0, self._register),
            ("read", 0.2, self._read),
            ("bad call", 0.2, self._bad),
        )

    async def _repeat(self, kind: str, every: float, action: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self._count(kind, action)
            await asyncio.sleep(max(every - (loop.time() - began), 0.0))

    async def _count(self, kind: str, action: Callable[[], Awaitable[None]]) -> None:
        try:
            await action()
        except ApiError as error:
            tally = self.tally.unexpected if error.status >= 500 else self.tally.refused
            tally[f"{kind}: {error.status} {error.reason}"] += 1
        except grpc.aio.AioRpcError as error:
            self.tally.unexpected[f"{kind}: {error.code().name}"] += 1
        except Exception as error:  # noqa: BLE001 - see above
            self.tally.unexpected[f"{kind}: {type(error).__name__}"] += 1
        else:
            self.tally.done[kind] += 1

    async def _check_in(self) -> None:
        phone, place = self.dice.choice(self.phones), self.dice.choice(self.places)
        shown = phone.check_in(place.code, self.district.now())
        answer = await self.district.check_in(shown, place.code)
        if answer["outcome"] == "admitted" and self.dice.random() < 0.3:
            await self._count("check-out", lambda: self._check_out(answer["visit_ids"][0]))

    async def _check_out(self, visit_id: str) -> None:
        await self.district.api("app_backend").post("/check-outs", {"visit_id": visit_id})

    async def _check_in_batch(self) -> None:
        place = self.dice.choice(self.places)
        await scene.visit(self.district, place, self.dice.sample(self.phones, BATCH), self.district.now())

    async def _passers(self, gate: Gate) -> None:
        async with GateClient(self.stack.address("checkpoint"), gate) as client:
            await client.accepted(self.district.now)

            async def passes() -> None:
                now = self.district.now()
                answer = await client.scan(self.dice.choice(self.phones).show(now), now)
                if (
                    not answer.recorded
                ):  # as promised when the machine is too busy: the scanner keeps it and sends it again
                    self.tally.refused["scan: answered, not recorded in time"] += 1

            await self._repeat("scan", 0.1, passes)

    async def _listener(self, gate: Gate) -> None:
        """A connected scanner; it comes and goes, as scanners do."""
        async with GateClient(self.stack.address("checkpoint"), gate) as client:

            async def listen() -> None:
                call = client.stub.Sync(scan_pb2.SyncRequest(), metadata=client.metadata(self.district.now()))
                try:
                    async with asyncio.timeout(self.dice.uniform(20, 120)):
                        while True:
                            await call.read()
                except TimeoutError:
                    call.cancel()
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    # Servers end old connections, so that new replicas get their share; a scanner comes back.
                    self.tally.refused["Sync stream: connection renewed"] += 1

            await self._repeat("Sync stream", 0.0, listen)

    async def _upload(self) -> None:
        gate, now = self.dice.choice(self.gates), self.district.now()
        batch = scan_pb2.ScanBatch(batch_id=secrets.token_bytes(16))
        for _ in range(UPLOAD_ITEMS):
            item = batch.scans.add(
                scan_id=secrets.token_bytes(8),
                day=day_number(local_day(now)),
                tags=[secrets.token_bytes(16)],
                verdict=scan_pb2.VERDICT_ALLOW,
            )
            item.scanned_at.FromDatetime(now)
        signed = batch.SerializeToString()
        request = scan_pb2.RecordScansRequest(
            batch=signed, signature=device.sign_batch(gate.key, sha256(signed).digest())
        )
        async with GateClient(self.stack.address("checkpoint"), gate) as client:
            answer = await client.stub.RecordScans(request, timeout=10.0, metadata=client.metadata(now))
        if any(result.outcome != scan_pb2.RECORD_OUTCOME_RECORDED for result in answer.results):
            self.tally.unexpected["upload: not recorded"] += 1

    async def _loop(self) -> None:
        """A case with five contacts, from the visit to the first refusal, then one of them lifted."""
        place, gate = self.dice.choice(self.places), self.dice.choice(self.gates)
        index, *contacts = await scene.people(self.district, 6)
        await scene.visit(self.district, place, [index, *contacts])
        case_id, _ = await scene.confirm(self.district, index)
        async with GateClient(self.stack.address("checkpoint"), gate) as client:

            def show() -> tuple[str, object]:
                now = self.district.now()
                return contacts[0].show(now), now

            answer = await client.scan_until(show, scan_pb2.VERDICT_DENY)  # type: ignore[arg-type]
        if answer.verdict != scan_pb2.VERDICT_DENY:
            self.tally.unexpected["loop: the contact is not refused"] += 1
            return
        path = f"/restrictions/{await self._restriction(case_id)}"
        await self.district.api("approver", "approver-1").post(f"{path}/lift-proposals", {"grounds": "演示：误判"})
        await self.district.api("approver", "approver-2").post(f"{path}/lift-approvals")

    async def _restriction(self, case_id: str) -> str:
        """One of a case's restrictions; a contact may be refused before for an earlier case at the same place."""
        async with asyncio.timeout(20):
            while True:
                for contact in await self.district.contacts(case_id):
                    if contact["restriction_id"]:
                        return str(contact["restriction_id"])
                await asyncio.sleep(0.1)

    async def _register(self) -> None:
        await scene.venue(self.district)
        await scene.family(self.district, 3)

    async def _read(self) -> None:
        place = self.dice.choice(self.places)
        await self.district.api("venue_officer").get(f"/venues/{place.venue_id}")
        await self.district.api("tracer").get("/interview-tasks", area="141102", page_size=50)

    async def _bad(self) -> None:
        """What clients get wrong all day; each is refused, and that is what is counted as done."""
        calls = (
            lambda: self.district.api("app_backend").post("/check-ins", {"credential": "LLT1:NONSENSE"}),
            lambda: self.district.api("app_backend").post("/cases", {}),
            lambda: self.district.api("tracer").get("/cases/none"),
        )
        try:
            await self.dice.choice(calls)()
        except ApiError as error:
            if error.status >= 500:
                raise
        else:
            self.tally.unexpected["bad call: taken"] += 1
