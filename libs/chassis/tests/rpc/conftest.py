# ruff: noqa: N802 - servicer methods are named by the contract
"""A small service with one method per kind of rule, its messages made at run time so that no contract is needed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from buf.validate import validate_pb2
from chassis.access import NOWHERE, RESOURCE, allow, current_caller, require_area
from chassis.auth import Caller, TokenVerifier
from chassis.errors import DomainError, Kind
from chassis.jwks import KeySource
from chassis.rpc.server import Server
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from joserfc import jwt
from joserfc.jwk import ECKey

SERVICE = "chassis.test.v1.RoomService"


def _messages() -> tuple[Any, Any]:
    pool = descriptor_pool.Default()
    name = "chassis_test_room.proto"
    try:
        file = pool.FindFileByName(name)
    except KeyError:
        spec = descriptor_pb2.FileDescriptorProto(
            name=name, package="chassis.test.v1", syntax="proto3", dependency=["buf/validate/validate.proto"]
        )
        ask = spec.message_type.add(name="Ask")
        text = ask.field.add(name="text", number=1, type=9, label=1)
        text.options.Extensions[validate_pb2.field].string.max_len = 40
        ask.field.add(name="area", number=2, type=9, label=1)
        many = ask.field.add(name="items", number=3, type=11, label=3, type_name=".chassis.test.v1.Ask")
        many.options.Extensions[validate_pb2.field].repeated.max_items = 2
        answer = spec.message_type.add(name="Answer")
        answer.field.add(name="text", number=1, type=9, label=1)
        pool.AddSerializedFile(spec.SerializeToString())
        file = pool.FindFileByName(name)
    types = file.message_types_by_name
    return message_factory.GetMessageClass(types["Ask"]), message_factory.GetMessageClass(types["Answer"])


Ask, Answer = _messages()


class Room:
    """Handlers whose behaviour the request's text picks."""

    def __init__(self) -> None:
        self.finished = 0
        self.entered = asyncio.Event()
        self.cleaned = False

    @allow(roles={"clerk"}, area="area")
    async def Say(self, request: Any, context: Any) -> Any:
        return Answer(text=current_caller().subject)

    @allow(roles={"clerk"}, area="items.area")
    async def SayMany(self, request: Any, context: Any) -> Any:
        return Answer(text="ok")

    @allow(roles={"clerk"}, workloads={"venue"}, area=RESOURCE)
    async def Find(self, request: Any, context: Any) -> Any:
        if request.text != "forget":
            require_area(request.area)
        return Answer(text="found")

    @allow(workloads={"venue"}, area=NOWHERE)
    async def Snapshot(self, request: Any, context: Any) -> Any:
        return Answer(text=current_caller().subject)

    @allow(roles={"clerk"}, area=NOWHERE, purpose=True)
    async def Why(self, request: Any, context: Any) -> Any:
        caller = current_caller()
        return Answer(text=f"{caller.purpose} {caller.purpose_ref}")

    @allow(devices=True, area=NOWHERE)
    async def Scan(self, request: Any, context: Any) -> Any:
        return Answer(text=current_caller().kind)

    @allow(anonymous=True, area=NOWHERE)
    async def Open(self, request: Any, context: Any) -> Any:
        verb, _, rest = request.text.partition(":")
        if verb == "refuse":
            raise DomainError(Kind(rest), "TRIED", "You tried.", fields={"text": "odd"}, metadata={"limit": "3"})
        if verb == "boom":
            raise RuntimeError("the secret of 张三")
        if verb == "raise":
            raise ERRORS[rest]
        if verb == "sleep":
            self.entered.set()
            await asyncio.sleep(float(rest))
            self.finished += 1
        return Answer(text=request.text)

    @allow(anonymous=True, area=NOWHERE)
    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            for number in range(3):
                yield Answer(text=str(number))
            if request.text == "refuse":
                raise DomainError(Kind.ABORTED, "TOO_OLD", "Start again.")
            if request.text == "stay":
                self.entered.set()
                await asyncio.sleep(60)
        finally:
            self.cleaned = True

    @allow(anonymous=True, area=NOWHERE)
    async def Collect(self, requests: Any, context: Any) -> Any:
        return Answer(text=" ".join([request.text async for request in requests]))


ERRORS: dict[str, Exception] = {}
_SHAPES: dict[str, Callable[..., Any]] = {
    "Watch": grpc.unary_stream_rpc_method_handler,
    "Collect": grpc.stream_unary_rpc_method_handler,
}
METHODS = ("Say", "SayMany", "Find", "Snapshot", "Why", "Scan", "Open", "Watch", "Collect")


def add_room(servicer: Any, server: Any) -> None:
    """What generated code does."""
    handlers = {
        name: _SHAPES.get(name, grpc.unary_unary_rpc_method_handler)(
            getattr(servicer, name), Ask.FromString, Answer.SerializeToString
        )
        for name in METHODS
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_registered_method_handlers(SERVICE, handlers)


class Stub:
    """What a generated stub is."""

    def __init__(self, channel: Any) -> None:
        options = {"request_serializer": Ask.SerializeToString, "response_deserializer": Answer.FromString}
        make = {"Watch": channel.unary_stream, "Collect": channel.stream_unary}
        for name in METHODS:
            setattr(self, name, make.get(name, channel.unary_unary)(f"/{SERVICE}/{name}", **options))


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2022, 3, 20, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


class Issuer:
    """Signs tokens and publishes its keys in a file."""

    def __init__(self, path: Path, clock: Hands) -> None:
        self.path, self.clock = path, clock
        self.key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
        self.publish(self.key)

    def publish(self, *keys: Any) -> None:
        self.path.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}))

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": "https://issuer.example",
            "aud": "lilitong",
            "sub": "acct-1",
            "iat": now,
            "exp": now + 600,
            "roles": ["clerk"],
            "areas": ["141102"],
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, key: Any = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        signer = key or self.key
        return jwt.encode(header or {"alg": "ES256", "kid": signer.kid}, self.claims(**changes), signer)

    def auth(self, **changes: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token(**changes)}"),)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def issuer(tmp_path: Path, hands: Hands) -> Issuer:
    return Issuer(tmp_path / "jwks.json", hands)


@pytest.fixture
def verifier(issuer: Issuer, hands: Hands) -> TokenVerifier:
    return TokenVerifier(KeySource(str(issuer.path)), issuer="https://issuer.example", audience="lilitong", clock=hands)


@pytest.fixture
def world() -> SimpleNamespace:
    return SimpleNamespace(
        SERVICE=SERVICE, Ask=Ask, Answer=Answer, Room=Room, Stub=Stub, add_room=add_room, errors=ERRORS, METHODS=METHODS
    )


Serve = Callable[..., Awaitable[SimpleNamespace]]


@pytest.fixture
async def serve(verifier: TokenVerifier) -> AsyncIterator[Serve]:
    """Start a server with a Room behind the guard; gives server, room, port, plain channel and stub."""

    async def device(metadata: Any) -> Caller | None:
        return Caller("device-1", kind="device") if metadata.get("authorization") == "Device good" else None

    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> SimpleNamespace:
            server = Server("127.0.0.1:0", authenticators=[device, verifier], **options)
            room = Room()
            server.add(room, add_room, SERVICE)
            port = await server.start()
            stack.push_async_callback(server.drain, 1.0)
            await server.serving(True)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
            return SimpleNamespace(server=server, room=room, port=port, channel=channel, stub=Stub(channel))

        yield start
