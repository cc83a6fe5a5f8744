"""The first approval: searches are opened, and those who are known without a search become contacts."""

import secrets
from collections.abc import Callable
from datetime import date, datetime
from random import SystemRandom
from typing import Final

from chassis.events import Event, publish
from google.protobuf.timestamp_pb2 import Timestamp
from ledger.store import Db
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from passes.days import bounds, day_number
from passes.errors import KeyDestroyedError, KeyMissingError
from passes.tags import tag
from passes.vault import KeyVault

from quarantine.cases import contacts, store
from quarantine.cases.contacts import Sealed
from quarantine.cases.model import Case, Found, Kind, LabResult, restrict_until, search_days
from quarantine.policy.model import PolicyRules
from quarantine.restrictions import sealing
from quarantine.restrictions.sealing import Person, Sealer

SUBJECT: Final = "lilitong.quarantine.search.v1.opened"
_SYSTEM: Final = SystemRandom()


async def open_searches(
    conn: Db,
    vault: KeyVault,
    case: Case,
    rules: PolicyRules,
    result: LabResult,
    now: datetime,
    seal: Callable[[], bytes],
) -> int:
    """One search per local day whose key still exists; how many.

    Nothing tells that two of them belong together: ids are random, the window is the whole day (the first one too), and they
    are written in a random order.
    """
    opened: list[tuple[bytes, date]] = []
    events: list[Event] = []
    for day in search_days(result.specimen_at, now, rules):
        try:
            key = vault.day_key(day)
        except (KeyDestroyedError, KeyMissingError):
            continue
        search_id = secrets.token_bytes(16)
        opened.append((search_id, day))
        events.append(_event(search_id, day, tag(key, case.resident_id.bytes), case.drill_id, rules.passage_minutes))
    _SYSTEM.shuffle(events)
    await store.insert_searches(conn, case, opened)
    await publish(conn, events, seal=seal)
    return len(opened)


def _event(search_id: bytes, day: date, day_tag: bytes, drill_id: str, passage_minutes: int) -> Event:
    start, end = Timestamp(), Timestamp()
    first, last = bounds(day)
    start.FromDatetime(first)
    end.FromDatetime(last)
    message = SearchOpened(
        search_id=search_id,
        day=day_number(day),
        tag=day_tag,
        window_start=start,
        window_end=end,
        drill_id=drill_id,
        passage_minutes=passage_minutes,
    )
    return Event.of(message, subject=SUBJECT, aggregate=search_id.hex(), day=day, drill_id=drill_id)


async def add_known(conn: Db, sealer: Sealer, case: Case, rules: PolicyRules, result: LabResult, now: datetime) -> None:
    """The index person, on the laboratory's evidence, and the household, who live together until today."""
    index = await store.person(conn, case.resident_id)
    if index is None or index[0].data_key is None:
        raise RuntimeError("the index person of an open case is registered and not erased")
    found: list[tuple[Person, Found, datetime]] = [
        (
            index[0],
            Found(
                case.resident_id,
                Kind.INDEX,
                None,
                result.specimen_at,
                0,
                {"specimen_at": int(result.specimen_at.timestamp()), "lab_result": result.lab_result_id.bytes},
            ),
            restrict_until(Kind.INDEX, result.specimen_at, rules),
        )
    ]
    for member in await store.household(conn, case.resident_id, case.drill_id):
        if member.data_key is None:
            continue
        details: dict[str, object] = {"until": int(now.timestamp())}
        find = Found(member.resident_id, Kind.HOUSEHOLD, None, now, 0, details)
        found.append((member, find, restrict_until(Kind.HOUSEHOLD, now, rules)))
    items = [
        Sealed(find, sealer.seal_map(person, sealing.EVIDENCE, find.details), until) for person, find, until in found
    ]
    items.sort(key=lambda item: item.found.resident_id)
    ids = await contacts.insert_evidence(conn, case, items)
    await contacts.merge(conn, case, list(zip(items, ids, strict=True)))
