"""COSE_Sign1 with ES256 (RFC 9052, RFC 9053), as far as passes and device tokens need it, and raw ES256 signatures.

Only one shape is accepted: tag 18, protected header exactly {1: -7, 4: kid}, empty unprotected header, attached
payload, 64-byte signature. Signing is deterministic (RFC 6979): no signature depends on the quality of a random
number, and the same code always prints the same.
"""

from dataclasses import dataclass
from typing import Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passes.cbor import Reader, malformed
from passes.errors import PassError, Reason

SIGNATURE_BYTES: Final = 64
POINT_BYTES: Final = 65
KID_BYTES: Final = 8
_CURVE: Final = SECP256R1()
_SIGN: Final = ECDSA(SHA256(), deterministic_signing=True)
_VERIFY: Final = ECDSA(SHA256())
_VERIFY_DIGEST: Final = ECDSA(Prehashed(SHA256()))
_SIGN1_TAG: Final = 18
_ALG, _KID, _ES256 = 1, 4, -7
_SHORTEST_KID, _LONGEST_KID, _LONGEST_PAYLOAD = 8, 16, 1024


def sign_raw(private_key: EllipticCurvePrivateKey, message: bytes) -> bytes:
    """ES256 over `message` as 64 bytes r || s, each big-endian and zero-padded to 32 bytes."""
    r, s = decode_dss_signature(private_key.sign(message, _SIGN))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify_raw(public_key: EllipticCurvePublicKey, signature: bytes, message: bytes) -> None:
    """Check a 64-byte r || s signature; PassError(BAD_SIGNATURE) if it does not fit."""
    _verify(public_key, signature, message, _VERIFY)


def verify_digest(public_key: EllipticCurvePublicKey, signature: bytes, digest: bytes) -> None:
    """As `verify_raw`, given the SHA-256 of the message, for callers that need the digest themselves."""
    _verify(public_key, signature, digest, _VERIFY_DIGEST)


def _verify(public_key: EllipticCurvePublicKey, signature: bytes, data: bytes, algorithm: ECDSA) -> None:
    if len(signature) != SIGNATURE_BYTES:
        raise PassError(Reason.BAD_SIGNATURE)
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        public_key.verify(der, data, algorithm)
    except InvalidSignature:
        raise PassError(Reason.BAD_SIGNATURE) from None


def point_of(public_key: EllipticCurvePublicKey) -> bytes:
    """The public key as a 65-byte uncompressed SEC1 point (04 || x || y), the form in which keys travel."""
    return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_of_point(point: bytes) -> EllipticCurvePublicKey:
    """The P-256 key of a 65-byte point; PassError(MALFORMED) when it is not a point of the curve."""
    if len(point) != POINT_BYTES:
        raise malformed()
    try:
        return EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    except ValueError:
        raise malformed() from None


def kid_of(public_key: EllipticCurvePublicKey) -> bytes:
    """The 8-byte id of an issuer's key: the start of the SHA-256 of its 65-byte point; the same for all passes."""
    digest = Hash(SHA256())
    digest.update(point_of(public_key))
    return digest.finalize()[:KID_BYTES]


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed, not yet verified COSE_Sign1."""

    kid: bytes
    payload: bytes
    signed: bytes
    signature: bytes

    def verify(self, public_key: EllipticCurvePublicKey) -> None:
        """PassError(BAD_SIGNATURE) unless `public_key` signed this header and payload."""
        verify_raw(public_key, self.signature, self.signed)


def sign1(payload: bytes, private_key: EllipticCurvePrivateKey, kid: bytes) -> bytes:
    """Encode and sign; `kid` has 8 to 16 bytes, the payload at most 1024."""
    if not _SHORTEST_KID <= len(kid) <= _LONGEST_KID or len(payload) > _LONGEST_PAYLOAD:
        raise ValueError("kid or payload has a size that no verifier accepts")
    protected = cbor2.dumps({_ALG: _ES256, _KID: kid}, canonical=True)
    signature = sign_raw(private_key, _sig_structure(protected, payload))
    return cbor2.dumps(cbor2.CBORTag(_SIGN1_TAG, [protected, {}, payload, signature]), canonical=True)


def parse_sign1(data: bytes) -> Sign1:
    """Parse strictly; PassError(MALFORMED) for anything but the one accepted shape."""
    reader = Reader(data)
    reader.tag(_SIGN1_TAG)
    reader.array(4, 4)
    protected = reader.bstr(5 + _SHORTEST_KID, 5 + _LONGEST_KID)
    reader.map(0, 0)
    payload = reader.bstr(1, _LONGEST_PAYLOAD)
    signature = reader.bstr(SIGNATURE_BYTES, SIGNATURE_BYTES)
    reader.end()
    header = Reader(protected)
    header.map(2, 2)
    header.expect(_ALG, _ES256, _KID)
    kid = header.bstr(_SHORTEST_KID, _LONGEST_KID)
    header.end()
    return Sign1(kid, payload, _sig_structure(protected, payload), signature)


def _sig_structure(protected: bytes, payload: bytes) -> bytes:
    """The bytes that are signed (RFC 9052 section 4.4): ["Signature1", protected, empty external data, payload]."""
    return b"\x84\x6aSignature1" + _bstr(protected) + b"\x40" + _bstr(payload)


def _bstr(value: bytes) -> bytes:
    size = len(value)
    if size < 24:  # noqa: PLR2004 - the numbers RFC 8949 gives
        return bytes((0x40 | size,)) + value
    if size < 256:  # noqa: PLR2004
        return bytes((0x58, size)) + value
    return b"\x59" + size.to_bytes(2, "big") + value
