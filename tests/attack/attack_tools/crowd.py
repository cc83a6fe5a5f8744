"""A crowd of connections held open by a process of its own, so that the test's own limit of open files is not the bound.

python crowd.py PORT COUNT HELLO_HEX SECONDS: opens COUNT connections to 127.0.0.1:PORT, says HELLO on each, prints how many are
open as JSON, holds them until a line comes on standard input or SECONDS are over, then prints how many the peer has closed.
"""

import asyncio
import json
import resource
import sys
from contextlib import suppress

AT_ONCE = 100
KEPT_FREE = 64


async def crowd(port: int, count: int, hello: bytes, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    pairs: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    refused = 0
    async with asyncio.timeout(seconds):
        while len(pairs) + refused < count:
            wanted = min(AT_ONCE, count - len(pairs) - refused)
            opening = (
                asyncio.wait_for(asyncio.open_connection("127.0.0.1", port, limit=2048), 10) for _ in range(wanted)
            )
            for made in await asyncio.gather(*opening, return_exceptions=True):
                if isinstance(made, BaseException):
                    refused += 1
                else:
                    made[1].write(hello)
                    pairs.append(made)
    print(json.dumps({"open": len(pairs), "refused": refused}), flush=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await loop.run_in_executor(None, sys.stdin.readline)
    closed = sum(reader.at_eof() for reader, _ in pairs)
    print(json.dumps({"closed": closed}), flush=True)
    for _, writer in pairs:
        writer.transport.abort()


if __name__ == "__main__":
    port, count, hello, seconds = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(crowd(int(port), min(int(count), hard - KEPT_FREE), bytes.fromhex(hello), float(seconds)))
