"""`kill -9` of everything, at random, under load: nothing acknowledged is lost, nothing is doubled, every loop completes."""

import asyncio
import os
import random
import secrets
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import grpc
import nats
import pytest
from devstack import scene
from devstack.api import ApiError
from devstack.district import District
from devstack.gateclient import GateClient
from devstack.stack import SERVICES, Stack
from lilitong.checkpoint.v1 import scan_pb2

pytestmark = pytest.mark.slow
VICTIMS = (*SERVICES, "postgres", "nats")
KILLS_EACH = 5
DENY = scan_pb2.VERDICT_DENY


class Load:
    """Visitors and passers-by that insist until they are acknowledged, and remember what was."""

    def __init__(self, stack, district, place, gate, phones):
        self.stack, self.district, self.place, self.gate, self.phones = stack, district, place, gate, phones
        self.visits, self.scans = {}, {}
        self.stop = asyncio.Event()
        self.unexpected = []

    async def visitors(self):
        api = self.district.api("venue_operator", self.place.operator)
        for phone in self._forever():
            key = str(uuid4())
            body = {"credential": phone.show(self.district.now()), "venue_code": self.place.code}
            try:
                answer = await api.post("/check-ins", body | {"scanned_by_staff": True}, key=key)
            except ApiError as error:
                if error.status >= 500 and error.status not in {503, 504}:
                    self.unexpected.append(error)
                continue
            if answer["outcome"] == "admitted":
                self.visits[key] = answer["visit_ids"]
            await asyncio.sleep(0.01)

    async def passers(self):
        async with GateClient(self.stack.address("checkpoint"), self.gate) as client:
            for phone in self._forever():
                scan_id = secrets.token_bytes(8)
                for _ in range(200):
                    shown = phone.show(self.district.now())
                    with suppress(grpc.aio.AioRpcError):
                        if (await client.scan(shown, self.district.now(), scan_id=scan_id)).recorded:
                            self.scans[scan_id] = self.scans.get(scan_id, 0) + 1
                            break
                    await asyncio.sleep(0.1)
                await asyncio.sleep(0.01)

    def _forever(self):
        while not self.stop.is_set():
            yield random.choice(self.phones)


async def stored(stack):
    """Visit keys and scan ids as the databases have them, with how often."""
    connection = await asyncpg.connect(stack.database_url(stack.database.admin_url, "postgres"))
    visits = dict(await connection.fetch("SELECT int8send(visit_key), count(*) FROM venue.visits GROUP BY 1"))
    scans = dict(await connection.fetch("SELECT scan_id, count(*) FROM checkpoint.passages GROUP BY 1"))
    await connection.close()
    return visits, scans


async def loop_once(stack, district, gate):
    """One whole loop; returns when its two contacts are refused."""
    place = await scene.venue(district)
    index, *contacts = await scene.people(district, 3)
    admitted = await scene.visit(district, place, [index, *contacts])
    assert [answer["outcome"] for answer in admitted] == ["admitted"] * 3
    case_id, result_id = await district.suspect(index.resident_id)
    await district.approve(case_id, result_id, "approver-1")
    await district.impact(case_id, seconds=120)
    await district.approve(case_id, result_id, "approver-2")
    deadline = asyncio.get_running_loop().time() + 120
    async with GateClient(stack.address("checkpoint"), gate) as client:
        for phone in (index, *contacts):
            verdict = None
            while verdict != DENY:
                assert asyncio.get_running_loop().time() < deadline, "a loop did not complete"
                with suppress(grpc.aio.AioRpcError):
                    verdict = (await client.scan(phone.show(district.now()), district.now())).verdict
                await asyncio.sleep(0.1)


async def killer(stack, random_, done):
    """Kills each victim KILLS_EACH times in random order, at random moments, and brings it back."""
    victims = [victim for victim in VICTIMS for _ in range(KILLS_EACH)]
    random_.shuffle(victims)
    for number, victim in enumerate(victims):
        await asyncio.sleep(random_.uniform(1.0, 4.0))
        stack.kill(victim)
        await asyncio.sleep(random_.uniform(0.0, 0.5))
        if victim == "nats" and number % 2:
            stack.bus.stop()
            stack.bus.wipe()
        await stack.restart(victim)
        if victim in SERVICES:
            await stack.ready(victim)
        done.append(victim)


@pytest.mark.feature("X11", "V4", "C2", "Q5")
@pytest.mark.timeout(900)
async def test_nothing_acknowledged_is_lost_and_every_loop_completes(state_dir):
    seed = int(os.environ.get("SEED", "0")) or secrets.randbelow(1_000_000)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    stack = await Stack.start(state_dir / "crashes")
    district = District(stack, patience=60.0)
    try:
        await district.start_policy()
        place, gate = await scene.venue(district), await scene.gate(district)
        load = Load(stack, district, place, gate, await scene.people(district, 40))
        workers = [asyncio.create_task(work()) for work in (load.visitors, load.visitors, load.passers, load.passers)]
        done = []
        killing = asyncio.create_task(killer(stack, random_, done))
        loops = 0

        async def loop_on():
            nonlocal loops
            while not killing.done():
                await loop_once(stack, district, gate)
                loops += 1

        await asyncio.gather(loop_on(), loop_on(), killing)
        await asyncio.gather(*(stack.ready(service) for service in SERVICES))
        await loop_once(stack, district, gate)
        load.stop.set()
        await asyncio.gather(*workers)
        assert {victim: done.count(victim) for victim in VICTIMS} == dict.fromkeys(VICTIMS, KILLS_EACH)
        await compare(stack, load)
        print(f"{loops + 1} loops, {len(load.visits)} visits and {len(load.scans)} scans acknowledged, seed {seed}")
        assert loops >= 3
        assert load.unexpected == []
    finally:
        print(*logged_errors(stack), *await waiting(stack), sep="\n")
        if keep := os.environ.get("KEEP_LOGS"):
            shutil.copytree(stack.folder / "logs", keep, dirs_exist_ok=True)
        await district.close()
        await stack.stop()


