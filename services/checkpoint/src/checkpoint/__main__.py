"""`python -m checkpoint` serves until SIGTERM or SIGINT."""

import sys

from chassis import logs
from chassis.run import run
from chassis.settings import load_or_exit

from checkpoint.app import NAME, build
from checkpoint.settings import CheckpointSettings


def main() -> int:
    settings = load_or_exit(CheckpointSettings)
    logs.setup(NAME, level=settings.log_level)
    return run(NAME, build(settings), drain_seconds=settings.drain_seconds, linger_seconds=settings.linger_seconds)


if __name__ == "__main__":
    sys.exit(main())
