"""What is in the stores, against what was answered as done."""

import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from access_matrix import tables
from chassis.urls import with_database
from devstack.stack import Stack

from rest_attack.calls import Call
from rest_attack.made import MADE
from rest_attack.wire import Answer

Ids = dict[tuple[str, str], set[str]]
VENUES = MADE["POST /v1/venues"].key


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
    """Kind of thing → the ids of all of them that there are."""
    return {one.key: {str(row[0]) for row in await connection.fetch(one.select)} for one in set(MADE.values())}


async def imported(connection: asyncpg.Connection) -> int:
    """How many venues imports say they have made: these venues have ids that no call gave."""
    return int(await connection.fetchval("SELECT coalesce(sum(created), 0) FROM venue.imports"))


class Acknowledged:
    """The ids of everything whose making was answered as done."""

    def __init__(self) -> None:
        self.ids: Ids = defaultdict(set)

    def take(self, call: Call, answer: Answer) -> None:
        if call.draft.about not in MADE or answer.status not in {200, 201, 202, 207}:
            return
        made = MADE[call.draft.about]
        if answer.status != 207:
            given = call.path if made.field in call.path else call.body
            self.ids[made.key].add(_plain(given[made.field]))
            return
        for item, result in zip(call.body["requests"], json.loads(answer.body)["results"], strict=True):
            if not result.get("error"):
                self.ids[made.key].add(_plain(item[made.field]))


def _plain(value: Any) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        return str(value)
