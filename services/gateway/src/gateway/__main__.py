"""`python -m gateway`: serve until SIGTERM; settings come from GATEWAY_… variables."""

import chassis.early  # noqa: F401, I001 - before what takes its time

import sys

from chassis import commands
from chassis.run import run
from chassis.settings import load_or_exit

from gateway.app import wire
from gateway.settings import GatewaySettings


def serve() -> int:
    settings = load_or_exit(GatewaySettings)
    return run("gateway", wire(settings), drain_seconds=settings.drain_seconds, linger_seconds=settings.linger_seconds)


def main() -> int:
    return commands.main("gateway", sys.argv[1:], serve)


if __name__ == "__main__":
    sys.exit(main())
