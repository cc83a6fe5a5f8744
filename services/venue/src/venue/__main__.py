"""`python -m venue`: serve until SIGTERM; settings come from VENUE_… variables."""

import sys

from chassis.run import run
from chassis.settings import load_or_exit

from venue.app import wire
from venue.settings import VenueSettings


def main() -> int:
    settings = load_or_exit(VenueSettings)
    return run("venue", wire(settings), drain_seconds=settings.drain_seconds, linger_seconds=settings.linger_seconds)


if __name__ == "__main__":
    sys.exit(main())
