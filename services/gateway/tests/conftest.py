"""A gateway without sockets in front of services that only remember what they were asked."""

import copy
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from chassis.clock import ManualClock
from chassis.rpc import outgoing
from devstack.tokens import AUDIENCE, DISTRICT, ISSUER, Minter
from gateway import codec
from gateway.app import Gateway, assemble
from gateway.documentation.examples import example
from gateway.operations import Rpc
from gateway.settings import GatewaySettings
from google.protobuf.message_factory import GetMessageClass

KEY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


@dataclass
class Asked:
    """One call that reached a service."""

    rpc: Rpc
    request: Any
    timeout: float
    incoming: outgoing.Incoming
    metadata: dict[str, Any]


@dataclass
class Peers:
    """Stands for the three services: answers with `answers[RPC]` (a message, an exception or a function), or with the
    documentation's example of the answer."""

    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    healthy: dict[str, bool] = field(default_factory=lambda: {"quarantine": True, "venue": True, "checkpoint": True})

    def call(self, rpc: Rpc) -> Callable[..., Any]:
        async def called(request: Any, *, timeout: float, metadata: Any = ()) -> Any:  # noqa: ASYNC109 - gRPC's own
            asked = Asked(rpc, copy.deepcopy(request), timeout, outgoing.current(), dict(metadata or ()))
            self.asked.append(asked)
            answer = self.answers.get(rpc.descriptor.name)
            if callable(answer) and not isinstance(answer, type):
                answer = answer(request)
                if inspect.isawaitable(answer):
                    answer = await answer
            if isinstance(answer, Exception):
                raise answer
            return sample(rpc) if answer is None else answer

        return called

    async def health(self) -> dict[str, bool]:
        return dict(self.healthy)

    async def close(self) -> None: ...

    @property
    def last(self) -> Asked:
        return self.asked[-1]


def sample(rpc: Rpc) -> Any:
    """The documentation's example of an RPC's answer."""
    reply = GetMessageClass(rpc.gives)()
    codec.decode(example(rpc.gives), reply)
    return reply


@dataclass
class Door:
    """The gateway under test and the people who use it."""

    gateway: Gateway
    peers: Peers
    minter: Minter
    clock: ManualClock
    client: httpx.AsyncClient
    tokens: dict[Any, str] = field(default_factory=dict)

    def token(self, *roles: str, subject: str = "person-1", areas: tuple[str, ...] = (DISTRICT,)) -> str:
        """The same token for the same person, as an app keeps one."""
        who = (subject, roles, areas)
        if who not in self.tokens:
            self.tokens[who] = self.minter.person(subject, roles, areas, now=self.clock.now().timestamp())
        return self.tokens[who]

    def headers(self, *roles: str, purpose: bool = False, key: str | None = KEY, **who: Any) -> dict[str, str]:
        found = {"Authorization": f"Bearer {self.token(*roles, **who)}"}
        if key is not None:
            found["Idempotency-Key"] = key
        if purpose:
            found |= {"X-Purpose": "tracing", "X-Purpose-Ref": "case-1"}
        return found


def settings(minter: Minter, **changes: Any) -> GatewaySettings:
    given = {
        "environment": "devstack",
        "listen": "127.0.0.1:0",
        "jwks": str(minter.jwks),
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "quarantine_target": "127.0.0.1:1",
        "venue_target": "127.0.0.1:1",
        "checkpoint_target": "127.0.0.1:1",
        "rate": 1e6,
        "burst": 1_000_000,
        "access_log": False,
    }
    return GatewaySettings(**(given | changes))


@pytest.fixture
def minter(tmp_path: Path) -> Minter:
    return Minter(tmp_path / "tokens")


MakeDoor = Callable[..., Door]


@pytest.fixture
async def make_door(minter: Minter, clock: ManualClock) -> AsyncIterator[MakeDoor]:
    """`make_door(burst=2)` → a gateway with these settings and a client of it."""
    clients: list[httpx.AsyncClient] = []

    def make(**changes: Any) -> Door:
        peers = Peers()
        gateway = assemble(settings(minter, **changes), clock, peers)  # type: ignore[arg-type]
        transport = httpx.ASGITransport(app=gateway.front)
        client = httpx.AsyncClient(transport=transport, base_url="http://gateway")
        clients.append(client)
        return Door(gateway, peers, minter, clock, client)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def door(make_door: MakeDoor) -> Door:
    return make_door()


@pytest.fixture
def make_settings(minter: Minter) -> Callable[..., GatewaySettings]:
    """`make_settings(venue_target=…)` → settings of a gateway that trusts this test's tokens."""
    return lambda **changes: settings(minter, **changes)
