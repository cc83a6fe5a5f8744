"""Bytes that are not the message that a method takes are refused like any other bad request, in the right order."""

import grpc
import pytest
from chassis.errors import Kind
from chassis.rpc.status import from_rpc_error

pytestmark = pytest.mark.feature("R9")
CORRUPT = {"wire format": b"\xff\xff\xff", "cut short": b"\x0a\x28secret", "not UTF-8": b"\x0a\x07\xffsecret"}


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert "secret" not in repr(caught.value)
    return from_rpc_error(caught.value)


@pytest.mark.parametrize("data", CORRUPT.values(), ids=CORRUPT)
async def test_a_unary_call_that_does_not_decode_is_refused_as_invalid(serve, world, data):
    running = await serve()
    error = await refusal(running.channel.unary_unary(f"/{world.SERVICE}/Open")(data, timeout=5))
    assert (error.kind, error.reason) == (Kind.INVALID, "INVALID_REQUEST")


async def test_a_server_stream_that_does_not_decode_is_refused_as_invalid(serve, world):
    running = await serve()
    error = await refusal(running.channel.unary_stream(f"/{world.SERVICE}/Watch")(b"\xff", timeout=5).read())
    assert (error.kind, error.reason) == (Kind.INVALID, "INVALID_REQUEST")


async def test_a_client_stream_ends_at_the_first_message_that_does_not_decode(serve, world):
    running = await serve()
    messages = iter([world.Ask(text="first").SerializeToString(), b"\xff", b""])
    error = await refusal(running.channel.stream_unary(f"/{world.SERVICE}/Collect")(messages, timeout=5))
    assert (error.kind, error.reason) == (Kind.INVALID, "INVALID_REQUEST")


async def test_who_asks_is_looked_at_before_what_is_asked(serve, world):
    running = await serve()
    error = await refusal(running.channel.unary_unary(f"/{world.SERVICE}/Say")(b"\xff", timeout=5))
    assert (error.kind, error.reason) == (Kind.UNAUTHENTICATED, "CREDENTIALS_REQUIRED")


@pytest.mark.parametrize(
    "method", ["grpc.health.v1.Health/Check", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
)
async def test_health_and_reflection_refuse_it_too(serve, method):
    running = await serve()
    call = running.channel.stream_stream(f"/{method}")(iter([b"\x0a\x02\xff\xff"]), timeout=5)
    error = await refusal(call.read())
    assert (error.kind, error.reason) == (Kind.INVALID, "INVALID_REQUEST")
