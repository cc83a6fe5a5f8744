"""Order within a lane, independence between lanes."""

import asyncio

from chassis.events.lanes import Lanes, Retry


async def test_a_lane_keeps_its_order_while_a_retried_head_holds_it_back_and_others_go_on():
    log = []
    refusals = {"a1": 2}

    async def process(work):
        await asyncio.sleep(0)
        log.append(work)
        if refusals.get(work, 0):
            refusals[work] -= 1
            return Retry(0.02, own_fault=True)
        return None

    done = []
    lanes = Lanes(process, 2, done.append)
    for work in ["a1", "a2", "b1", "b2"]:
        lanes.add(work[0], work)
    await asyncio.sleep(0.01)
    assert done == ["b1", "b2"]
    assert lanes.active() == 0
    assert lanes.held() == ["a1", "a2"]
    await asyncio.sleep(0.1)
    assert done == ["b1", "b2", "a1", "a2"]
    assert [work for work in log if work[0] == "a"] == ["a1", "a1", "a1", "a2"]
    await lanes.close()


async def test_no_more_lanes_than_allowed_are_busy():
    busy = most = 0

    async def process(_):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.001)
        busy -= 1

    done = []
    lanes = Lanes(process, 3, done.append)
    for number in range(30):
        lanes.add(str(number), number)
    await asyncio.sleep(0.2)
    assert len(done) == 30
    assert most == 3
    await lanes.close()


async def test_work_held_by_an_outage_still_counts_as_active():
    async def process(_):
        return Retry(10, own_fault=False)

    lanes = Lanes(process, 1, lambda _: None)
    lanes.add("a", 1)
    await asyncio.sleep(0.01)
    assert lanes.active() == 1
    async with asyncio.timeout(1):
        await lanes.close()


async def test_closing_finishes_what_is_being_processed_and_drops_the_rest():
    done = []

    async def process(_):
        await asyncio.sleep(0.02)

    lanes = Lanes(process, 1, done.append)
    for work in (1, 2):
        lanes.add("a", work)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await lanes.close()
    assert done == [1]


async def test_an_unexpected_error_is_kept_for_the_supervisor():
    async def process(_):
        raise RuntimeError("unexpected")

    lanes = Lanes(process, 1, lambda _: None)
    lanes.add("a", 1)
    await asyncio.sleep(0.01)
    assert isinstance(lanes.failure, RuntimeError)
    await lanes.close()
