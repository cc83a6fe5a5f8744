"""Who may ask who was there: quarantine alone, by its own event. Whatever else comes along opens nothing and is told nothing."""

import asyncio
import os
from collections import Counter
from importlib import import_module
from pathlib import Path

import nats
import pytest
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from lilitong.venue.v1 import events_pb2, venue_pb2
from passes.days import day_number
from venue.searches.events import FOUND, OPENED
from venue.visits.model import instant_of

from ..test_app import TODAY, register, scan, town  # noqa: F401, TID252 - the whole service, as that file has it

pytestmark = pytest.mark.feature("V11")
SECRETS = {"lilitong.venue.v1.ExposureFound", "lilitong.venue.v1.ExposureHit", "lilitong.quarantine.v1.SearchOpened"}


def asked(people):
    found = SearchOpened(search_id=os.urandom(16), day=day_number(TODAY), tag=people.tag("case", TODAY))
    found.window_start.FromDatetime(instant_of(TODAY, 0))
    found.window_end.FromDatetime(instant_of(TODAY, 86_400))
    return found


@pytest.mark.connected
@pytest.mark.case("wrong caller")
async def test_only_quarantines_own_event_opens_a_search(town, people):  # noqa: F811
    code = (await register(town)).zones[0].code
    for name in ("case", "contact"):
        await town.visits.CheckIn(scan(town, people, name, code), metadata=town.token("app_backend"))
    answers = await town.bus.jetstream().subscribe(FOUND, stream="VENUE")
    # Another service's word, another fact of quarantine's, and another body under the right name.
    strange = asked(people)
    await town.publish(strange, "lilitong.venue.search.v1.opened", TODAY)
    await town.publish(strange, "lilitong.quarantine.case.v1.opened", TODAY)
    await town.publish(events_pb2.ExposureFound(search_id=strange.search_id), OPENED, TODAY)
    genuine = asked(people)
    await town.publish(genuine, OPENED, TODAY)
    message = await answers.next_msg(timeout=10)
    told = events_pb2.ExposureFound.FromString(message.data)
    assert (told.search_id, len(told.hits)) == (genuine.search_id, 1)
    with pytest.raises(nats.errors.TimeoutError):
        await answers.next_msg(timeout=0.5)


@pytest.mark.connected
@pytest.mark.case("repeat", "concurrency")
async def test_a_search_that_comes_again_and_again_is_answered_once(town, people):  # noqa: F811
    code = (await register(town)).zones[0].code
    for name in ("case", "contact"):
        await town.visits.CheckIn(scan(town, people, name, code), metadata=town.token("app_backend"))
    answers = await town.bus.jetstream().subscribe(FOUND, stream="VENUE")
    twice, others = asked(people), [asked(people) for _ in range(5)]
    # Each under an event id of its own, so that the inbox does not know it again.
    await asyncio.gather(*(town.publish(each, OPENED, TODAY) for each in (twice, *others, twice, *others, twice)))
    seen = Counter()
    for _ in range(6):
        message = await answers.next_msg(timeout=10)
        seen[events_pb2.ExposureFound.FromString(message.data).search_id] += 1
    assert seen == Counter({each.search_id: 1 for each in (twice, *others)})
    with pytest.raises(nats.errors.TimeoutError):
        await answers.next_msg(timeout=0.5)


def carried(descriptor, seen):
    """Full names of all messages that one of this kind may hold."""
    if descriptor.full_name not in seen:
        seen.add(descriptor.full_name)
        for field in descriptor.fields:
            if field.message_type is not None:
                carried(field.message_type, seen)
    return seen


@pytest.mark.case("wrong caller")
def test_nobody_can_ask_by_call_who_was_there_for_no_call_takes_a_search_or_gives_an_answer():
    walked = 0
    for path in Path(venue_pb2.__file__).parent.glob("*_pb2.py"):
        for service in import_module(f"lilitong.venue.v1.{path.stem}").DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                both = carried(method.input_type, set()) | carried(method.output_type, set())
                assert not both & SECRETS, method.full_name
                walked += 1
    assert walked > 50
    assert carried(events_pb2.ExposureFound.DESCRIPTOR, set()) & SECRETS
