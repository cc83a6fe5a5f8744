"""PassService."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.pool import Connection
from chassis.rpc.status import to_proto
from chassis.writes import Writes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from google.protobuf.empty_pb2 import Empty
from lilitong.quarantine.v1 import pass_pb2 as pb
from lilitong.quarantine.v1.pass_pb2_grpc import PassServiceServicer
from passes.cards import card_text
from passes.cose import point_of
from passes.days import date_of, day_number

from quarantine.daysets.issue import Issuer
from quarantine.issuing import store
from quarantine.issuing.issue import Issuing, Passes, Request
from quarantine.issuing.model import Holder, Order


class PassRpc(PassServiceServicer):
    """`lists` are told of cards, `card_number` gives a card's 16 bytes."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        issuing: Issuing,
        lists: Issuer,
        card_number: Callable[[UUID], bytes],
    ) -> None:
        self._clock = clock
        self._issuing = issuing
        self._lists = lists
        self._card_number = card_number
        self._writes = Writes(pool, clock)

    @allow(roles={"app_backend"}, area=RESOURCE)
    async def IssuePasses(self, request: pb.IssuePassesRequest, context: Any) -> pb.IssuePassesResponse:  # noqa: ARG002
        (answer,) = await self._issue([request])
        if isinstance(answer, DomainError):
            raise answer
        return pb.IssuePassesResponse(passes=_encode(answer))

    @allow(roles={"app_backend"}, area=RESOURCE)
    async def BatchIssuePasses(self, request: pb.BatchIssuePassesRequest, context: Any) -> pb.BatchIssuePassesResponse:  # noqa: ARG002
        answers = await self._issue(request.requests)
        if {getattr(one, "kind", None) for one in answers} <= {Kind.NOT_FOUND, Kind.DENIED}:
            # Nobody in the batch exists within the caller's areas: it is refused as a whole, as a single call would be.
            raise next(one for one in answers if isinstance(one, DomainError))
        return pb.BatchIssuePassesResponse(
            results=[
                pb.BatchIssuePassesResponse.Result(resident_id=one.resident_id, error=to_proto(answer))
                if isinstance(answer, DomainError)
                else pb.BatchIssuePassesResponse.Result(resident_id=one.resident_id, passes=_encode(answer))
                for one, answer in zip(request.requests, answers, strict=True)
            ]
        )

    @allow(roles={"grid_worker", "volunteer", "registrar"}, area=RESOURCE)
    async def IssuePaperCard(self, request: pb.IssuePaperCardRequest, context: Any) -> pb.IssuePaperCardResponse:  # noqa: ARG002
        card_id, resident_id = UUID(request.card_id), UUID(request.resident_id)

        async def act(conn: Connection) -> Empty:
            holder = await _holder(conn, resident_id)
            with constraint_errors(store.ERRORS):
                await store.insert_card(conn, card_id, resident_id, holder.drill_id)
            await self._lists.card_changed(conn, holder.drill_id, card_id, self._clock.now())
            return Empty()

        async def authorise(conn: Connection) -> None:
            require_area((await _holder(conn, resident_id)).area)

        # The remembered answer is empty: the card's number follows from its id and must not lie in a table.
        await self._writes.once("IssuePaperCard", request, Empty, act, authorise=authorise)
        return pb.IssuePaperCardResponse(card=card_text(self._card_number(card_id)))

    @allow(roles={"grid_worker", "volunteer", "registrar"}, area=RESOURCE)
    async def RevokePaperCard(self, request: pb.RevokePaperCardRequest, context: Any) -> pb.RevokePaperCardResponse:  # noqa: ARG002
        card_id = UUID(request.card_id)

        async def act(conn: Connection) -> pb.RevokePaperCardResponse:
            card, now = await _card(conn, card_id), self._clock.now()
            if await store.revoke_card(conn, card_id, now):
                await self._lists.card_changed(conn, card["drill_id"], card_id, now)
            return pb.RevokePaperCardResponse()

        async def authorise(conn: Connection) -> None:
            require_area((await _card(conn, card_id))["area"])

        return await self._writes.once("RevokePaperCard", request, pb.RevokePaperCardResponse, act, authorise=authorise)

    async def _issue(self, requests: Sequence[pb.IssuePassesRequest]) -> list[Passes | DomainError]:
        """Passes or the reason why not, in the order of the requests."""
        return await self._issuing.issue([_read(request) for request in requests])


def _read(request: pb.IssuePassesRequest) -> Request:
    keys: list[tuple[date, bytes]] = []
    malformed = None
    for place, key in enumerate(request.keys):
        try:
            point = point_of(EllipticCurvePublicKey.from_encoded_point(SECP256R1(), key.phone_key))
            keys.append((date_of(key.day), point))
        except ValueError:
            fields = {f"keys[{place}]": "is no day with a point of P-256"}
            malformed = DomainError(Kind.INVALID, "INVALID_PHONE_KEY", "A phone key is no key.", fields=fields)
    order = Order(
        UUID(request.request_id),
        UUID(request.resident_id),
        tuple(UUID(one) for one in request.companion_ids),
        tuple(keys),
    )
    return Request(order, sha256(request.SerializeToString(deterministic=True)).digest(), malformed)


def _fields(day: date, token: bytes) -> Mapping[str, Any]:
    return {"day": day_number(day), "pass": token}


def _encode(passes: Passes) -> list[pb.DayPass]:
    # "pass" is a word of Python, so the field has to be named by a string.
    return [pb.DayPass(**_fields(day, token)) for day, token in passes]


async def _holder(conn: Connection, resident_id: UUID) -> Holder:
    holder = (await store.holders(conn, [resident_id])).get(resident_id)
    if holder is None or holder.erased:
        raise DomainError(Kind.NOT_FOUND, "NO_RESIDENT", "There is no such resident.")
    return holder


async def _card(conn: Connection, card_id: UUID) -> asyncpg.Record:
    card = await store.card(conn, card_id)
    if card is None:
        raise DomainError(Kind.NOT_FOUND, "NO_CARD", "There is no such card.")
    return card
