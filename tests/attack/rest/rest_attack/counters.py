"""The services' own counters of the RPCs that they served, read from their metrics ports."""

import re
from collections import Counter

import access_table
import httpx
from devstack.stack import Stack
from gateway.routes import OPERATIONS

_LINE = re.compile(r'lilitong_rpc_total\{code="(\w+)",method="([^"]+)"\} ([0-9.e+]+)')
_METHODS = {one.rpc.path for one in OPERATIONS}
# Said before domain code, and by it: a caller without rights, or one who may not approve twice.
DOUBTFUL = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})


async def served(stack: Stack) -> Counter[str]:
    """gRPC status → calls answered so far, of the methods that have a route."""
    found: Counter[str] = Counter()
    async with httpx.AsyncClient(trust_env=False) as client:
        for service in access_table.SERVICES:
            page = await client.get(f"http://127.0.0.1:{stack.children[service].metrics}/metrics")
            for code, method, count in _LINE.findall(page.text):
                if method in _METHODS:
                    found[code] += int(float(count))
    return found


def inside(served: Counter[str]) -> int:
    """How many of them were let in for sure."""
    return sum(count for code, count in served.items() if code not in DOUBTFUL)
