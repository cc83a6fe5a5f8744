"""`python -m checkpoint`: serve until SIGTERM; `migrate` and `bus` prepare its schema and its streams. Settings: CHECKPOINT_…."""

import chassis.early  # noqa: F401, I001 - before what takes its time

import sys

from chassis import commands
from chassis.settings import load_or_exit

from checkpoint.bus import PLAN
from checkpoint.schema import SCHEMA, migration_dirs


def serve() -> int:
    # Imported only now: the other commands need a tenth of it.
    from chassis import logs
    from chassis.run import run

    from checkpoint.app import NAME, build
    from checkpoint.settings import CheckpointSettings

    settings = load_or_exit(CheckpointSettings)
    logs.setup(NAME, level=settings.log_level)
    return run(NAME, build(settings), drain_seconds=settings.drain_seconds, linger_seconds=settings.linger_seconds)


def main() -> int:
    return commands.main("checkpoint", sys.argv[1:], serve, schema=commands.Schema(SCHEMA, migration_dirs), bus=PLAN)


if __name__ == "__main__":
    sys.exit(main())
