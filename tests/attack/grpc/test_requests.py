"""Requests that are no messages, to every RPC, as somebody who may call it: a clear refusal, nothing stored, nothing broken."""

import asyncio
from collections import Counter

import access_table
import grpc
import pytest
from access_matrix.callers import PURPOSE, bearer
from access_matrix.features import feature_of
from access_matrix.samples import request_for
from access_matrix.world import HOME
from attack_tools.bytes import BROKEN, bad_submessage, bad_utf8, flips
from attack_tools.stage import quoted, refusal
from chassis.errors import DomainError
from chassis.rpc.validation import validate

pytestmark = [pytest.mark.slow, pytest.mark.feature("R9")]

ENDPOINTS = access_table.collect().endpoints
SEED = 714
FLIPS = 24
OURS = {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}
MESSAGE_LIMIT = 4 * 1024 * 1024
print(f"seed of the flipped bits: {SEED}")


def short(path):
    return path.rpartition(".")[2]


def named(paths, *cases):
    """Each path, counted for the feature of its endpoint, and for these cases of it."""

    def marks(path):
        feature = feature_of(path)
        if feature is None:
            return []
        return [pytest.mark.feature(feature), *(pytest.mark.case(case, of=feature) for case in cases)]

    return pytest.mark.parametrize("path", [pytest.param(path, id=short(path), marks=marks(path)) for path in paths])


ALL = named(ENDPOINTS)
REFUSED = named(ENDPOINTS, "bad input")
# A stream lives as long as its reader, without a deadline.
CALLS = [path for path, endpoint in ENDPOINTS.items() if not endpoint.method.server_streaming]


def caller(stage, endpoint):
    """Somebody whom the rule admits."""
    if endpoint.rule.devices:
        return stage.device()
    if not endpoint.rule.roles:
        return stage.callers.workload(min(endpoint.rule.workloads))
    role = min(endpoint.rule.roles)
    return stage.callers.person(role, [HOME], subject=stage.world.subject(role)) | PURPOSE


def good(stage, endpoint):
    role = next(iter(sorted(endpoint.rule.roles)), "")
    return request_for(endpoint.request, stage.world, role).SerializeToString()


@REFUSED
async def test_what_does_not_decode_is_invalid(path, stage):
    endpoint = stage.endpoints[path]
    sent = {name: make(good(stage, endpoint), endpoint.method.input_type) for name, make in BROKEN.items()}
    who = caller(stage, endpoint)
    outcomes = await asyncio.gather(*(stage.send(path, data, who) for data in sent.values()))
    wrong = {
        name: str(outcome)
        for (name, data), outcome in zip(sent.items(), outcomes, strict=True)
        if (outcome.code, outcome.reason) != ("INVALID_ARGUMENT", "INVALID_REQUEST") or quoted(data, outcome.said)
    }
    assert not wrong
    assert not await stage.grown()


@ALL
async def test_text_that_is_not_utf8_and_a_message_cut_short_within_are_invalid(path, stage):
    endpoint = stage.endpoints[path]
    made = [bad_utf8(endpoint.method.input_type), bad_submessage(endpoint.method.input_type)]
    for data in filter(None, made):
        outcome = await stage.send(path, good(stage, endpoint) + data, caller(stage, endpoint))
        assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert quoted(data, outcome.said, size=4) is None
    assert not await stage.grown()


def nothing_required(endpoint):
    try:
        validate(endpoint.request())
    except DomainError:
        return False
    return True


@ALL
async def test_an_empty_request_is_invalid_unless_nothing_is_required(path, stage):
    """Where the contract asks for nothing, there may still be nothing that it is about."""
    endpoint = stage.endpoints[path]
    outcome = await stage.send(path, b"", caller(stage, endpoint))
    if nothing_required(endpoint):
        assert outcome.code == "OK" or (outcome.code == "NOT_FOUND" and outcome.reason)
    else:
        assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert not await stage.grown()


