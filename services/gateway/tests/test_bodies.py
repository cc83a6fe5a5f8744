"""A body is waited for as a whole, so that a byte now and then does not hold a request for ever."""

import asyncio

import pytest
from gateway import bodies
from gateway.problems import HttpError

pytestmark = pytest.mark.feature("R9")


async def test_a_body_that_comes_in_crumbs_is_given_up_at_the_same_moment(monkeypatch):
    monkeypatch.setattr(bodies, "_SECONDS", 0.3)
    crumbs = 0

    async def receive():
        nonlocal crumbs
        crumbs += 1
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": b"{", "more_body": True}

    with pytest.raises(HttpError) as caught:
        async with asyncio.timeout(3):
            await bodies.read(receive, {}, 1000)
    assert (caught.value.status, caught.value.reason) == (408, "BODY_TOO_SLOW")
    assert 2 <= crumbs <= 4


async def test_a_request_that_is_cancelled_by_others_stays_cancelled_and_leaves_no_timer():
    waiting = asyncio.Event()

    async def receive():
        waiting.set()
        await asyncio.sleep(60)

    reading = asyncio.create_task(bodies.read(receive, {}, 1000))
    await waiting.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_limit_that_was_met_in_time_cancels_nobody_later(monkeypatch):
    monkeypatch.setattr(bodies, "_SECONDS", 0.05)

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    assert await bodies.read(receive, {}, 1000) == b"{}"
    await asyncio.sleep(0.1)