def logged_errors(stack):
    """What the services logged as unexpected, for whoever reads a failed run."""
    return [
        line
        for path in sorted((stack.folder / "logs").glob("*.log"))
        for line in path.read_text().splitlines()
        if '"level": "error"' in line
    ][-20:]


async def waiting(stack):
    """What is still on its way, for whoever reads a failed run."""
    found = []
    with suppress(OSError, asyncpg.PostgresError):
        connection = await asyncpg.connect(stack.database_url(stack.database.admin_url, "postgres"))
        for schema in ("quarantine", "venue", "checkpoint"):
            unpublished = await connection.fetchval(f"SELECT count(*) FROM {schema}.outbox WHERE NOT published")
            dead = await connection.fetchval(f"SELECT count(*) FROM {schema}.dead_letters")
            found.append((schema, "unpublished", unpublished, "dead", dead))
        found += [tuple(row) for row in await connection.fetch("SELECT * FROM quarantine.searches")][-6:]
        for schema in ("quarantine", "venue", "checkpoint"):
            found += [
                (schema, *row)
                for row in await connection.fetch(f"SELECT consumer, count(*) FROM {schema}.inbox GROUP BY 1")
            ]
        await connection.close()
    with suppress(OSError, nats.errors.Error):
        client = await nats.connect(stack.bus.url)
        manager = client.jetstream()
        for stream in await manager.streams_info():
            found.append((stream.config.name, stream.state.messages, stream.state.last_seq))
            for consumer in await manager.consumers_info(stream.config.name):
                delivered, floor = consumer.delivered.stream_seq, consumer.ack_floor.stream_seq
                found.append((consumer.name, "pending", consumer.num_pending, "delivered", delivered, "acked", floor))
        await client.close()
    return found


async def compare(stack, load):
    """What was acknowledged is there once."""
    from base64 import urlsafe_b64decode

    visits, scans = await stored(stack)
    keys = [urlsafe_b64decode(ids[0] + "=" * (-len(ids[0]) % 4))[-8:] for ids in load.visits.values()]
    assert [key for key in keys if visits.get(key) != 1] == []
    assert [scan for scan in load.scans if scans.get(scan) != 1] == []


async def outage(stack, district, gate, phones, seconds, broken, mended):
    """Scans all through an outage; (unanswered, degraded seen, seconds until recorded again after the return)."""
    unanswered, degraded = [], False
    async with GateClient(stack.address("checkpoint"), gate) as client:

        async def scan():
            nonlocal degraded
            try:
                answer = await client.scan(random.choice(phones).show(district.now()), district.now())
            except grpc.aio.AioRpcError as error:
                unanswered.append(error.code().name)
                return None
            degraded = degraded or answer.degraded
            return answer

        broken()
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await scan()
            await asyncio.sleep(0.2)
        await mended()
        back = asyncio.get_running_loop().time()
        while not ((answer := await scan()) and answer.recorded and not answer.degraded):
            assert asyncio.get_running_loop().time() - back < 30, "no recovery"
            await asyncio.sleep(0.1)
        return unanswered, degraded, asyncio.get_running_loop().time() - back


@pytest.mark.feature("C2", "X11")
@pytest.mark.timeout(600)
async def test_scans_are_answered_through_every_outage(state_dir):
    stack = await Stack.start(state_dir / "outages")
    district = District(stack, patience=30.0)
    report = []
    try:
        await district.start_policy()
        gate, phones = await scene.gate(district), await scene.people(district, 20)
        await asyncio.sleep(3)
        for name in ("postgres", "nats", "quarantine", "venue", "gateway"):
            for way in ("killed", "frozen"):
                break_it = (
                    (lambda name=name: stack.kill(name)) if way == "killed" else (lambda name=name: stack.freeze(name))
                )

                async def mend(name=name, way=way):
                    if way == "killed":
                        await stack.restart(name)
                    else:
                        stack.thaw(name)

                seconds = 20.0 if way == "frozen" else 5.0
                unanswered, degraded, recovery = await outage(stack, district, gate, phones, seconds, break_it, mend)
                report.append((name, way, unanswered, degraded, round(recovery, 2)))
        print(*report, datetime.now(UTC), sep="\n")
    finally:
        await district.close()
        await stack.stop()
    assert [entry for entry in report if entry[2]] == [], "every scan was answered"
    assert {entry[0] for entry in report if entry[3]} >= {"postgres", "nats"}, "degradation was said"
    assert [entry for entry in report if entry[4] > 5.0] == [], "recovered within five seconds"
