"""The log's entry of a suspension: a salted commitment to what was decided, without a name of a person."""

from datetime import datetime
from uuid import UUID

import cbor2
from ledger.commitment import Leaf, new_salt


def leaf_of(
    suspension_id: UUID,
    venue_id: UUID,
    measure_id: UUID,
    policy_id: UUID,
    step: int,
    starts_at: datetime,
    ends_at: datetime,
    drill_id: str,
) -> Leaf:
    """Canonical CBOR (RFC 8949 §4.2.1), with nothing in it that names a person; who decided stands in the table.

    [ "lilitong/suspension/1", suspension id, venue id, failed inspection's id, policy id, step, start, end (Unix seconds, rounded
    down), drill id ]
    """
    content = cbor2.dumps(
        [
            "lilitong/suspension/1",
            suspension_id.bytes,
            venue_id.bytes,
            measure_id.bytes,
            policy_id.bytes,
            step,
            int(starts_at.timestamp()),
            int(ends_at.timestamp()),
            drill_id,
        ],
        canonical=True,
    )
    return Leaf(content, new_salt())
