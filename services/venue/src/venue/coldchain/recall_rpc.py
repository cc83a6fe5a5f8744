"""The RPCs of recalls: propose, decide, trace, prove."""
# ruff: noqa: N802 - methods carry the names of the contract

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, current_caller
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pool import Connection
from ledger import store as log
from ledger.note import Signer
from lilitong.venue.v1 import cold_chain_pb2 as pb

from venue.coldchain import finding, recall_store, refusals, store, trail
from venue.coldchain.encoding import encode_recall, encode_trace
from venue.coldchain.model import Decision, Voice
from venue.coldchain.recalling import Recalling
from venue.register.model import Venue

_PROPOSERS = {"inspector", "venue_officer", "enforcement_lead"}
_DECIDERS = {"enforcement_lead"}
# Who may know the tags of those who handled a lot.
_TRACERS = {"enforcement_lead", "command"}
_PROVERS = {"enforcement_lead", "venue_officer", "command", "auditor"}


class RecallMethods:
    """A part of `ColdChainServicer`."""

    pool: asyncpg.Pool
    clock: Clock
    signer: Signer
    recalling: Recalling
    once: Callable[..., Awaitable[Any]]

    @allow(roles=_PROPOSERS, area=RESOURCE)
    async def ProposeLotRecall(self, request: pb.ProposeLotRecallRequest, _: Any) -> pb.ProposeLotRecallResponse:
        lot_id = UUID(request.lot_id)

        async def find(conn: Connection) -> Venue:
            return await finding.premises_of(conn, lot_id, _PROPOSERS)

        async def act(conn: Connection, _: Venue) -> pb.ProposeLotRecallResponse:
            person = current_caller().subject
            found = await self.recalling.propose(conn, lot_id, UUID(request.proposal_id), person, request.reason)
            return pb.ProposeLotRecallResponse(recall=encode_recall(found))

        answer: pb.ProposeLotRecallResponse = await self.once(request, pb.ProposeLotRecallResponse, find, act)
        return answer

    @allow(roles=_DECIDERS, area=RESOURCE)
    async def DecideLotRecall(self, request: pb.DecideLotRecallRequest, _: Any) -> pb.DecideLotRecallResponse:
        proposal_id = UUID(request.proposal_id)

        async def find(conn: Connection) -> UUID:
            return await finding.lot_proposed(conn, proposal_id, _DECIDERS)

        async def act(conn: Connection, lot_id: UUID) -> pb.DecideLotRecallResponse:
            voice = Voice(current_caller().subject, Decision(request.decision), request.reason, self.clock.now())
            decision_id = UUID(request.decision_id)
            found = await self.recalling.decide(conn, lot_id, proposal_id, decision_id, voice)
            return pb.DecideLotRecallResponse(recall=encode_recall(found))

        answer: pb.DecideLotRecallResponse = await self.once(request, pb.DecideLotRecallResponse, find, act)
        return answer

    @allow(roles=_TRACERS, area=RESOURCE)
    async def TraceLot(self, request: pb.TraceLotRequest, _: Any) -> pb.TraceLotResponse:
        lot_id = UUID(request.lot_id)
        async with self.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            await finding.premises_of(conn, lot_id, _TRACERS)
            head = await store.head(conn, lot_id)
            if head is None:
                raise refusals.unknown_lot()
            return encode_trace(head, await trail.trace(conn, lot_id))

    @allow(roles=_PROVERS | {"venue_operator"}, area=RESOURCE)
    async def GetLotRecallProof(self, request: pb.GetLotRecallProofRequest, _: Any) -> pb.GetLotRecallProofResponse:
        async with self.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            found = await recall_store.leaf_of(conn, UUID(request.decision_id))
            if found is None:
                raise DomainError(Kind.NOT_FOUND, "RECALL_UNKNOWN", "There is no such recall.")
            lot_id, index, leaf = found
            await finding.premises_of(conn, lot_id, _PROVERS)
            edge = await log.frontier(conn)
            return pb.GetLotRecallProofResponse(
                content=leaf.content,
                salt=leaf.salt,
                leaf_index=index,
                tree_size=edge.size,
                path=await log.inclusion_proof(conn, index, edge.size),
                checkpoint=await log.checkpoint(conn, self.signer),
            )
