"""The log's entry of a recall: a salted commitment to what was decided, without a name of a person."""

from datetime import datetime
from uuid import UUID

import cbor2
from ledger.commitment import Leaf, new_salt


def leaf_of(decision_id: UUID, lot_id: UUID, proposal_id: UUID, decided_at: datetime, drill_id: str) -> Leaf:
    """Canonical CBOR (RFC 8949 §4.2.1), with nothing in it that names a person; who decided stands in the table.

    [ "lilitong/lot-recall/1", decision's id, lot id, proposal's id, decided at (Unix seconds, rounded down), drill id ]
    """
    content = cbor2.dumps(
        [
            "lilitong/lot-recall/1",
            decision_id.bytes,
            lot_id.bytes,
            proposal_id.bytes,
            int(decided_at.timestamp()),
            drill_id,
        ],
        canonical=True,
    )
    return Leaf(content, new_salt())
