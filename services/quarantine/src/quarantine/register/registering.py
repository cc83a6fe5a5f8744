"""Registering many households at once: each is stored or refused on its own, all in a few statements."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import asyncpg
from chassis.errors import DomainError, Kind
from chassis.pool import Connection

from quarantine.people.details import Details, PersonKeys
from quarantine.register import store
from quarantine.register.model import Registration
from quarantine.register.store import Entry, Registered, Taken

_TRIES: Final = 4


def sealed(keys: PersonKeys, registration: Registration, request: bytes) -> Entry:
    """Ready to be stored; `request` is the request as it came, serialized deterministically. CPU only: fit for a thread."""
    people = tuple(
        keys.seal(
            resident.resident_id,
            Details(resident.name, resident.id_number, resident.phone, registration.address),
            registration.drill_id,
        )
        for resident in registration.residents
    )
    return Entry(registration, keys.digest(request), people)


async def register(
    pool: asyncpg.Pool, entries: Sequence[Entry], registered_by: str, now: datetime
) -> list[DomainError | None]:
    """Why each was refused, None for each that is stored, now or by the same request before.

    One transaction looks, at one moment's state, and then inserts. Whoever loses a race against another registration of
    the same people looks again, and then sees what the other one stored; so no lock is needed and nothing is stored twice.
    """
    for _ in range(_TRIES):
        try:
            async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read"):
                return await _attempt(conn, entries, registered_by, now)
        except (asyncpg.UniqueViolationError, asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            continue
    raise DomainError(Kind.ABORTED, "STORE_CONFLICT", "Another change came first; try again.")


async def _attempt(
    conn: Connection, entries: Sequence[Entry], registered_by: str, now: datetime
) -> list[DomainError | None]:
    registrations = [entry.registration for entry in entries]
    wanted_drills = sorted({one.drill_id for one in registrations if one.drill_id})
    sorting = _Sorting(
        await store.registered(
            conn, [one.request_id for one in registrations], [one.household_id for one in registrations]
        ),
        await store.taken(conn, [person for entry in entries for person in entry.people]),
        await store.drills(conn, wanted_drills) if wanted_drills else {},
    )
    answers = [sorting.refusal(entry) for entry in entries]
    if sorting.fresh:
        # In one order, so that two batches with the same households wait for each other instead of deadlocking.
        sorting.fresh.sort(key=lambda entry: entry.registration.household_id)
        await store.insert(conn, sorting.fresh, registered_by, now)
    return answers


class _Sorting:
    """Tells repeats, refusals and new households apart; what it found new counts as stored for those after it."""

    def __init__(self, known: Iterable[Registered], taken: Taken, drills: dict[str, bool]) -> None:
        self._households = {one.household_id for one in known}
        self._requests = {one.request_id: one for one in known if one.request_id is not None}
        self._resident_ids = set(taken.resident_ids)
        self._id_indexes = set(taken.id_indexes)
        self._drills = drills
        self.fresh: list[Entry] = []

    def refusal(self, entry: Entry) -> DomainError | None:
        one = entry.registration
        before = self._requests.get(one.request_id)
        if before is not None:
            same = (before.household_id, before.digest) == (one.household_id, entry.digest)
            return None if same else _mismatch()
        if one.household_id in self._households:
            return DomainError(Kind.EXISTS, "HOUSEHOLD_EXISTS", "A household with this id is registered already.")
        if one.drill_id and one.drill_id not in self._drills:
            return DomainError(Kind.NOT_FOUND, "NO_DRILL", "There is no such drill.")
        if one.drill_id and not self._drills[one.drill_id]:
            return DomainError(Kind.PRECONDITION, "DRILL_ENDED", "This drill has ended.")
        if any(
            person.resident_id in self._resident_ids or person.id_index in self._id_indexes for person in entry.people
        ):
            # Neither who of the household it is, nor where they are registered: that is for those who may look it up.
            return DomainError(Kind.EXISTS, "RESIDENT_EXISTS", "Somebody of this household is registered already.")
        self._households.add(one.household_id)
        self._requests[one.request_id] = Registered(one.household_id, one.request_id, entry.digest)
        self._resident_ids.update(person.resident_id for person in entry.people)
        self._id_indexes.update(person.id_index for person in entry.people)
        self.fresh.append(entry)
        return None


def _mismatch() -> DomainError:
    return DomainError(Kind.MISMATCH, "IDEMPOTENCY_MISMATCH", "this request id was used before with other content")
