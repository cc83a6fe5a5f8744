"""The job that counts along: takes what check-ins have noted into the counts of places, and tells what is remarkable."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import uuid4

import asyncpg
from chassis.clock import Clock, local_day
from chassis.events import Event, publish
from chassis.pool import Connection
from chassis.sweep import only_one
from lilitong.venue.v1 import code_task_pb2, occupancy_pb2

from venue.visits.occupancy import inside_zone
from venue.watch import store
from venue.watch.encoding import encode_task
from venue.watch.model import level_of, suspect
from venue.watch.store import Moved

TICK_SECONDS: Final = 2.0


class Fold:
    """A job of the sweep, run by one replica at a time. `told` is the relay's `wake`."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, seal: Callable[[], bytes], told: Callable[[], None]) -> None:
        self._pool, self._clock, self._seal, self._told = pool, clock, seal, told

    async def tick(self) -> None:
        """Everything committed by now is counted, and told, in one transaction."""
        events: list[Event] = []
        async with self._pool.acquire() as conn, conn.transaction():
            if not await only_one(conn, "watch"):
                return
            now = self._clock.now()
            # A clock that was set back takes nobody out of a zone again.
            minute = max(await store.through(conn), int(now.timestamp()) // 60)
            folded = await store.fold(conn, minute)
            events += await self._crowding(conn, folded.moved, now)
            events += await self._codes(conn, folded.slots, now)
            if events:
                await publish(conn, events, seal=self._seal)
        if events:
            self._told()

    async def _crowding(self, conn: Connection, moved: Sequence[Moved], now: datetime) -> list[Event]:
        if not moved:
            return []
        rules, levels, events = await store.crowding_levels(conn), dict[int, int](), list[Event]()
        for each in moved:
            inside = each.inside
            level = level_of(inside, each.capacity, each.level, rules)
            if level > each.level:
                # The count takes who came twice for two. An alert must not, and is rare enough for a look at the visits.
                inside = await inside_zone(conn, each.zone, each.drill_id, now)
                level = level_of(inside, each.capacity, each.level, rules)
            if level != each.level:
                levels[each.zone] = level
                events.append(_crowding_event(each, level, inside, now))
        if levels:
            await store.set_levels(conn, levels, now)
        return events

    async def _codes(self, conn: Connection, slots: Sequence[tuple[int, int]], now: datetime) -> list[Event]:
        events: list[Event] = []
        uses = await store.uses(conn, slots) if slots else []
        rules = await store.code_rules(conn) if uses else {}
        for category, use in uses:
            found = suspect(use, rules[category])
            if found is None:
                continue
            task_id = uuid4()
            if await store.raise_task(conn, task_id, use.zone, local_day(found.starts), found, now):
                row = await store.task(conn, task_id)
                if row is not None:
                    events.append(task_event(encode_task(row), "raised", now))
        return events


def _crowding_event(zone: Moved, level: int, inside: int, now: datetime) -> Event:
    message = occupancy_pb2.CrowdingChanged(
        venue_id=str(zone.venue_id),
        zone=zone.zone,
        area=zone.area,
        level=level,  # type: ignore[arg-type]  # numbers are the contract's
        former_level=zone.level,  # type: ignore[arg-type]
        inside=inside,
        capacity=zone.capacity,
    )
    message.at.FromDatetime(now)
    return Event.of(
        message,
        subject="lilitong.venue.occupancy.v1." + ("crowded" if level > zone.level else "eased"),
        aggregate=f"zone-{zone.zone}",
        day=local_day(now),
        drill_id=zone.drill_id,
    )


def task_event(task: code_task_pb2.CodeTask, what: str, now: datetime) -> Event:
    """`what`: raised or answered."""
    return Event.of(
        code_task_pb2.CodeTaskChanged(task=task),
        subject=f"lilitong.venue.code_task.v1.{what}",
        aggregate=task.task_id,
        day=local_day(now),
        drill_id=task.drill_id,
    )
