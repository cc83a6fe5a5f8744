"""Dead letters: list them, and put them back to be handled exactly once more.

    python -m chassis.events.dead_letters --database-url postgresql://… --consumer venue-daysets
    python -m chassis.events.dead_letters --database-url postgresql://… --consumer venue-daysets --event-id <uuid>
    python -m chassis.events.dead_letters --database-url postgresql://… --consumer venue-daysets --all

The running consumer picks up what was put back within a second or so, in one transaction with the letter's removal;
if it fails again, the letter rests again with the new reason. The consumer named `outbox` stands for events that the
bus could not take: they are published anew.
"""

import argparse
import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from chassis.events import inbox, outbox
from chassis.events.inbox import Queries

LISTED: Final = 1000


async def resting(pool: Queries, consumer: str, *, limit: int = LISTED) -> list[inbox.Letter]:
    """The dead letters of `consumer` that nobody put back yet, oldest day first."""
    return await inbox.letters(pool, consumer, requeued=False, limit=limit)


async def replay(pool: Queries, consumer: str, event_ids: Sequence[UUID] | None = None) -> int:
    """Put back the letters with these ids, or all of the consumer's if None; returns how many. Safe to repeat."""
    if consumer == outbox.UNDELIVERABLE:
        return await outbox.republish_letters(pool, event_ids)
    return await inbox.requeue(pool, consumer, event_ids)


async def _main(arguments: argparse.Namespace) -> int:
    connection = await asyncpg.connect(arguments.database_url)
    try:
        if arguments.all or arguments.event_id:
            number = await replay(connection, arguments.consumer, None if arguments.all else arguments.event_id)
            print(f"{number} put back")  # noqa: T201
            return 0 if number or arguments.all else 1
        for letter in await resting(connection, arguments.consumer):
            event = letter.event
            line = f"{event.event_id}  {event.day}  {event.type}  attempts={letter.attempts}  {letter.reason}"
            print(line)  # noqa: T201
        return 0
    finally:
        await connection.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chassis.events.dead_letters", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--database-url", required=True, help="of the service whose consumer it is, as its login role")
    parser.add_argument("--consumer", required=True, help="the durable's name, or `outbox`")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--event-id", type=UUID, action="append", help="put this one back; may be given again")
    which.add_argument("--all", action="store_true", help="put all of the consumer's back")
    return parser


if __name__ == "__main__":
    raise SystemExit(asyncio.run(_main(_parser().parse_args())))
