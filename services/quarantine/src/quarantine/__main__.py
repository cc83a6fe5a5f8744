"""`python -m quarantine`: serve until SIGTERM; `migrate` and `bus` prepare its schema and its streams. Settings: QUARANTINE_…."""

import chassis.early  # noqa: F401, I001 - before what takes its time

import sys

from chassis import commands
from chassis.settings import load_or_exit

from quarantine.bus import PLAN
from quarantine.schema import SCHEMA, migration_dirs


def serve() -> int:
    # Imported only now: the other commands need a tenth of it.
    from chassis.run import run

    from quarantine.app import wire
    from quarantine.settings import QuarantineSettings

    settings = load_or_exit(QuarantineSettings)
    return run(
        "quarantine", wire(settings), drain_seconds=settings.drain_seconds, linger_seconds=settings.linger_seconds
    )


def main() -> int:
    return commands.main("quarantine", sys.argv[1:], serve, schema=commands.Schema(SCHEMA, migration_dirs), bus=PLAN)


if __name__ == "__main__":
    sys.exit(main())
