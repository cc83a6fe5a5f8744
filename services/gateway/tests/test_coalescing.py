"""Joining check-ins: few calls, nobody's answer is somebody else's, a poison item harms itself alone."""

import asyncio

import pytest
from chassis.errors import DomainError, Kind
from gateway.coalescing import Coalescer

pytestmark = pytest.mark.feature("V4")


class Venue:
    """Answers a batch after `open`; remembers who asked and how many at once."""

    def __init__(self):
        self.batches = []
        self.open = asyncio.Event()
        self.open.set()
        self.under_way = self.most = 0
        self.poison = set()
        self.error = None

    async def __call__(self, authorization, items):
        self.batches.append((authorization, [item.request for item in items]))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.open.wait()
            await asyncio.sleep(0)
            if self.error is not None:
                raise self.error
            if self.poison & {item.request for item in items}:
                raise DomainError(Kind.INVALID, "INVALID_REQUEST", "Poison.")
            return [f"{authorization}:{item.request}" for item in items]
        finally:
            self.under_way -= 1


@pytest.fixture
def venue():
    return Venue()


async def outcomes(*waiting):
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_lone_check_in_waits_for_nobody(venue):
    assert await Coalescer(venue).submit("a", 1) == "a:1"
    assert venue.batches == [("a", [1])]


async def test_many_at_once_become_few_calls_and_each_gets_its_own_answer(venue):
    joined = Coalescer(venue, in_flight=2, largest=500)
    venue.open.clear()
    first = asyncio.create_task(joined.submit("a", 0))
    await asyncio.sleep(0.01)
    rest = [asyncio.create_task(joined.submit("a", number)) for number in range(1, 1200)]
    await asyncio.sleep(0.01)
    venue.open.set()
    assert await outcomes(first, *rest) == [f"a:{number}" for number in range(1200)]
    assert len(venue.batches) <= 4
    assert max(len(items) for _, items in venue.batches) == 500
    assert venue.most <= 2


async def test_callers_are_never_mixed(venue):
    joined = Coalescer(venue)
    found = await outcomes(*(joined.submit(f"caller-{number % 7}", number) for number in range(700)))
    assert found == [f"caller-{number % 7}:{number}" for number in range(700)]
    for authorization, items in venue.batches:
        assert {f"caller-{number % 7}" for number in items} == {authorization}


async def test_one_poison_item_fails_alone_within_few_calls(venue):
    joined = Coalescer(venue, in_flight=1)
    venue.poison = {137}
    found = await outcomes(*(joined.submit("a", number) for number in range(500)))
    assert [number for number, each in enumerate(found) if isinstance(each, DomainError)] == [137]
    assert found[136] == "a:136"
    assert len(venue.batches) <= 20


async def test_a_service_that_refuses_everything_is_not_asked_once_per_item(venue):
    joined = Coalescer(venue, in_flight=1)
    venue.error = DomainError(Kind.INTERNAL, "INTERNAL", "Broken.")
    found = await outcomes(*(joined.submit("a", number) for number in range(500)))
    assert all(isinstance(each, DomainError) for each in found)
    assert len(venue.batches) <= 20


async def test_an_outage_is_told_to_all_that_wait_and_the_next_are_tried_afresh(venue):
    joined = Coalescer(venue, in_flight=1)
    venue.error = DomainError(Kind.UNAVAILABLE, "PEER_UNAVAILABLE", "Away.")
    found = await outcomes(*(joined.submit("a", number) for number in range(50)))
    assert {each.reason for each in found} == {"PEER_UNAVAILABLE"}
    assert len(venue.batches) == 1
    venue.error = None
    assert await joined.submit("a", 7) == "a:7"


async def test_an_unforeseen_failure_reaches_every_waiting_request(venue):
    venue.error = RuntimeError("boom")
    found = await outcomes(*(Coalescer(venue).submit("a", number) for number in range(3)))
    assert [type(each) for each in found] == [RuntimeError] * 3


async def test_a_client_that_goes_away_takes_nothing_from_the_others_and_is_not_sent_if_it_still_waited(venue):
    joined = Coalescer(venue, in_flight=1)
    venue.open.clear()
    tasks = [asyncio.create_task(joined.submit("a", number)) for number in range(2)]
    await asyncio.sleep(0.01)
    tasks += [asyncio.create_task(joined.submit("a", number)) for number in range(2, 5)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    tasks[3].cancel()
    await asyncio.sleep(0)
    venue.open.set()
    found = await outcomes(*tasks)
    assert [each if isinstance(each, str) else type(each) for each in found] == [
        asyncio.CancelledError,
        "a:1",
        "a:2",
        asyncio.CancelledError,
        "a:4",
    ]
    assert venue.batches == [("a", [0, 1]), ("a", [2, 4])]


async def test_what_has_waited_too_long_is_given_up_and_not_sent(venue):
    now = [0.0]
    joined = Coalescer(venue, in_flight=1, patience=5.0, monotonic=lambda: now[0])
    venue.open.clear()
    first = asyncio.create_task(joined.submit("a", 1))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(joined.submit("a", 2))
    await asyncio.sleep(0.01)
    now[0] = 5.0
    venue.open.set()
    found = await outcomes(first, second)
    assert found[0] == "a:1"
    assert found[1].reason == "DEADLINE_EXCEEDED"
    assert venue.batches == [("a", [1])]


async def test_more_than_can_wait_are_refused_at_once(venue):
    joined = Coalescer(venue, in_flight=1, capacity=3)
    venue.open.clear()
    first = asyncio.create_task(joined.submit("a", 0))
    await asyncio.sleep(0.01)
    waiting = [asyncio.create_task(joined.submit("a", number)) for number in range(1, 4)]
    await asyncio.sleep(0.01)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await joined.submit("a", 9)
    venue.open.set()
    assert await outcomes(first, *waiting) == ["a:0", "a:1", "a:2", "a:3"]


async def test_nothing_is_remembered_of_callers_that_have_gone(venue):
    joined = Coalescer(venue)
    await outcomes(*(joined.submit(f"caller-{number}", number) for number in range(100)))
    await joined.close()
    assert not joined._lanes
    assert not joined._tasks


async def test_a_call_that_is_cut_off_tells_those_who_wait(venue):
    joined = Coalescer(venue)
    venue.open.clear()
    waiting = asyncio.create_task(joined.submit("a", 1))
    await asyncio.sleep(0.01)
    for task in joined._tasks:
        task.cancel()
    with pytest.raises(DomainError, match="SERVER_STOPPING"):
        await waiting
