"""The keys that verifiers believe, as quarantine publishes them; an immutable view of one moment.

A key counts from `not_before` until `not_after` unless it is revoked. Views are cheap: take a new one whenever the
list or the clock has moved (`TrustStore` does).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from ledger.note import NoteError, Verifier
from lilitong.quarantine.v1 import keys_pb2

_ALWAYS_FROM = datetime(1970, 1, 1, tzinfo=UTC)
_ALWAYS_UNTIL = datetime(9999, 1, 1, tzinfo=UTC)


class Use(StrEnum):
    PASS = "pass"  # noqa: S105 - a use of keys, not a password
    DRILL_PASS = "drill_pass"  # noqa: S105
    LOG = "log"
    SEALING = "sealing"


_USES = {
    keys_pb2.KEY_USE_PASS: Use.PASS,
    keys_pb2.KEY_USE_DRILL_PASS: Use.DRILL_PASS,
    keys_pb2.KEY_USE_LOG: Use.LOG,
    keys_pb2.KEY_USE_SEALING: Use.SEALING,
}
_NUMBERS = {use: number for number, use in _USES.items()}


@dataclass(frozen=True, slots=True)
class Key:
    """One published key. kid: 8 bytes. public_key: SubjectPublicKeyInfo, DER. origin: the log's name, for log keys."""

    kid: bytes
    use: Use
    public_key: bytes
    not_before: datetime
    not_after: datetime
    revoked: bool = False
    origin: str = ""

    def valid_at(self, moment: datetime) -> bool:
        return not self.revoked and self.not_before <= moment < self.not_after


@dataclass(frozen=True, slots=True)
class PassKey:
    """An issuer's key for passes; `drill` tells which kind it may sign, and no other."""

    public_key: EllipticCurvePublicKey
    drill: bool


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Keys valid at one moment, by what they are for. `sealing`: the newest key that person details are sealed to."""

    passes: Mapping[bytes, PassKey] = field(default_factory=lambda: MappingProxyType({}))
    logs: tuple[Verifier, ...] = ()
    sealing: tuple[bytes, EllipticCurvePublicKey] | None = None

    @classmethod
    def of(cls, keys: Iterable[Key], moment: datetime) -> "TrustedKeys":
        """Keys of a kind that does not fit their use are left out: the others must go on being believed."""
        passes: dict[bytes, PassKey] = {}
        logs: list[Verifier] = []
        sealing: tuple[bytes, EllipticCurvePublicKey] | None = None
        for key in sorted(keys, key=lambda key: key.not_before):
            public = _load(key.public_key) if key.valid_at(moment) else None
            if isinstance(public, Ed25519PublicKey) and key.use is Use.LOG:
                try:
                    logs.append(Verifier(key.origin, public.public_bytes_raw()))
                except NoteError:
                    continue
            elif isinstance(public, EllipticCurvePublicKey) and key.use in (Use.PASS, Use.DRILL_PASS):
                passes[key.kid] = PassKey(public, drill=key.use is Use.DRILL_PASS)
            elif isinstance(public, EllipticCurvePublicKey) and key.use is Use.SEALING:
                sealing = (key.kid, public)
        return cls(MappingProxyType(passes), tuple(logs), sealing)


def from_messages(messages: Iterable[keys_pb2.VerificationKey]) -> list[Key]:
    """Keys of uses that this version does not know are skipped. A missing time means no bound on that side."""
    return [
        Key(
            kid=message.kid,
            use=_USES[message.use],
            public_key=message.public_key,
            not_before=message.not_before.ToDatetime(UTC) if message.HasField("not_before") else _ALWAYS_FROM,
            not_after=message.not_after.ToDatetime(UTC) if message.HasField("not_after") else _ALWAYS_UNTIL,
            revoked=message.revoked,
            origin=message.origin,
        )
        for message in messages
        if message.use in _USES
    ]


def to_messages(keys: Iterable[Key]) -> list[keys_pb2.VerificationKey]:
    messages = []
    for key in keys:
        message = keys_pb2.VerificationKey(
            kid=key.kid, use=_NUMBERS[key.use], public_key=key.public_key, revoked=key.revoked, origin=key.origin
        )
        message.not_before.FromDatetime(key.not_before)
        message.not_after.FromDatetime(key.not_after)
        messages.append(message)
    return messages


def _load(der: bytes) -> EllipticCurvePublicKey | Ed25519PublicKey | None:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    return key if isinstance(key, Ed25519PublicKey) else None
