"""Writing admitted visits, many check-ins in one transaction, each with its own answer after the commit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

import asyncpg
from chassis.group_commit import GroupCommit
from prometheus_client import Counter

from venue.searches.search import NOTHING, Noted, Searching
from venue.searches.store import Change
from venue.visits import store
from venue.visits.model import Visit, VisitRef


class Fate(Enum):
    STORED = "stored"
    REPEATED = "repeated"  # it was stored before: same key, same zone, same time
    MISMATCH = "mismatch"  # the key stands for another check-in of the same person


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a check-in. `noted`: what the transaction led to in open searches."""

    fate: Fate
    noted: Noted = NOTHING


CHECK_INS = Counter("lilitong_check_ins_total", "Check-ins that were admitted, by what became of them.", ["fate"])
_COUNTED = {fate: CHECK_INS.labels(fate.value) for fate in Fate}
_FAILED = CHECK_INS.labels("failed")


class HalfRepeatedError(asyncpg.IntegrityConstraintViolationError):
    """A check-in of several people of whom some used its key for another one. Nothing of it may be stored.

    As a data error it makes the group commit write the others without it.
    """


CheckIn = tuple[Visit, ...]


class Recorder:
    """Records check-ins (1 to 6 visits with one key). `told` and `pending` are called after a commit that concerns searches."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        searching: Searching,
        *,
        told: Callable[[], None],
        pending: Callable[[], None],
        connections: int = 2,
    ) -> None:
        self._searching = searching
        self._told, self._pending = told, pending
        self._commit: GroupCommit[CheckIn, Recorded] = GroupCommit(pool, self._write, connections=connections)

    async def record(self, visits: CheckIn) -> Fate:
        """Returns after the commit. Raises the database's errors, after which the visit may or may not be stored."""
        try:
            recorded = await self._commit.submit(visits)
        except HalfRepeatedError:
            _COUNTED[Fate.MISMATCH].inc()
            return Fate.MISMATCH
        except Exception:
            _FAILED.inc()
            raise
        self.tell(recorded.noted)
        _COUNTED[recorded.fate].inc()
        return recorded.fate

    async def record_all(self, items: Sequence[CheckIn]) -> list[Fate | Exception]:
        """As `record`, for many at once; what fails is returned instead of raised."""
        fates: list[Fate | Exception] = []
        for future in self._commit.submit_all(items):
            try:
                recorded = await future
            except HalfRepeatedError:
                fates.append(Fate.MISMATCH)
            except Exception as error:  # noqa: BLE001 - handed to the caller, item by item
                fates.append(error)
            else:
                self.tell(recorded.noted)
                fates.append(recorded.fate)
        for fate, counted in _COUNTED.items():
            if count := fates.count(fate):
                counted.inc(count)
        if failed := sum(isinstance(fate, Exception) for fate in fates):
            _FAILED.inc(failed)
        return fates

    def tell(self, noted: Noted) -> None:
        if noted.told:
            self._told()
        if noted.pending:
            self._pending()

    async def drain(self) -> None:
        """Wait for what was submitted."""
        await self._commit.drain()

    async def _write(self, connection: Any, items: Sequence[CheckIn]) -> list[Recorded]:
        new = await store.insert(connection, [visit for visits in items for visit in visits])
        noted = await self._searching.note(connection, [Change(visit, visit.entered) for visit in _written(items, new)])
        fresh = Recorded(Fate.STORED, noted)
        if len(new) == sum(map(len, items)):
            return [fresh] * len(items)
        return await self._with_repeats(connection, items, new, fresh)

    async def _with_repeats(
        self, connection: Any, items: Sequence[CheckIn], new: set[tuple[Any, UUID, bytes]], fresh: Recorded
    ) -> list[Recorded]:
        refs = [VisitRef(visit.day, visit.tag, visit.visit_key) for visits in items for visit in visits]
        stored = await store.find(connection, refs)
        answers = []
        for visits in items:
            same = [is_repeat(visit, stored) for visit in visits]
            added = [(visit.day, UUID(bytes=visit.tag), visit.visit_key) in new for visit in visits]
            if not all(same):
                if any(added):
                    raise HalfRepeatedError
                answers.append(Recorded(Fate.MISMATCH))
            else:
                answers.append(fresh if any(added) else Recorded(Fate.REPEATED))
        return answers


def _written(items: Sequence[CheckIn], new: set[tuple[Any, UUID, bytes]]) -> list[Visit]:
    """The visits that were stored now: once each, though one check-in may come twice in one transaction."""
    first: dict[tuple[Any, UUID, bytes], Visit] = {}
    for visits in items:
        for visit in visits:
            key = (visit.day, UUID(bytes=visit.tag), visit.visit_key)
            if key in new:
                first.setdefault(key, visit)
    return list(first.values())


def is_repeat(visit: Visit, stored: dict[VisitRef, store.Stored]) -> bool:
    """Whether this very visit is stored."""
    found = stored.get(VisitRef(visit.day, visit.tag, visit.visit_key))
    return found is not None and (found.zone, found.entered, found.grade) == (visit.zone, visit.entered, visit.grade)
