"""What a service's program is asked to do: `python -m venue` serves, `… migrate` and `… bus` prepare what it stands on.

Both may run any number of times and several at once, and need no settings but their own: OWNER_DATABASE_URL (and
OWNER_DATABASE_PASSWORD), or NATS_URL (and NATS_USER, NATS_PASSWORD, NATS_AUTHORITY, NATS_REPLICAS), with the service's
prefix. They wait for their server, WAIT_SECONDS at most, and fail with one sentence.
"""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from chassis.clock import Clock
from chassis.settings import EXIT_CODE, ProcessSettings, SettingsError, load_or_exit

_Settings = TypeVar("_Settings", bound=ProcessSettings)

if TYPE_CHECKING:  # a gateway has neither a store nor the bus, and does not pay for their drivers
    from chassis.events import BusPlan


class CommandError(Exception):
    """One sentence for the operator: why the command failed."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A service's schema: its name, and its migration folders below the folder that holds libs/ and services/."""

    name: str
    folders: Callable[[Path], list[Path]]


def main(
    service: str,
    arguments: Sequence[str],
    serve: Callable[[], int],
    *,
    schema: Schema | None = None,
    bus: "BusPlan | None" = None,
) -> int:
    """Does what the arguments say; returns the exit code: 2 when it was called wrongly, 1 when it failed."""
    known = [name for name, needs in (("migrate", schema), ("bus", bus)) if needs is not None]
    if not arguments:
        return serve()
    if len(arguments) > 1 or arguments[0] not in known:
        what = " or ".join(["nothing", *(f"`{name}`" for name in known)])
        return _refuse(f"python -m {service} takes {what}, not `{' '.join(arguments)}`.", EXIT_CODE)
    from chassis import groundwork

    prefix = f"{service.upper()}_"
    try:
        if schema is not None and arguments[0] == "migrate":
            done = groundwork.prepare_schema(prefix, schema)
        elif bus is not None:
            done = groundwork.prepare_bus(prefix, bus)
    except SettingsError as error:
        return _refuse(f"Cannot {_DOES[arguments[0]]}: {error}", EXIT_CODE)
    except CommandError as error:
        return _refuse(f"Cannot {_DOES[arguments[0]]}: {error}", 1)
    print(done)  # noqa: T201 - for a person or a job's log
    return 0


def operate(
    words: ArgumentParser,
    settings: type[_Settings],
    run: Callable[[_Settings, Namespace, Clock], Coroutine[Any, Any, int]],
) -> int:
    """An operator's command beside a service: `run` gets the service's own settings and clock; returns the exit code."""
    from chassis.starting import clock_of

    given = words.parse_args()
    known = load_or_exit(settings)
    return asyncio.run(run(known, given, clock_of(known)))


_DOES = {"migrate": "migrate", "bus": "prepare the bus"}


def _refuse(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201 - before logging is set up, for a person
    return code
