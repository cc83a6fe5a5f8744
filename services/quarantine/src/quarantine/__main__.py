"""`python -m quarantine`: serve until SIGTERM; settings come from QUARANTINE_… variables."""

import sys

from chassis.run import run
from chassis.settings import load_or_exit

from quarantine.app import wire
from quarantine.settings import QuarantineSettings


def main() -> int:
    settings = load_or_exit(QuarantineSettings)
    return run(
        "quarantine", wire(settings), drain_seconds=settings.drain_seconds, linger_seconds=settings.linger_seconds
    )


if __name__ == "__main__":
    sys.exit(main())
