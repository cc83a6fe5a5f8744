"""What venue and checkpoint found: tags become people, people become contacts."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from chassis.events import AfterCommit, Received, Subscription
from ledger.store import Db
from lilitong.checkpoint.v1.events_pb2 import PassagesFound
from lilitong.venue.v1.events_pb2 import ExposureFound, ZoneContext
from passes.days import date_of
from passes.errors import KeyDestroyedError, KeyMissingError
from passes.tags import people_of
from passes.vault import KeyVault

from quarantine.bus import PASSAGES, VISITS
from quarantine.cases import contacts, metrics, store
from quarantine.cases.contacts import Sealed
from quarantine.cases.model import (
    Ask,
    Case,
    CaseState,
    Found,
    Grade,
    Kind,
    Presence,
    classify,
    restrict_until,
    strongest,
)
from quarantine.policy import store as policies
from quarantine.policy.model import PolicyRules
from quarantine.restrictions import sealing
from quarantine.restrictions.sealing import Person, Sealer

VENUE: Final = 1
CHECKPOINT: Final = 2


class Exposures:
    """Handlers of both services' answers. `found` is called after the commit when there may be somebody to restrict."""

    def __init__(self, vault: KeyVault, sealer: Sealer, found: Callable[[], None]) -> None:
        self._vault = vault
        self._sealer = sealer
        self._found = found

    def subscriptions(self, **options: Any) -> list[Subscription]:
        """Both durable consumers; `options` as for `Subscription` (`around`, `backoff`, …)."""
        return [
            Subscription("quarantine", VISITS, self.visits, **options),
            Subscription("quarantine", PASSAGES, self.passages, **options),
        ]

    async def visits(self, conn: Db, event: Received) -> AfterCommit | None:
        """A part of a venue answer (or, part 0 of 0, something that came in later)."""
        message = event.parse(ExposureFound)
        case = await self._case(conn, message.search_id, message.drill_id)
        if case is None:
            return None
        rules = await _rules(conn, case)
        zones = {zone.zone: zone for zone in message.zones}
        hits = list(message.hits)
        people = self._people(case, [(hit.day, hit.tag) for hit in hits])
        found = [
            _visit(person, hit, zones.get(hit.zone), rules)
            for person, hit in zip(people, hits, strict=True)
            if person is not None
        ]
        return await self._store(conn, case, rules, found, (message.search_id, VENUE, message.part, message.parts))

    async def passages(self, conn: Db, event: Received) -> AfterCommit | None:
        """A part of a checkpoint answer: leads for a tracer, never grounds."""
        message = event.parse(PassagesFound)
        case = await self._case(conn, message.search_id, message.drill_id)
        if case is None:
            return None
        hits = list(message.hits)
        people = self._people(case, [(hit.day, hit.tag) for hit in hits])
        found = [_passage(person, hit) for person, hit in zip(people, hits, strict=True) if person is not None]
        key = (message.search_id, CHECKPOINT, message.part, message.parts)
        return await self._store(conn, case, await _rules(conn, case), found, key)

    async def _case(self, conn: Db, search_id: bytes, drill_id: str) -> Case | None:
        case = await store.case_of_search(conn, search_id)
        if case is None:
            metrics.DROPPED.labels("unknown_search").inc()
        elif case.drill_id != drill_id:
            metrics.DROPPED.labels("drill_mismatch").inc()
        elif case.state is CaseState.CLOSED:
            metrics.DROPPED.labels("closed_case").inc()
        else:
            return case
        return None

    def _people(self, case: Case, hits: Sequence[tuple[int, bytes]]) -> list[UUID | None]:
        """Whose tags these are, as far as the day's key exists; None also for the index person's own."""
        people: list[UUID | None] = [None] * len(hits)
        for day in {day for day, _ in hits}:
            places = [place for place, (other, _) in enumerate(hits) if other == day]
            try:
                key = self._vault.day_key(date_of(day))
            except (KeyDestroyedError, KeyMissingError, ValueError):
                metrics.DROPPED.labels("no_day_key").inc(len(places))
                continue
            for place, person in zip(places, people_of(key, [hits[place][1] for place in places]), strict=True):
                resident_id = UUID(bytes=person)
                people[place] = None if resident_id == case.resident_id else resident_id
        return people

    async def _store(
        self, conn: Db, case: Case, rules: PolicyRules, found: Sequence[Found], answer: tuple[bytes, int, int, int]
    ) -> AfterCommit | None:
        known = await store.people(conn, list({find.resident_id for find in found}), case.drill_id) if found else {}
        kept = [find for find in found if _key_of(known, find) is not None]
        if len(kept) < len(found):
            # A tag of another drill, of a person erased, or not made by us: all look the same here.
            metrics.DROPPED.labels("unknown_person").inc(len(found) - len(kept))
        if kept:
            items = [
                Sealed(
                    find,
                    self._sealer.seal_map(known[find.resident_id], sealing.EVIDENCE, find.details),
                    restrict_until(Kind.CLOSE, find.last_exposure_at, rules),
                )
                for find in kept
            ]
            ids = await contacts.insert_evidence(conn, case, items)
            await contacts.merge(conn, case, [(items[place], ids[place]) for place in strongest(kept)])
            for find in kept:
                metrics.CONTACTS.labels(find.kind.name.lower()).inc()
        search_id, source, part, parts = answer
        if part:
            await store.insert_answer(conn, search_id, source, part, parts)
        return self._found if kept and case.state is CaseState.CONFIRMED else None


def _key_of(known: dict[UUID, Person], find: Found) -> bytes | None:
    person = known.get(find.resident_id)
    return None if person is None else person.data_key


async def _rules(conn: Db, case: Case) -> PolicyRules:
    policy = await policies.get_version(conn, case.policy_version or 0)
    if policy is None:
        raise RuntimeError("a case with searches has its policy fixed")
    return policy.draft.rules


def _visit(person: UUID, hit: Any, zone: ZoneContext | None, rules: PolicyRules) -> Found:
    start, end = _time(hit.overlap_start), _time(hit.overlap_end)
    presence = Presence(
        overlap_start=start,
        overlap_end=end,
        grade=_grade(hit.grade),
        index_grade=_grade(hit.index_grade),
        late=hit.late,
        visitors=None if zone is None else zone.visitors,
    )
    kind, ask = classify(presence, rules)
    details: dict[str, object] = {
        "zone": hit.zone,
        "venue": "" if zone is None else zone.venue_name,
        "area": "" if zone is None else zone.area,
        "visitors": 0 if zone is None else zone.visitors,
        "from": int(start.timestamp()),
        "until": int(end.timestamp()),
        "grade": int(presence.grade),
        "index_grade": int(presence.index_grade),
        "late": presence.late,
    }
    return Found(person, kind, ask, end, presence.minutes, details)


def _passage(person: UUID, hit: Any) -> Found:
    at = _time(hit.passed_at)
    details: dict[str, object] = {"post": hit.post, "until": int(at.timestamp()), "late": hit.late}
    return Found(person, Kind.LEAD, Ask.PASSAGE, at, 0, details)


def _grade(number: int) -> Grade:
    """A grade this version does not know proves nothing."""
    return Grade(number) if number in set(Grade) else Grade.UNKNOWN


def _time(stamp: Any) -> datetime:
    moment: datetime = stamp.ToDatetime(tzinfo=UTC)
    return moment
