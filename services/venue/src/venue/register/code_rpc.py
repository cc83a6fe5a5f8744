"""VenueService: venue codes: replace, revoke, and secrets for screens."""

# ruff: noqa: N802 - methods are named by the contract

from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow
from chassis.clock import Clock, local_day
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import venue_pb2

from venue.register import code_store, store
from venue.register.code_store import CodeRequest, Versions
from venue.register.codes import VenueCodes
from venue.register.events import publish_code
from venue.register.model import Venue
from venue.register.permission import permitted, require_open
from venue.register.zones import ZoneCache


class CodeMethods:
    """A part of `VenueServicer`; its attributes are set there."""

    pool: asyncpg.Pool
    clock: Clock
    codes: VenueCodes
    zones: ZoneCache
    seal: Callable[[], bytes]
    wake: Callable[[], None]

    @allow(roles={"venue_officer"}, area=RESOURCE)
    async def ReplaceVenueCode(
        self, request: venue_pb2.ReplaceVenueCodeRequest, _: Any
    ) -> venue_pb2.ReplaceVenueCodeResponse:
        venue, done = await self._change(request.request_id, "replace", request.zone)
        zone = next(each for each in venue.zones if each.zone == request.zone)
        return venue_pb2.ReplaceVenueCodeResponse(
            zone=venue_pb2.Zone(
                zone=zone.zone, name=zone.name, capacity=zone.capacity, code_version=done.version, code=done.code or ""
            )
        )

    @allow(roles={"venue_officer"}, area=RESOURCE)
    async def RevokeVenueCode(
        self, request: venue_pb2.RevokeVenueCodeRequest, _: Any
    ) -> venue_pb2.RevokeVenueCodeResponse:
        await self._change(request.request_id, "revoke", request.zone)
        return venue_pb2.RevokeVenueCodeResponse()

    @allow(roles={"venue_officer", "venue_operator"}, area=RESOURCE)
    async def IssueScreenSecret(
        self, request: venue_pb2.IssueScreenSecretRequest, _: Any
    ) -> venue_pb2.IssueScreenSecretResponse:
        _venue, done = await self._change(request.request_id, "screen", request.zone)
        grant = self.codes.screen(done.zone, done.version)
        return venue_pb2.IssueScreenSecretResponse(
            secret=self.codes.screen_secret(done.zone, done.version),
            version=done.version,
            kid=grant.kid,
            signature=grant.signature,
        )

    async def _change(self, request_id: str, action: str, zone: int) -> tuple[Venue, CodeRequest]:
        """Do it once: the same request again gets what it led to then, whatever has happened since."""
        async with self.pool.acquire() as connection, connection.transaction():
            permitted(await store.venue_of_zone(connection, zone))
            # The register's lock also makes two equal requests follow each other.
            await store.lock_register(connection)
            venue = permitted(await store.venue_of_zone(connection, zone))  # which may have been closed meanwhile
            done = await code_store.answered(connection, UUID(request_id))
            if done is not None:
                if (done.action, done.zone) != (action, zone):
                    raise DomainError(
                        Kind.MISMATCH, "IDEMPOTENCY_MISMATCH", "This request id was used before with other content."
                    )
                return venue, done
            require_open(venue)
            done = await self._act(connection, UUID(request_id), action, venue, zone)
            await code_store.remember(connection, done)
        self.wake()
        await self.zones.announce()
        return venue, done

    async def _act(self, connection: Any, request_id: UUID, action: str, venue: Venue, zone: int) -> CodeRequest:
        now = await code_store.versions(connection, zone)
        changed = await store.raise_version(connection)
        today = local_day(self.clock.now())
        if action == "screen":
            await code_store.set_screen(connection, zone, now.screen + 1, changed)
            return CodeRequest(request_id, action, zone, now.screen + 1, None)
        revoked = action == "revoke"
        # A screen's secret falls with the poster: whoever replaces a code wants all copies of it to stop working.
        version = Versions(now.code if revoked else now.code + 1, now.screen + 1 if now.screen else 0)
        code = None if revoked else self.codes.poster(zone, version.code)
        await code_store.set_codes(connection, zone, version, code, changed)
        await publish_code(connection, venue, zone, version.code, revoked=revoked, today=today, seal=self.seal)
        return CodeRequest(request_id, action, zone, version.code, code)
