"""RegisterService."""

import asyncio
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock, local_day
from chassis.errors import DomainError, Kind
from chassis.rpc.status import to_proto
from lilitong.quarantine.v1 import register_pb2 as pb
from lilitong.quarantine.v1.register_pb2_grpc import RegisterServiceServicer

from quarantine.people import reads
from quarantine.people.details import Details, PersonKeys
from quarantine.register import store
from quarantine.register.model import Channel, Consent, Registration, Resident, refusal
from quarantine.register.registering import register, sealed
from quarantine.register.store import Entry


class RegisterRpc(RegisterServiceServicer):
    def __init__(self, pool: asyncpg.Pool, clock: Clock, keys: PersonKeys) -> None:
        self._pool = pool
        self._clock = clock
        self._keys = keys

    @allow(roles={"app_backend", "grid_worker", "volunteer", "registrar"}, area="area")
    async def RegisterHousehold(
        self,
        request: pb.RegisterHouseholdRequest,
        context: Any,  # noqa: ARG002
    ) -> pb.RegisterHouseholdResponse:
        (error,) = await self._register([request])
        if error is not None:
            raise error
        return pb.RegisterHouseholdResponse(
            household_id=request.household_id, resident_ids=[one.resident_id for one in request.residents]
        )

    @allow(roles={"registrar", "app_backend"}, area="requests.area")
    async def BatchRegisterHouseholds(
        self,
        request: pb.BatchRegisterHouseholdsRequest,
        context: Any,  # noqa: ARG002
    ) -> pb.BatchRegisterHouseholdsResponse:
        errors = await self._register(request.requests)
        return pb.BatchRegisterHouseholdsResponse(
            results=[
                pb.BatchRegisterHouseholdsResponse.Result(
                    household_id=one.household_id, error=None if error is None else to_proto(error)
                )
                for one, error in zip(request.requests, errors, strict=True)
            ]
        )

    @allow(roles={"grid_worker", "tracer", "app_backend"}, area=RESOURCE, purpose=True)
    async def GetHousehold(self, request: pb.GetHouseholdRequest, context: Any) -> pb.GetHouseholdResponse:  # noqa: ARG002
        household_id = UUID(request.household_id)
        async with self._pool.acquire() as conn, conn.transaction():
            found = await store.household(conn, household_id)
            if found is None:
                raise DomainError(Kind.NOT_FOUND, "NO_HOUSEHOLD", "There is no such household.")
            require_area(found["area"])
            rows = await store.members(conn, household_id)
            people = [row["resident_id"] for row in rows]
            await reads.record(conn, people, current_caller(), self._clock.now())
        details = [self._keys.open(row["resident_id"], row["data_key"], row["sealed"]) for row in rows]
        return pb.GetHouseholdResponse(
            household=pb.Household(
                household_id=request.household_id,
                area=found["area"],
                address=details[0].address if details else "",
                residents=[_resident(person, one) for person, one in zip(people, details, strict=True)],
                channel=pb.RegistrationChannel.ValueType(found["channel"] or 0),
                drill_id=found["drill_id"],
            )
        )

    @allow(roles={"tracer", "laboratory"}, area=RESOURCE, purpose=True)
    async def FindResident(self, request: pb.FindResidentRequest, context: Any) -> pb.FindResidentResponse:  # noqa: ARG002
        async with self._pool.acquire() as conn, conn.transaction():
            drills = await store.running_drills(conn)
            found = await store.find(conn, [self._keys.index(request.id_number, drill) for drill in ("", *drills)])
            # Somebody of another area and nobody at all are one answer: whether a person is registered is personal, too.
            if found is None or not current_caller().covers(found["area"]):
                raise DomainError(Kind.NOT_FOUND, "NO_RESIDENT", "There is no such resident.")
            require_area(found["area"])
            await reads.record(conn, [found["resident_id"]], current_caller(), self._clock.now())
        return pb.FindResidentResponse(resident_id=str(found["resident_id"]), household_id=str(found["household_id"]))

    async def _register(self, requests: Sequence[pb.RegisterHouseholdRequest]) -> list[DomainError | None]:
        """Why each was refused, in the order of the requests; None for those that are stored."""
        caller, now = current_caller(), self._clock.now()
        registrations = [_registration(request) for request in requests]
        answers = [refusal(one, caller.roles, now, local_day(now)) for one in registrations]
        places = [place for place, answer in enumerate(answers) if answer is None]
        if not places:
            return answers

        def seal() -> list[Entry]:
            return [
                sealed(self._keys, registrations[place], requests[place].SerializeToString(deterministic=True))
                for place in places
            ]

        entries = await asyncio.to_thread(seal)
        for place, answer in zip(places, await register(self._pool, entries, caller.subject, now), strict=True):
            answers[place] = answer
        return answers


def _registration(request: pb.RegisterHouseholdRequest) -> Registration:
    consent = None
    if request.HasField("consent"):
        consent = Consent(request.consent.given_at.ToDatetime(tzinfo=UTC), request.consent.evidence_sha256)
    return Registration(
        request_id=UUID(request.request_id),
        household_id=UUID(request.household_id),
        area=request.area,
        address=request.address,
        residents=tuple(
            Resident(UUID(one.resident_id), one.name, one.id_number, one.phone) for one in request.residents
        ),
        channel=Channel(request.channel),
        consent=consent,
        drill_id=request.drill_id,
    )


def _resident(resident_id: UUID, details: Details) -> pb.Resident:
    return pb.Resident(
        resident_id=str(resident_id), name=details.name, id_number=details.id_number, phone=details.phone
    )
