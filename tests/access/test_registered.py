"""What the running processes really serve is what the table lists: found by reflection and from the API description."""

import access_table
import grpc
import httpx
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

pytestmark = [
    pytest.mark.connected,
    pytest.mark.feature("X2"),
    pytest.mark.asyncio(loop_scope="session"),
]


async def reflected(address: str) -> set[str]:
    """Every `/package.Service/Method` that a server says it has; services that are open to all by their name alone."""
    async with grpc.aio.insecure_channel(address) as channel:
        ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo

        async def one(**question):
            request = reflection_pb2.ServerReflectionRequest(**question)
            (answer,) = [answer async for answer in ask(iter([request]), timeout=10)]
            return answer

        listed = await one(list_services="")
        found: set[str] = set()
        for service in listed.list_services_response.service:
            if f"/{service.name}" in access_table.OPEN:
                found.add(f"/{service.name}")
                continue
            files = (await one(file_containing_symbol=service.name)).file_descriptor_response.file_descriptor_proto
            for file in map(FileDescriptorProto.FromString, files):
                for each in file.service:
                    if f"{file.package}.{each.name}" == service.name:
                        found |= {f"/{service.name}/{method.name}" for method in each.method}
        return found


@pytest.mark.parametrize("service", access_table.SERVICES)
async def test_a_server_has_the_methods_of_the_table_and_no_other(service, stack, catalog):
    listed = {path for path, one in catalog.endpoints.items() if one.service == service}
    others = tuple(f"/lilitong.{each}." for each in access_table.SERVICES if each != service)
    open_to_all = {name for name in access_table.OPEN if name.startswith("/") and not name.startswith(others)}
    assert listed | open_to_all == await reflected(stack.address(service))


async def test_the_gateway_has_the_routes_of_the_table_and_no_other(stack, catalog, world):
    async with httpx.AsyncClient(base_url=stack.gateway_url, trust_env=False) as client:
        described = (await client.get("/openapi.json")).json()
        open_to_all = {name for name in access_table.OPEN if " " in name}
        for name in open_to_all:
            path = name.partition(" ")[2].format(verification_id="unknown", draw_id=world.ended_draw_id)
            assert (await client.get(path)).status_code == 200, name
    verbs = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
    found = {f"{verb.upper()} {path}" for path, item in described["paths"].items() for verb in item if verb in verbs}
    routes = [one.operation for one in catalog.endpoints.values() if one.operation is not None]
    assert {f"{one.verb} {one.path}" for one in routes} == found - open_to_all


async def test_health_and_reflection_tell_strangers_nothing_else(stack):
    """What is open to all is open by name; a stranger's token does not matter there either."""
    for service in access_table.SERVICES:
        async with grpc.aio.insecure_channel(stack.address(service)) as channel:
            unknown = channel.unary_unary("/lilitong.unknown.v1.Service/Method")
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await unknown(b"", timeout=5)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
