"""Accounts on the broker: what each service may say and hear there, and a server's configuration that holds them to it.

`python -m devstack.broker` writes the table that the chart takes, `deploy/helm/lilitong/files/nats/permissions.yaml`.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import nats.errors
from chassis import events
from chassis.events import BusPlan, BusUnavailableError, Login, plan, streams
from chassis.waiting import NotInTimeError, NotYetError, patiently
from checkpoint.bus import PLAN as CHECKPOINT
from quarantine.bus import PLAN as QUARANTINE
from venue.bus import PLAN as VENUE

from devstack.processes import DevstackError

PLANS: Final[tuple[BusPlan, ...]] = (VENUE, CHECKPOINT, QUARANTINE)
OPERATOR: Final = "operator"
"""May everything; only on a developer's machine, for looking into streams."""
ACCOUNTS: Final = (*(each.service for each in PLANS), plan.ADMINISTRATOR, OPERATOR)
TABLE: Final = Path(__file__).resolve().parents[4] / "deploy/helm/lilitong/files/nats/permissions.yaml"
_START_SECONDS: Final = 15.0
_HEAD: Final = """\
# What each user of the bus may say and hear; the chart writes the server's accounts from it, and an operator of an external NATS
# makes the same. Services may make their own stream and consumers, so that they recover from a broker that lost everything;
# nobody but `admin`, who runs the bootstrap jobs, may change or remove any.
# Written by `python -m devstack.broker` from the services' own plans; a test compares.
users:
"""


def table() -> dict[str, plan.Rights]:
    """User → rights."""
    return {each.service: each.rights() for each in PLANS} | {plan.ADMINISTRATOR: plan.administrator_rights()}


def as_yaml(rights: Mapping[str, plan.Rights]) -> str:
    """The table as the chart's file."""
    lines = [_HEAD.rstrip()]
    for user, verbs in rights.items():
        lines.append(f"  {user}:")
        for verb, lists in verbs.items():
            lines += [f"    {verb}:", "      allow:", *(f"        - {json.dumps(each)}" for each in lists["allow"])]
    return "\n".join(lines) + "\n"


def server_config(passwords: Mapping[str, str]) -> str:
    """A nats-server configuration with the accounts of `passwords` (user → password), each held to its rights."""
    rights = table()
    users = [
        {"user": user, "password": password} | ({"permissions": rights[user]} if user in rights else {})
        for user, password in passwords.items()
    ]
    # JSON is a kind of the server's own format.
    return json.dumps({"accounts": {"LILITONG": {"jetstream": "enabled", "users": users}}}, indent=1)


async def prepare(url: str, login: Login | None, plans: Sequence[BusPlan] = PLANS) -> None:
    """What the services' `bus` commands do, for all at once; raises `DevstackError` when the server does not answer."""
    bus = events.connect(url, "devstack", login=login)

    async def once(wanted: BusPlan) -> None:
        try:
            await plan.bring_about(bus.jetstream, wanted, None)
        except (BusUnavailableError, nats.errors.TimeoutError, nats.errors.NoRespondersError):
            raise NotYetError("it does not answer") from None

    async def patient(wanted: BusPlan) -> None:
        await patiently("NATS", lambda: once(wanted), _START_SECONDS)

    try:
        async with asyncio.timeout(_START_SECONDS):
            await bus.ready()
        for each in plans:  # the streams first, so that nobody waits for another's
            await streams.ensure(bus.jetstream, each.stream)
        await asyncio.gather(*map(patient, plans))
    except (NotInTimeError, TimeoutError) as error:
        raise DevstackError(f"the streams could not be made: {error or 'NATS does not answer'}") from error
    finally:
        await bus.close()


if __name__ == "__main__":
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(as_yaml(table()))
