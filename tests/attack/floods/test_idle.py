"""Ten thousand connections that say nothing more: others are served, memory is bounded and comes back."""

import asyncio

import psutil
import pytest
from attack_tools.http2 import HELLO

pytestmark = [pytest.mark.slow, pytest.mark.feature("R9")]
MANY = 10_000
CROWDS = 2
# Seen: 17 kB for each connection of the gRPC library, 22 kB for each that the gateway has answered once; twice that is the bound.
KILOBYTES = {"checkpoint": 34, "gateway": 44}


async def held(stack, memory, ordinary, crowd_of, name, hello):
    crowd, watched = crowd_of(stack.children[name].listen, hello), memory(name)
    async with watched.watch(), ordinary.at_work() as honest:
        await crowd.gather(MANY)
        await asyncio.sleep(1)
        open_files = len(stack_process(stack, name).net_connections("tcp"))
        await crowd.leave()
        await asyncio.sleep(1.5)
    print(f"{crowd.open} connections ({crowd.refused} refused), {open_files} held by the server. {watched}")
    return crowd, watched, honest, open_files


def stack_process(stack, name):
    return psutil.Process(stack.pid(name))


@pytest.mark.parametrize(
    ("name", "hello"),
    [
        ("checkpoint", HELLO),
        ("checkpoint", b""),
        ("gateway", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("gateway", b""),
    ],
    ids=["gRPC after its greeting", "gRPC silent", "HTTP/1.1 kept alive", "HTTP/1.1 silent"],
)
async def test_ten_thousand_idle_connections_shut_nobody_out(name, hello, stack, memory, ordinary, crowd_of):
    crowd, watched, honest, open_files = await held(stack, memory, ordinary, crowd_of, name, hello)
    assert not honest.failures
    assert all(len(times) > 10 for times in honest.answers.values())
    assert crowd.open == MANY
    assert open_files > MANY
    assert watched.most - watched.before < MANY * KILOBYTES[name] / 1024
    # The allocator keeps what was freed, so memory does not come back to the system; but the next crowds live in it: all of
    # them together take no more than one is allowed.
    for _ in range(CROWDS - 1):
        again, later, honest, _ = await held(stack, memory, ordinary, crowd_of, name, hello)
        assert not honest.failures
        assert again.open == MANY
        assert later.most - watched.before < MANY * KILOBYTES[name] / 1024
