"""The fixed keys of the test vectors. They are published: nothing real may ever be signed or sealed with them."""

from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key

from passes import cose
from passes.pass_token import IssuerKey

DAY: Final = date(2022, 3, 15)
NOON: Final = datetime(2022, 3, 15, 4, 0, tzinfo=UTC)
DEVICE: Final = UUID("6f1d0a52-7c1e-4f0e-9a61-2b8a4f5e9c10")
ROLES: Final = ("issuer", "drill_issuer", "phone", "venue_issuer", "device", "quarantine", "stranger")


def secret(name: str, size: int = 32) -> bytes:
    """A fixed byte string: the start of SHA-256 over a label."""
    return sha256(b"lilitong TEST ONLY " + name.encode()).digest()[:size]


def private_key(role: str) -> EllipticCurvePrivateKey:
    """The fixed P-256 key of a role."""
    return derive_private_key(int.from_bytes(secret(role), "big") >> 1, SECP256R1())


def kid(role: str) -> bytes:
    """Key id of a role's public key."""
    return cose.kid_of(private_key(role).public_key())


def point(role: str) -> bytes:
    """65-byte public point of a role's key."""
    return cose.point_of(private_key(role).public_key())


def issuer_keys() -> dict[bytes, IssuerKey]:
    """What the verifier of the vectors accepts."""
    return {
        kid("issuer"): IssuerKey(private_key("issuer").public_key()),
        kid("drill_issuer"): IssuerKey(private_key("drill_issuer").public_key(), drill=True),
    }


def as_json() -> dict[str, object]:
    """Everything an implementation in another language needs to follow the vectors."""
    return {
        "warning": "TEST ONLY. These private keys are public; nothing real may be signed or sealed with them.",
        "keys": {
            role: {
                "private_scalar": f"{private_key(role).private_numbers().private_value:064x}",
                "public_point": point(role).hex(),
                "kid": kid(role).hex(),
            }
            for role in ROLES
        },
        "issuers": {kid("issuer").hex(): {"drill": False}, kid("drill_issuer").hex(): {"drill": True}},
        "day_key": secret("day key", 16).hex(),
        "kek": secret("kek").hex(),
        "data_key": secret("data key").hex(),
        "blind_index_key": secret("blind index").hex(),
        "screen_master": secret("screen").hex(),
        "device_id": str(DEVICE),
        "day": DAY.isoformat(),
    }
