"""Explanations (product Q11): enough to understand and to contest, and nothing about anybody else."""

from datetime import UTC, datetime
from typing import Any

import ledger.store as log
from asyncpg import Record
from chassis.errors import DomainError, Kind
from google.protobuf.timestamp_pb2 import Timestamp
from ledger.commitment import Leaf
from ledger.note import Signer
from ledger.store import Db
from lilitong.quarantine.v1 import restriction_pb2 as pb

from quarantine.restrictions import sealing, store
from quarantine.restrictions.model import Restriction, told_half_day, told_venue
from quarantine.restrictions.sealing import ErasedError, Person, Sealer
from quarantine.restrictions.texts import TEXTS

_DECIDED_BY_TWO = 2


async def explain(conn: Db, sealer: Sealer, signer: Signer, restriction: Restriction, now: datetime) -> pb.Explanation:
    """What the person may be told of one restriction, with a proof against the log as it is now."""
    row = await store.explanation(conn, restriction.restriction_id)
    if row is None:
        raise RuntimeError("a restriction has evidence and a policy")
    person = Person(row["resident_id"], row["data_key"])
    try:
        evidence = sealer.open_map(person, sealing.EVIDENCE, row["sealed"])
        leaf = Leaf.unpack(sealer.open(person, sealing.LEAF, row["sealed_leaf"]))
    except ErasedError:
        raise DomainError(Kind.NOT_FOUND, "NO_RESIDENT", "There is no such resident.") from None
    day, half = told_half_day(_when(evidence))
    text_zh, text_en = TEXTS[restriction.reason]
    ends_at = Timestamp()
    ends_at.FromDatetime(restriction.ends_at)
    return pb.Explanation(
        reason=int(restriction.reason),  # type: ignore[arg-type]  # the numbers are the contract's
        text_zh=text_zh,
        text_en=text_en,
        evidence_type=row["type"],
        exposure_day=day,
        exposure_half=int(half),  # type: ignore[arg-type]
        venue_name=told_venue(str(evidence.get("venue", "")), int(evidence.get("visitors", 0))),
        approver_roles=["approver"] * max(_DECIDED_BY_TWO, row["approvals"]),
        policy_title=row["title"],
        policy_version=row["policy_version"],
        ends_at=ends_at,
        state=int(restriction.state(now)),  # type: ignore[arg-type]
        proof=await _proof(conn, signer, leaf, row),
        drill_id=restriction.drill_id,
    )


def _when(evidence: dict[str, Any]) -> datetime:
    """The moment the evidence is about: of a stay its beginning, of a specimen its taking, else the last exposure."""
    for name in ("specimen_at", "from", "until"):
        if name in evidence:
            return datetime.fromtimestamp(int(evidence[name]), UTC)
    raise ValueError("evidence says when")


async def _proof(conn: Db, signer: Signer, leaf: Leaf, row: Record) -> pb.LogProof:
    edge = await log.frontier(conn)
    path = await log.inclusion_proof(conn, row["leaf_index"], edge.size)
    return pb.LogProof(
        content=leaf.content,
        salt=leaf.salt,
        leaf_index=row["leaf_index"],
        tree_size=edge.size,
        path=path,
        checkpoint=await log.checkpoint(conn, signer),
    )
