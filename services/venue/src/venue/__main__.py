"""`python -m venue`: serve until SIGTERM; `migrate` and `bus` prepare its schema and its streams. Settings: VENUE_… variables."""

import chassis.early  # noqa: F401, I001 - before what takes its time

import sys

from chassis import commands
from chassis.settings import load_or_exit

from venue.bus import PLAN
from venue.schema import SCHEMA, migration_dirs


def serve() -> int:
    # Imported only now: the other commands need a tenth of it.
    from chassis.run import run

    from venue.app import wire
    from venue.settings import VenueSettings

    settings = load_or_exit(VenueSettings)
    return run("venue", wire(settings), drain_seconds=settings.drain_seconds, linger_seconds=settings.linger_seconds)


def main() -> int:
    return commands.main("venue", sys.argv[1:], serve, schema=commands.Schema(SCHEMA, migration_dirs), bus=PLAN)


if __name__ == "__main__":
    sys.exit(main())
