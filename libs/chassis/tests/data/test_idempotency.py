import asyncio
from datetime import date
from uuid import uuid4

import asyncpg
import pytest
from chassis import idempotency
from chassis.errors import DomainError, Kind
from google.protobuf.wrappers_pb2 import StringValue

pytestmark = pytest.mark.connected
TODAY = date(2022, 3, 10)


async def call(pool, request_id, text, effects, fail=False):
    request = StringValue(value=text)
    async with pool.acquire() as connection, connection.transaction():
        if (known := await idempotency.replay(connection, request_id, "Test", request)) is not None:
            return StringValue.FromString(known).value
        await asyncio.sleep(0.02)
        effects.append(text)
        answer = StringValue(value=f"{text}-{len(effects)}")
        await idempotency.remember(connection, request_id, "Test", request, answer, TODAY)
        if fail:
            raise RuntimeError("crash before the commit")
        return answer.value


async def test_a_repeat_gets_the_first_answer(pool):
    effects, request_id = [], str(uuid4())
    first = await call(pool, request_id, "a", effects)
    assert await call(pool, request_id, "a", effects) == first
    assert effects == ["a"]


async def test_other_content_under_the_same_id_is_refused(pool):
    effects, request_id = [], str(uuid4())
    await call(pool, request_id, "a", effects)
    with pytest.raises(DomainError) as refused:
        await call(pool, request_id, "b", effects)
    assert refused.value.kind is Kind.MISMATCH
    assert effects == ["a"]


async def test_identical_calls_at_once_have_one_effect_and_one_answer(pool):
    effects, request_id = [], str(uuid4())
    answers = await asyncio.gather(*(call(pool, request_id, "a", effects) for _ in range(8)))
    assert len(set(answers)) == 1
    assert effects == ["a"]


async def test_a_crash_before_the_commit_leaves_the_id_free(pool):
    effects, request_id = [], str(uuid4())
    with pytest.raises(RuntimeError):
        await call(pool, request_id, "a", effects, fail=True)
    assert await call(pool, request_id, "a", effects) == "a-2"


async def test_an_answer_cannot_be_altered_by_the_service(pool):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("UPDATE requests SET response = ''")


async def test_one_id_written_in_two_ways_is_one_id(pool):
    effects, request_id = [], str(uuid4())
    ways = (request_id, request_id.upper(), f"{{{request_id}}}", request_id.replace("-", ""))
    answers = await asyncio.gather(*(call(pool, way, "a", effects) for way in ways))
    assert len(set(answers)) == 1
    assert effects == ["a"]


async def test_an_id_that_is_no_uuid_is_refused(pool):
    with pytest.raises(DomainError) as refused:
        await call(pool, "12", "a", [])
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "REQUEST_ID_INVALID")


async def test_a_connection_lost_before_the_commit_frees_the_id_for_the_one_who_waits(database, pool):
    effects, request_id = [], str(uuid4())
    held, transaction = await pool.acquire(), None
    transaction = held.transaction()
    await transaction.start()
    await idempotency.replay(held, request_id, "Test", StringValue(value="a"))
    waiting = asyncio.create_task(call(pool, request_id, "a", effects))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    held.terminate()
    assert await asyncio.wait_for(waiting, 5) == "a-1"
    await pool.release(held)


async def test_answers_are_forgotten_by_the_day_they_were_recorded(pool):
    effects, request_id = [], str(uuid4())
    await call(pool, request_id, "a", effects)
    await idempotency.purge(pool, TODAY)
    assert await call(pool, request_id, "a", effects) == "a-1"
    await idempotency.purge(pool, date(2022, 3, 11))
    assert await call(pool, request_id, "a", effects) == "a-2"
