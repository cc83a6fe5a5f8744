import asyncpg
import grpc
import pytest
import structlog
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.rpc.stats import RPC
from chassis.rpc.status import CODES, from_rpc_error, to_proto
from grpc._cython import cygrpc


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.INTERNAL])
async def test_every_kind_survives_the_wire_with_reason_text_fields_and_metadata(serve, world, kind):
    running = await serve()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Open(world.Ask(text=f"refuse:{kind.value}"), timeout=5)
    assert caught.value.code() is CODES[kind]
    assert caught.value.details() == "You tried."
    error = from_rpc_error(caught.value)
    assert (kind, "TRIED", "You tried.") == (error.kind, error.reason, error.message)
    assert dict(error.fields) == {"text": "odd"}
    assert dict(error.metadata) == {"limit": "3"}


async def test_an_unknown_exception_leaks_nothing_but_an_id_that_is_in_the_log(serve, world):
    running = await serve()
    with structlog.testing.capture_logs() as logs, pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Open(world.Ask(text="boom"), timeout=5)
    error = from_rpc_error(caught.value)
    assert (error.kind, error.reason) == (Kind.INTERNAL, "INTERNAL")
    assert "张三" not in repr(caught.value)
    assert [error.metadata["error_id"]] == [line["error_id"] for line in logs if line["event"] == "rpc_failed"]


async def test_a_caller_who_is_gone_is_no_failure_of_ours(serve, world):
    """A crowd of them would else fill the log with errors that nobody can mend."""
    running = await serve()
    world.errors["it"] = cygrpc.ExecuteBatchError("Failed to execute batch")
    with structlog.testing.capture_logs() as logs, pytest.raises(grpc.aio.AioRpcError):
        await running.stub.Open(world.Ask(text="raise:it"), timeout=5)
    assert [line for line in logs if line["log_level"] in {"error", "warning"}] == []
    assert next(stats for name, stats in RPC.methods.items() if name.endswith("/Open")).codes["CANCELLED"] >= 1


@pytest.mark.parametrize(
    ("raised", "kind", "reason"),
    [
        (asyncpg.DeadlockDetectedError("x"), Kind.ABORTED, "STORE_CONFLICT"),
        (asyncpg.SerializationError("x"), Kind.ABORTED, "STORE_CONFLICT"),
        (asyncpg.QueryCanceledError("x"), Kind.UNAVAILABLE, "STORE_BUSY"),
        (asyncpg.ConnectionDoesNotExistError("x"), Kind.UNAVAILABLE, "STORE_UNAVAILABLE"),
        (asyncpg.AdminShutdownError("x"), Kind.UNAVAILABLE, "STORE_UNAVAILABLE"),
        (ConnectionRefusedError("x"), Kind.UNAVAILABLE, "STORE_UNAVAILABLE"),
        (asyncpg.InternalClientError("x"), Kind.UNAVAILABLE, "STORE_UNAVAILABLE"),
        (asyncpg.CharacterNotInRepertoireError("x"), Kind.INVALID, "INVALID_REQUEST"),
    ],
)
async def test_a_store_that_cannot_is_answered_by_what_the_caller_should_do(serve, world, raised, kind, reason):
    running = await serve()
    world.errors["it"] = raised
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Open(world.Ask(text="raise:it"), timeout=5)
    error = from_rpc_error(caught.value)
    assert (kind, reason) == (error.kind, error.reason)


async def test_a_request_that_breaks_its_contract_names_each_field(serve, world):
    running = await serve()
    bad = world.Ask(items=[world.Ask(), world.Ask(text="x" * 41), world.Ask()])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Open(bad, timeout=5)
    error = from_rpc_error(caught.value)
    assert (error.kind, error.reason) == (Kind.INVALID, "INVALID_REQUEST")
    assert {"items", "items[1].text"} == set(error.fields)


async def test_messages_of_a_request_stream_are_validated(serve, world):
    running = await serve()

    async def asks():
        yield world.Ask(text="a")
        yield world.Ask(text="x" * 41)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Collect(asks(), timeout=5)
    assert from_rpc_error(caught.value).reason == "INVALID_REQUEST"


async def test_a_refused_connection_becomes_unavailable_without_naming_the_host(world):
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.Stub(channel).Open(world.Ask(), timeout=2)
    error = from_rpc_error(caught.value)
    assert (error.kind, error.reason) == (Kind.UNAVAILABLE, "PEER_UNAVAILABLE")
    assert "127.0.0.1" not in error.message


def test_error_info_is_always_there_and_fields_only_when_given():
    plain = to_proto(DomainError(Kind.NOT_FOUND, "VENUE_NOT_FOUND", "No such venue."))
    assert [detail.type_url for detail in plain.details] == ["type.googleapis.com/google.rpc.ErrorInfo"]


@pytest.mark.parametrize("reason", ["", "lower", "TRAILING_", "WITH SPACE", "9START"])
def test_a_malformed_reason_is_refused_where_it_is_written(reason):
    with pytest.raises(ValueError, match="UPPER_SNAKE"):
        DomainError(Kind.INVALID, reason, "…")


def _violation(name):
    error = asyncpg.UniqueViolationError("duplicate key value: Key (name)=(张三)")
    error.constraint_name = name
    return error


def test_a_broken_constraint_becomes_its_domain_error_and_keeps_the_row_to_itself():
    mapping = {"venues_name_key": lambda: DomainError(Kind.EXISTS, "VENUE_EXISTS", "There is one already.")}
    with pytest.raises(DomainError) as caught, constraint_errors(mapping):
        raise _violation("venues_name_key")
    assert caught.value.reason == "VENUE_EXISTS"
    assert caught.value.__suppress_context__


def test_a_constraint_without_a_meaning_stays_what_it_is():
    with pytest.raises(asyncpg.UniqueViolationError), constraint_errors({}):
        raise _violation("other")
