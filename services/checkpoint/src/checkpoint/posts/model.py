"""Posts and devices: pure types and rules."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from verdicts.model import Policy


@dataclass(frozen=True, slots=True)
class Post:
    """A control post. post: its short number, 0 while it has none. level: 1 to 6, as in the contract."""

    post_id: UUID
    name: str
    level: int
    area: str
    post: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """A scanner as stored. public_key: SubjectPublicKeyInfo, DER."""

    device_id: UUID
    post: int
    public_key: bytes
    label: str
    enrolled_at: datetime
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """A device with the post it stands at, as lists show it."""

    device: Device
    post_id: UUID


@dataclass(frozen=True, slots=True)
class TimedPolicy:
    """A version of what is checked, and from when."""

    policy: Policy
    effective_from: datetime


def read_key(der: bytes) -> EllipticCurvePublicKey | None:
    """The P-256 key in a SubjectPublicKeyInfo, None when it is another kind, damaged or not in its one DER form."""
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        return None
    same = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == der
    return key if same else None
