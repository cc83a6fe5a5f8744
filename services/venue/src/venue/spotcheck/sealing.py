"""The seed and what is promised about it in the log. Each is a line of text or canonical CBOR, so that anybody can make it."""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

import cbor2
from ledger.commitment import SALT_SIZE, Leaf, new_salt

NO_SALT: Final = bytes(SALT_SIZE)
"""The opening hides nothing, and a salt that the service throws would be a die that it could throw again."""
_SECRET: Final = b"lilitong/spot-check-secret/1\x00"


def secret_of(key: bytes, draw_id: UUID, frame_hash: bytes) -> bytes:
    """32 bytes that follow from the vault's key and the frozen frame: the service has nothing to choose or to throw again."""
    return hmac.digest(key, _SECRET + draw_id.bytes + frame_hash, "sha256")


def hash_of_secret(secret: bytes) -> bytes:
    return sha256(f"lilitong/spot-check-secret/1|{secret.hex()}".encode()).digest()


def seed_of(secret: bytes, draw_id: UUID, beacon: bytes) -> bytes:
    """`beacon`: the log's root right after the entry with the second person's number."""
    return sha256(f"lilitong/spot-check-seed/1|{secret.hex()}|{draw_id}|{beacon.hex()}".encode()).digest()


def commitment_content(
    draw_id: UUID, frame_hash: bytes, secret_hash: bytes, committed_at: datetime, ends_at: datetime, drill_id: str
) -> bytes:
    """["lilitong/spot-check-commitment/1", draw id, hash of the frame, hash of the secret, when, end, drill id].

    Times are Unix seconds, rounded down.
    """
    return cbor2.dumps(
        [
            "lilitong/spot-check-commitment/1",
            draw_id.bytes,
            frame_hash,
            secret_hash,
            int(committed_at.timestamp()),
            int(ends_at.timestamp()),
            drill_id,
        ],
        canonical=True,
    )


def opening_content(draw_id: UUID, commitment_hash: bytes, contribution: bytes) -> bytes:
    """["lilitong/spot-check-opening/1", draw id, hash of the commitment's entry, the second person's number]."""
    return cbor2.dumps(["lilitong/spot-check-opening/1", draw_id.bytes, commitment_hash, contribution], canonical=True)


def new_commitment(content: bytes) -> Leaf:
    return Leaf(content, new_salt())


def opening(content: bytes) -> Leaf:
    return Leaf(content, NO_SALT)
