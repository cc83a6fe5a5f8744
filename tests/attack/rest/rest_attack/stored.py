"""What is in the stores, against what was answered as done."""

import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from access_matrix import tables
from chassis.migrate import with_database
from devstack.stack import Stack

from rest_attack.calls import Call
from rest_attack.wire import Answer

# What a call makes → its table and the field, in request and table alike, that names it.
MADE: Mapping[str, tuple[str, str]] = {
    "POST /v1/households": ("quarantine.households", "household_id"),
    "POST /v1/household-batches": ("quarantine.households", "household_id"),
    "POST /v1/paper-cards": ("quarantine.paper_cards", "card_id"),
    "POST /v1/policies": ("quarantine.policies", "policy_id"),
    "POST /v1/cases": ("quarantine.cases", "case_id"),
    "POST /v1/lab-results": ("quarantine.lab_results", "lab_result_id"),
    "POST /v1/restrictions": ("quarantine.restriction_proposals", "restriction_id"),
    "POST /v1/drills": ("quarantine.drills", "drill_id"),
    "POST /v1/venues": ("venue.venues", "venue_id"),
    "POST /v1/venue-batches": ("venue.venues", "venue_id"),
    "POST /v1/posts": ("checkpoint.posts", "post_id"),
    "POST /v1/devices": ("checkpoint.devices", "device_id"),
}
Ids = dict[str, set[str]]


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The database as its superuser, who sees all schemas."""
    given = os.environ.get("DATABASE_URL")
    admin_url = given or (stack.database.admin_url if stack.database else "")
    connection = await asyncpg.connect(with_database(admin_url, stack.database_name))
    try:
        yield connection
    finally:
        await connection.close()


async def at_rest(connection: asyncpg.Connection) -> dict[str, str]:
    """Table → digest of its contents, once nothing has moved for a second."""
    return dict(await tables.at_rest(connection))


async def ids(connection: asyncpg.Connection) -> Ids:
    """Table → the ids of all that is in it."""
    found: Ids = {}
    for table, column in set(MADE.values()):
        found[table] = {str(row[0]) for row in await connection.fetch(f"SELECT {column} FROM {table}")}
    return found


class Acknowledged:
    """The ids of everything whose making was answered as done."""

    def __init__(self) -> None:
        self.ids: Ids = defaultdict(set)

    def take(self, call: Call, answer: Answer) -> None:
        if call.draft.about not in MADE or answer.status not in {200, 201, 207}:
            return
        table, name = MADE[call.draft.about]
        if answer.status != 207:
            self.ids[table].add(_plain(call.body[name]))
            return
        for item, result in zip(call.body["requests"], json.loads(answer.body)["results"], strict=True):
            if not result.get("error"):
                self.ids[table].add(_plain(item[name]))


def _plain(value: Any) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        return str(value)
