"""The load process's HTTP/2 is what a real gRPC server understands."""

import asyncio
from contextlib import closing

import grpc
import pytest
from bench.load_h2 import Driver, grpc_message, header_block
from bench.load_http import LoadError

pytestmark = pytest.mark.feature("P1")


@pytest.fixture
async def server():
    """Its port. `/s/Echo` answers what it was sent; `/s/Refuse` refuses."""
    seen = []

    async def echo(request, context):
        seen.append(dict(context.invocation_metadata()))
        return request

    async def refuse(_, context):
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")

    raw = {"request_deserializer": None, "response_serializer": None}
    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo, **raw),
        "Refuse": grpc.unary_unary_rpc_method_handler(refuse, **raw),
    }
    made = grpc.aio.server()
    made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", handlers),))
    port = made.add_insecure_port("127.0.0.1:0")
    await made.start()
    yield port, seen
    await made.stop(None)


async def drive(port, path, messages, token="Device x"):
    def work():
        with closing(Driver([port], connections=3, streams=4)) as driver:
            return driver.drive(header_block(path, token, "127.0.0.1"), iter(map(grpc_message, messages)))

    return await asyncio.to_thread(work)


@pytest.mark.connected
async def test_every_message_is_sent_once_and_its_answer_kept(server):
    port, seen = server
    messages = [f"{number:04d}".encode() * 50 for number in range(300)]
    load, answers = await drive(port, "/s/Echo", messages, "Device " + "t" * 300)
    assert (load.calls, load.succeeded) == (300, 300)
    assert sorted(answer[5:] for answer in answers) == messages
    assert {metadata["authorization"] for metadata in seen} == {"Device " + "t" * 300}


@pytest.mark.connected
async def test_messages_larger_than_a_frame_and_than_the_window_arrive_whole(server):
    port, _ = server
    messages = [bytes([number]) * 60_000 for number in range(40)]
    load, answers = await drive(port, "/s/Echo", messages)
    assert load.succeeded == 40
    assert sorted(answer[5:] for answer in answers) == messages


@pytest.mark.connected
async def test_a_refusal_is_no_success(server):
    port, _ = server
    load, answers = await drive(port, "/s/Refuse", [b"a"] * 5)
    assert (load.calls, load.succeeded, answers) == (5, 0, [b""] * 5)


@pytest.mark.connected
async def test_a_server_that_goes_away_is_an_error_and_no_figure():
    gone = asyncio.Event()

    async def hang_up(_, writer):
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with closing(await asyncio.to_thread(Driver, [port], 1, 1)) as driver:
        gone.set()
        with pytest.raises((LoadError, OSError)):
            await asyncio.to_thread(driver.drive, header_block("/s/Echo", "x", "a"), iter([grpc_message(b"a")]))
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(("size", "prefix"), [(126, b"\x7e"), (127, b"\x7f\x00"), (300, b"\x7f\xad\x01")])
def test_lengths_are_written_as_the_compression_has_them(size, prefix):
    """RFC 7541, 5.1: seven bits, then as many groups of seven as it takes."""
    assert header_block("/p", "x" * size, "a").endswith(b"\x0dauthorization" + prefix + b"x" * size)
