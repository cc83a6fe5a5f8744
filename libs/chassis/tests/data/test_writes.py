"""A write is authorised first, then answered as before or done, in one transaction."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from chassis import writes
from chassis.clock import ManualClock
from chassis.errors import DomainError, Kind
from google.protobuf.wrappers_pb2 import StringValue

pytestmark = pytest.mark.connected


class Request(SimpleNamespace):
    """What a write needs of a message: an id, and bytes that say what is asked."""

    def SerializeToString(self, deterministic=True):  # noqa: N802 - protobuf's name
        return self.text.encode()


@pytest.fixture
def write(pool):
    runner = writes.Writes(pool, ManualClock(datetime(2022, 3, 10, 4, tzinfo=UTC)))
    done = []

    async def once(request, *, fail=False, may=True):
        async def act(_):
            done.append(request.text)
            if fail:
                raise ConnectionResetError
            return StringValue(value=f"{request.text}-{len(done)}")

        async def authorise(_):
            if not may:
                raise DomainError(Kind.DENIED, "NOT_YOURS", "no")

        return (await runner.once("Test", request, StringValue, act, authorise=authorise)).value

    once.done = done
    return once


async def test_a_repeat_is_answered_as_before_and_two_at_once_act_once(write):
    request = Request(request_id=str(uuid4()), text="a")
    answers = await asyncio.gather(*(write(request) for _ in range(4)))
    assert set(answers) == {"a-1"}
    assert write.done == ["a"]


async def test_an_answer_is_not_read_by_another_who_may_not(write):
    request = Request(request_id=str(uuid4()), text="a")
    await write(request)
    with pytest.raises(DomainError) as refused:
        await write(request, may=False)
    assert refused.value.reason == "NOT_YOURS"


async def test_what_failed_is_tried_again_and_other_content_is_refused(write):
    request = Request(request_id=str(uuid4()), text="a")
    with pytest.raises(ConnectionResetError):
        await write(request, fail=True)
    assert await write(request) == "a-2"
    with pytest.raises(DomainError) as refused:
        await write(Request(request_id=request.request_id, text="b"))
    assert refused.value.kind is Kind.MISMATCH
