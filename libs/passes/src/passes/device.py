"""Scanner devices.

The short-lived token with which a device proves that it holds its enrolled key, and its signature over a batch.

A token is a CWT in a COSE_Sign1 whose key id is the device id, so a verifier finds the key before it reads the
claims. P-256 like all our keys, because phones and handhelds keep such keys in hardware.
"""

import base64
import binascii
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from passes import cose
from passes.cbor import Reader, malformed
from passes.errors import PassError, Reason

PREFIX: Final = "LLD1."
AUDIENCE: Final = "lilitong-checkpoint"
MAX_LIFE: Final = timedelta(minutes=5)
MAX_AHEAD: Final = timedelta(seconds=30)
NONCE_BYTES: Final = 16
DIGEST_BYTES: Final = 32
BATCH_DOMAIN: Final = b"lilitong/batch/1"
_AUD, _EXP, _IAT, _CTI = 3, 4, 6, 7
_ID_BYTES, _MAX_TOKEN, _MAX_AUDIENCE, _MAX_TIME = 16, 512, 64, 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class DeviceToken:
    """A verified token. Cache it, by its text, until expires_at; nonce: 16 bytes, different in every token."""

    device: UUID
    issued_at: datetime
    expires_at: datetime
    nonce: bytes


def mint(
    device: UUID,
    private_key: EllipticCurvePrivateKey,
    now: datetime,
    *,
    life: timedelta = MAX_LIFE,
    audience: str = AUDIENCE,
    nonce: bytes | None = None,
) -> str:
    """A token as text for the authorization metadata: LLD1. and base64url without padding. `life`: 1 s to 5 minutes."""
    if not timedelta(seconds=1) <= life <= MAX_LIFE:
        raise ValueError("a device token lives at most five minutes")
    issued = int(now.timestamp())
    claims = {
        _AUD: audience,
        _EXP: issued + int(life.total_seconds()),
        _IAT: issued,
        _CTI: secrets.token_bytes(NONCE_BYTES) if nonce is None else nonce,
    }
    token = cose.sign1(cbor2.dumps(claims, canonical=True), private_key, device.bytes)
    return PREFIX + base64.urlsafe_b64encode(token).rstrip(b"=").decode("ascii")


def verify(
    token: str,
    public_key_of: Callable[[UUID], EllipticCurvePublicKey | None],
    now: datetime,
    *,
    audience: str = AUDIENCE,
) -> DeviceToken:
    """Check a token. `public_key_of` gives None for a device that is unknown or revoked.

    PassError: MALFORMED, UNKNOWN_KEY, BAD_SIGNATURE, WRONG_CONTEXT (another audience), STALE (expired), CLOCK (made
    in our future).
    """
    signed = cose.parse_sign1(_decode(token))
    if len(signed.kid) != _ID_BYTES:
        raise malformed()
    device = UUID(bytes=signed.kid)
    key = public_key_of(device)
    if key is None:
        raise PassError(Reason.UNKNOWN_KEY)
    signed.verify(key)
    reader = Reader(signed.payload)
    reader.map(4, 4)
    reader.expect(_AUD)
    meant_for = reader.tstr(1, _MAX_AUDIENCE)
    reader.expect(_EXP)
    expires = reader.uint()
    reader.expect(_IAT)
    issued = reader.uint()
    reader.expect(_CTI)
    nonce = reader.bstr(NONCE_BYTES, NONCE_BYTES)
    reader.end()
    if expires > _MAX_TIME or not 0 < expires - issued <= MAX_LIFE.total_seconds():
        raise malformed()
    if meant_for != audience:
        raise PassError(Reason.WRONG_CONTEXT)
    issued_at, expires_at = datetime.fromtimestamp(issued, UTC), datetime.fromtimestamp(expires, UTC)
    if issued_at > now + MAX_AHEAD:
        raise PassError(Reason.CLOCK)
    if now >= expires_at:
        raise PassError(Reason.STALE)
    return DeviceToken(device, issued_at, expires_at, nonce)


def sign_batch(private_key: EllipticCurvePrivateKey, payload_digest: bytes) -> bytes:
    """The device's 64-byte signature over the 32-byte SHA-256 of a batch.

    By it the device answers for having verified the passes in the batch.
    """
    return cose.sign_raw(private_key, _batch(payload_digest))


def verify_batch(public_key: EllipticCurvePublicKey, payload_digest: bytes, signature: bytes) -> None:
    """PassError(BAD_SIGNATURE) unless the device signed this batch."""
    cose.verify_raw(public_key, signature, _batch(payload_digest))


def _batch(payload_digest: bytes) -> bytes:
    if len(payload_digest) != DIGEST_BYTES:
        raise ValueError("a SHA-256 digest has 32 bytes")
    return BATCH_DOMAIN + payload_digest


def _decode(token: str) -> bytes:
    if len(token) > _MAX_TOKEN or not token.startswith(PREFIX):
        raise malformed()
    body = token.removeprefix(PREFIX)
    try:
        data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        raise malformed() from None
    # The decoder skips foreign characters and stray bits; encoding again leaves one spelling only.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != body.encode("ascii", "replace"):
        raise malformed()
    return data
