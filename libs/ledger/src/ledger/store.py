"""The log in Postgres: appending inside the caller's transaction, checkpoints and proofs. All SQL of the log is here.

The tables live in the schema of the service whose log it is (`migrations/00400_ledger.sql`). Appending locks the log's
head until the caller's transaction ends: append as late in a transaction as possible. A rolled back transaction leaves
no trace, so indexes are gapless and a size, once committed, never shrinks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from asyncpg import Connection, Record
from asyncpg.pool import PoolConnectionProxy

from ledger import merkle, note
from ledger.merkle import Frontier, NodeId

MIGRATIONS = Path(__file__).parents[2] / "migrations"
MAX_BATCH = 500

Db: TypeAlias = "Connection[Record] | PoolConnectionProxy[Record]"


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the leaves went: `first_index` and following, and the right edge of the tree once they are in."""

    first_index: int
    frontier: Frontier

    @property
    def size(self) -> int:
        return self.frontier.size

    def checkpoint(self, signer: note.Signer) -> bytes:
        """The signed note for the size after these leaves; needs no query. Publish it after the commit only."""
        return _sign(self.frontier, signer)


async def append(conn: Db, leaves: Sequence[bytes]) -> Appended:
    """Adds 1…500 leaves (data, usually commitments) in order, in one round trip. ValueError on another count.

    What a leaf commits to is up to the caller; a leaf's hash, for foreign keys, is `merkle.leaf_hash(data)`.
    """
    if not 1 <= len(leaves) <= MAX_BATCH:
        raise ValueError(f"append takes 1 to {MAX_BATCH} leaves")
    row = await conn.fetchrow("SELECT first_index, new_size, peaks FROM ledger_append($1::bytea[])", list(leaves))
    if row is None:
        raise RuntimeError("ledger_append returned no row")
    return Appended(row["first_index"], Frontier(row["new_size"], tuple(row["peaks"])))


async def frontier(conn: Db) -> Frontier:
    """The right edge as this transaction sees it, its own appends included."""
    row = await conn.fetchrow("SELECT size, frontier FROM ledger_head")
    if row is None:
        raise RuntimeError("the log has no head")
    return Frontier(row["size"], tuple(row["frontier"]))


async def checkpoint(conn: Db, signer: note.Signer) -> bytes:
    """The signed note for the size this transaction sees.

    Give it to others only after the commit: a signed size that is rolled back is a promise broken.
    """
    return _sign(await frontier(conn), signer)


async def inclusion_proof(conn: Db, index: int, size: int) -> list[bytes]:
    """Proof of leaf `index` in the tree of `size`, deepest sibling first. ValueError when the log is not that long."""
    (proof,) = await inclusion_proofs(conn, [index], size)
    return proof


async def inclusion_proofs(conn: Db, indexes: Sequence[int], size: int) -> list[list[bytes]]:
    """As `inclusion_proof`, for many leaves in one query."""
    plans = [merkle.inclusion_plan(index, size) for index in indexes]
    hashes = await _read(conn, (node for plan in plans for part in plan for node in part))
    return [_resolve(plan, hashes) for plan in plans]


async def consistency_proof(conn: Db, first: int, size: int) -> list[bytes]:
    """Proof that the log of size `first` is a prefix of that of `size`."""
    plan = merkle.consistency_plan(first, size)
    return _resolve(plan, await _read(conn, (node for part in plan for node in part)))


async def _read(conn: Db, nodes: Iterable[NodeId]) -> dict[NodeId, bytes]:
    wanted = sorted(set(nodes))
    rows = await conn.fetch(
        """
        SELECT 0::smallint AS level, leaf_index AS node_index, leaf_hash AS hash
        FROM ledger_leaves WHERE leaf_index = ANY($1::bigint[])
        UNION ALL
        SELECT node.level, node.node_index, node.hash
        FROM unnest($2::smallint[], $3::bigint[]) AS wanted (level, node_index)
        JOIN ledger_nodes AS node USING (level, node_index)
        """,
        [node.position for node in wanted if not node.level],
        [node.level for node in wanted if node.level],
        [node.position for node in wanted if node.level],
    )
    return {NodeId(row["level"], row["node_index"]): row["hash"] for row in rows}


def _resolve(plan: Sequence[Sequence[NodeId]], hashes: dict[NodeId, bytes]) -> list[bytes]:
    try:
        return [merkle.fold([hashes[node] for node in part]) for part in plan]
    except KeyError:
        raise ValueError("the log does not hold a tree of that size") from None


def _sign(edge: Frontier, signer: note.Signer) -> bytes:
    return note.sign(note.Checkpoint(signer.name, edge.size, edge.root()), signer)
