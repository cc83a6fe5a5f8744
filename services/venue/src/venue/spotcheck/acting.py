"""Committing, opening and drawing: three steps, of which each is fixed in the log or by constraint before the next is taken."""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import asyncpg
from chassis import key_versions
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.key_versions import Versions
from chassis.pool import Connection
from ledger import note
from ledger import store as log
from ledger.note import Signer

from venue.spotcheck import sealing, store, team_store
from venue.spotcheck.drawing import MAX_INSPECTORS, MAX_VENUES, Drawn, Frame, FrameError, Inspector, check, draw
from venue.spotcheck.events import Teller
from venue.spotcheck.model import LONGEST, SpotCheck
from venue.spotcheck.refusals import invalid, second_person_needed, spot_check_exists, spot_check_unknown


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be drawn from, before it is frozen. `teams`, `categories`: empty for all."""

    draw_id: UUID
    area: str
    title: str
    area_digits: int
    per_mille: int
    categories: tuple[int, ...]
    teams: tuple[UUID, ...]
    ends_at: datetime
    drill_id: str


class Drawing:
    """`keys`: the vault's, from which secrets follow; a draw goes by the one it was committed with.

    `commit` and `open` run in the caller's transaction, `finish` in its own.
    """

    def __init__(self, pool: asyncpg.Pool, clock: Clock, signer: Signer, keys: Versions[bytes], tell: Teller) -> None:
        self._pool, self._clock, self._signer, self._keys, self._tell = pool, clock, signer, keys, tell

    async def commit(self, conn: Connection, plan: Plan, actor: str) -> SpotCheck:
        """Freeze the candidates and promise in the log what will be drawn from them. The log's lock is taken last."""
        now = self._clock.now()
        if not now < plan.ends_at <= now + LONGEST:
            raise invalid("END_INVALID", "A spot check ends within 60 days.", "ends_at", "not within the next 60 days")
        await store.lock(conn, plan.draw_id)
        if await store.get(conn, plan.draw_id) is not None:
            raise spot_check_exists()
        frame = await self._frame(conn, plan)
        frozen = await asyncio.to_thread(frame.canonical)
        frame_hash = sha256(frozen).digest()
        version, key = self._keys.current
        if not await key_versions.hold(conn, self._keys.name, [version]):
            raise DomainError(Kind.UNAVAILABLE, "KEY_RETIRED", "A key was changed meanwhile; try again.")
        secret_hash = sealing.hash_of_secret(sealing.secret_of(key, plan.draw_id, frame_hash))
        leaf = sealing.new_commitment(
            sealing.commitment_content(plan.draw_id, frame_hash, secret_hash, now, plan.ends_at, plan.drill_id)
        )
        appended = await log.append(conn, [leaf.data])
        made = SpotCheck(
            draw_id=plan.draw_id,
            area=plan.area,
            title=plan.title,
            drill_id=plan.drill_id,
            committed_by=actor,
            committed_at=now,
            ends_at=plan.ends_at,
            frame_hash=frame_hash,
            secret_hash=secret_hash,
            eligible=len(frame.venues),
            drawn=sum(each.drawn for each in frame.strata()),
            commitment_index=appended.first_index,
            commitment_hash=leaf.hash,
            key_version=version,
            contributor=None,
            contribution=None,
            opening_index=None,
            beacon=None,
            checkpoint="",
            pairs=0,
            drawn_at=None,
            waiting=0,
        )
        with constraint_errors(store.ERRORS):
            await store.insert_commitment(conn, made, frozen, leaf)
        await self._tell.changed(conn, made, "committed", now)
        return made

    async def _frame(self, conn: Connection, plan: Plan) -> Frame:
        venues = await store.candidates(conn, plan.area, plan.drill_id, plan.categories)
        if not venues:
            raise DomainError(Kind.PRECONDITION, "NO_VENUES", "There is no such venue in this area.")
        if len(venues) > MAX_VENUES:
            raise DomainError(Kind.PRECONDITION, "TOO_MANY_VENUES", f"A draw takes at most {MAX_VENUES} venues.")
        teams = await team_store.teams_for(conn, plan.area, plan.teams)
        if plan.teams and len(teams) != len(plan.teams):
            raise invalid("TEAM_UNKNOWN", "Not all of these teams work in this area.", "team_ids", "not of this area")
        members = await team_store.members(conn, teams)
        if len(members) > MAX_INSPECTORS:
            raise DomainError(
                Kind.PRECONDITION, "TOO_MANY_INSPECTORS", f"A draw takes at most {MAX_INSPECTORS} inspectors."
            )
        inspectors = tuple(Inspector(str(each.inspector_id), str(each.team_id), each.home) for each in members)
        frame = Frame(plan.area, plan.area_digits, plan.per_mille, tuple(venues), inspectors)
        try:
            await asyncio.to_thread(check, frame)
        except FrameError as error:
            raise DomainError(Kind.PRECONDITION, "TOO_FEW_INSPECTORS", str(error)) from None
        return frame

    async def open(self, conn: Connection, draw_id: UUID, actor: str, contribution: bytes) -> SpotCheck:
        """Put the second person's number into the log; from here on the outcome is fixed.

        The same number by the same person again is no error: that is how somebody goes on after an interruption.
        """
        await store.lock(conn, draw_id)
        found = await store.get(conn, draw_id)
        if found is None:
            raise spot_check_unknown()
        if found.opening_index is not None:
            if (found.contributor, found.contribution) != (actor, contribution):
                raise DomainError(Kind.EXISTS, "ALREADY_OPENED", "This spot check was opened with another number.")
            return found
        now = self._clock.now()
        if now >= found.ends_at:
            raise DomainError(Kind.PRECONDITION, "SPOT_CHECK_LAPSED", "This spot check has ended without a draw.")
        if actor == found.committed_by:
            raise second_person_needed()
        leaf = sealing.opening(sealing.opening_content(draw_id, found.commitment_hash, contribution))
        appended = await log.append(conn, [leaf.data])
        signed = appended.checkpoint(self._signer)
        opened = replace(
            found,
            contributor=actor,
            contribution=contribution,
            opening_index=appended.first_index,
            beacon=note.parse(signed)[0].root,
            checkpoint=signed.decode(),
        )
        with constraint_errors(store.ERRORS):
            await store.insert_opening(conn, opened, leaf, now)
        return opened

    async def finish(self, draw_id: UUID) -> bool:
        """Draw what was opened, in a transaction of its own; false if there is nothing to do. Whoever does it gets the same."""
        async with self._pool.acquire() as conn, conn.transaction():
            await store.lock(conn, draw_id)
            found = await store.get(conn, draw_id)
            if found is None or found.beacon is None or found.drawn_at is not None:
                return False
            frozen = await store.frozen(conn, draw_id)
            secret = sealing.secret_of(self._keys.get(found.key_version), draw_id, found.frame_hash)
            if sealing.hash_of_secret(secret) != found.secret_hash:
                raise RuntimeError("the vault's key is not the one of the commitment")
            seed = sealing.seed_of(secret, draw_id, found.beacon)
            frame, drawn = await asyncio.to_thread(_drawn, seed, frozen)
            accounts = await team_store.accounts(conn, [UUID(each.inspector_id) for each in frame.inspectors])
            now = self._clock.now()
            await store.insert_draw(conn, found, secret, seed, drawn, accounts, now)
            await store.insert_assignments(conn, found, frame, drawn)
            done = await store.get(conn, draw_id)
            if done is None:
                raise RuntimeError("the draw was written a moment ago")
            await self._tell.changed(conn, done, "drawn", now)
        return True


def _drawn(seed: bytes, frozen: bytes) -> tuple[Frame, Drawn]:
    """Beside the loop, because a large frame takes longer than a check-in may wait."""
    frame = Frame.parse(json.loads(frozen))
    return frame, draw(seed, frame)