@ALL
async def test_unknown_fields_change_nothing(path, stage):
    """They alone are as good as nothing; beside known ones they are passed over, as the format has it."""
    endpoint = stage.endpoints[path]
    unknown = b"".join((BYTES + bytes((number & 127,))) for number in range(16))
    outcome = await stage.send(path, unknown, caller(stage, endpoint))
    empty = await stage.send(path, b"", caller(stage, endpoint))
    assert (outcome.code, outcome.reason) == (empty.code, empty.reason)
    assert not await stage.grown()


BYTES = b"\xc0\x3e"  # field 1000, a number


@REFUSED
async def test_a_message_beyond_the_bound_is_refused_unread(path, stage):
    endpoint = stage.endpoints[path]
    data = good(stage, endpoint) + b"\xc2\x3e" + b"\x80\x80\x80\x02" + bytes(MESSAGE_LIMIT)
    outcome = await stage.send(path, data, caller(stage, endpoint))
    assert outcome.code == "RESOURCE_EXHAUSTED"
    assert not await stage.grown()


@named(CALLS, "bad input")
async def test_no_deadline_no_answer(path, stage):
    endpoint = stage.endpoints[path]
    call = stage.channels[endpoint.service].unary_unary(path)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(good(stage, endpoint), metadata=tuple(caller(stage, endpoint).items()))
    outcome = refusal(caught.value)
    assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", "DEADLINE_REQUIRED")
    assert not await stage.grown()


@ALL
async def test_an_absurd_deadline_breaks_nothing(path, stage):
    endpoint = stage.endpoints[path]
    metadata = tuple(caller(stage, endpoint).items())
    channel = stage.channels[endpoint.service]
    codes = set()
    for seconds in (0.0, 1e-9, 1e7):
        try:
            await channel.unary_unary(path)(b"\xff", timeout=seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            codes.add(error.code().name)
    assert codes <= {"INVALID_ARGUMENT", "DEADLINE_EXCEEDED"}
    assert not await stage.grown()


async def test_who_may_not_call_is_told_so_before_anything_is_read(stage):
    for path, endpoint in stage.endpoints.items():
        outcome = await stage.send(path, b"\xff", bearer(stage.callers._minter.person("nobody", [])))
        assert outcome.code == "PERMISSION_DENIED", path
        outcome = await stage.send(path, b"\xff")
        assert (outcome.code, outcome.reason) == ("UNAUTHENTICATED", "CREDENTIALS_REQUIRED"), endpoint.path
    assert not await stage.grown()


@ALL
async def test_flipped_bits_never_break_anything(path, stage):
    """What is still a message may well be carried out; whatever comes of it, it is no failure of ours, and it is told with a reason."""
    endpoint = stage.endpoints[path]
    who, codes = caller(stage, endpoint), Counter()
    sent = flips(good(stage, endpoint), SEED, FLIPS)
    for at in range(0, len(sent), 8):
        part = sent[at : at + 8]
        for data, outcome in zip(
            part, await asyncio.gather(*(stage.send(path, one, who) for one in part)), strict=True
        ):
            codes[outcome.code] += 1
            assert outcome.code == "OK" or outcome.reason, f"{data.hex()}: {outcome}"
            assert outcome.code not in OURS - {"UNAVAILABLE"}, f"{data.hex()}: {outcome}"
            assert outcome.code != "UNAVAILABLE" or outcome.reason.endswith(("_KNOWN", "TRY_AGAIN")), (
                f"{data.hex()}: {outcome}"
            )
    assert sum(codes.values()) == len(sent)


async def test_after_all_of_it_the_services_are_the_same_processes_and_at_rest(stage):
    pids = {name: child.pid for name, child in stage.stack.children.items()}
    assert all(stage.stack.pid(name) == pid for name, pid in pids.items())
    for name in access_table.SERVICES:
        text = stage.stack.log(name).read_text()
        assert "rpc_failed" not in text, f"{name}: {text[text.index('rpc_failed') - 300 :][:1500]}"
    await stage.at_rest()
