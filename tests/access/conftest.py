"""The catalog of endpoints, a running system of its own, and worlds for calls to be about."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio

ROOT = Path(__file__).parents[2]
# Neither is installed: one is this folder's own, the other a script.
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tools/access")]

import access_table  # noqa: E402
from access_matrix.callers import Callers  # noqa: E402
from access_matrix.doors import Door, Rest, Rpcs  # noqa: E402
from access_matrix.features import feature_of  # noqa: E402
from access_matrix.making import Maker  # noqa: E402
from devstack.stack import Stack  # noqa: E402

CATALOG = access_table.collect()


def pytest_configure(config):
    config.addinivalue_line("markers", "only_for(role): walk only the endpoints that admit the role")
    config.addinivalue_line("markers", "refuses: somebody is refused at every endpoint")


@pytest.fixture(scope="session")
def catalog():
    return CATALOG


def pytest_generate_tests(metafunc):
    """`call`: every endpoint by every door that it has, as (door's name, endpoint); marked `only_for(role)`, those of a role."""
    if "call" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only_for")
        wanted = [one for one in CATALOG.endpoints.values() if only is None or only.args[0] in one.rule.roles]
        calls = [("grpc", one) for one in wanted]
        calls += [("rest", one) for one in wanted if one.operation is not None]
        metafunc.parametrize("call", [_param(metafunc.definition, *call) for call in calls])


def _param(test, door, endpoint):
    """Counted for the endpoint's own feature too; as a wrong caller's only by tests that refuse somebody at every endpoint."""
    feature = feature_of(endpoint.path)
    marks = [pytest.mark.feature(feature)] if feature else []
    if feature and test.get_closest_marker("refuses"):
        marks.append(pytest.mark.case("wrong caller", of=feature))
    return pytest.param((door, endpoint), id=f"{door}-{endpoint.path.rpartition('.')[2]}", marks=marks)


@pytest_asyncio.fixture(scope="package", loop_scope="session", name="stack")
async def _stack(state_dir) -> AsyncIterator[Stack]:
    # All calls of a test come at once; limits of rate are tested elsewhere.
    limits = {"GATEWAY_RATE": "100000", "GATEWAY_BURST": "100000"}
    stack = await Stack.start(state_dir / "access", extra_env=limits)
    yield stack
    for name in stack.children:  # nothing of theirs is needed any more, and a drain takes seconds
        stack.kill(name)
    await stack.stop()


@pytest.fixture(scope="package")
def callers(stack) -> Callers:
    return Callers(stack.minter)


@pytest_asyncio.fixture(scope="package", loop_scope="session", name="doors")
async def _doors(stack) -> AsyncIterator[dict[str, Door]]:
    channels = {name: grpc.aio.insecure_channel(stack.address(name)) for name in access_table.SERVICES}
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=15, trust_env=False) as client:
        yield {"grpc": Rpcs(channels), "rest": Rest(client)}
    for channel in channels.values():
        await channel.close()


@pytest.fixture(scope="package")
def maker(doors, callers) -> Maker:
    return Maker(doors["grpc"], callers, CATALOG.endpoints)


@pytest_asyncio.fixture(scope="package", loop_scope="session", name="world")
async def _world(maker):
    """What calls may be about that are repeated in all roles and areas; some of it changes on the way."""
    return await maker.world()
