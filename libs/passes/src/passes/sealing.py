"""Encryption of personal data: per person inside quarantine, and to quarantine's public key from outside.

Inside, every person has a data key, wrapped by a key-encryption key of the vault; erasing a person is deleting the
wrapped key. Outside, scanners seal what staff take down so that the checkpoint service carries bytes it cannot read
(HPKE, RFC 9180, single shot, base mode).
"""

import hmac
import secrets
import unicodedata
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from passes.cose import KID_BYTES, kid_of
from passes.errors import SealError

DATA_KEY_BYTES: Final = 32
PAD_BYTES: Final = 128
_VERSION: Final = b"\x01"
_NAMED: Final = b"\x02"
_VERSION_BYTES: Final = 2
_NONCE_BYTES: Final = 12
_WRAP: Final = b"lilitong/wrap/1\x00"
_SEAL: Final = b"lilitong/seal/1\x00"
_SEAL_TO: Final = b"lilitong/seal-to/1\x00"
_SUITE: Final = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def new_data_key() -> bytes:
    """A random 32-byte key for one person's data."""
    return secrets.token_bytes(DATA_KEY_BYTES)


def wrap(kek: bytes, data_key: bytes, aad: bytes, version: int = 1) -> bytes:
    """The data key under the 32-byte key-encryption key, bound to `aad` (the person id), to store.

    `version` is the key-encryption key's, 1 to 65535, and is in what is stored: 61 bytes without one are of the first version,
    63 bytes name another. It is bound like `aad`.
    """
    if len(data_key) != DATA_KEY_BYTES:
        raise ValueError("a data key has 32 bytes")
    if version == 1:
        return _encrypt(kek, data_key, _WRAP + aad)
    named = _NAMED + version.to_bytes(_VERSION_BYTES, "big")
    return named + _encrypt(kek, data_key, _WRAP + named + aad)[1:]


def kek_version(wrapped: bytes) -> int:
    """Of which version the key-encryption key is that wrapped this data key; SealError if it is none."""
    if wrapped[:1] == _VERSION:
        return 1
    version = int.from_bytes(wrapped[1 : 1 + _VERSION_BYTES], "big")
    if wrapped[:1] != _NAMED or version <= 1:
        raise SealError("not a wrapped key")
    return version


def unwrap(kek: bytes, wrapped: bytes, aad: bytes) -> bytes:
    """The data key; SealError when altered, under another key or moved to another person."""
    if wrapped[:1] == _VERSION:
        return _decrypt(kek, wrapped, _WRAP + aad)
    kek_version(wrapped)
    named = wrapped[: 1 + _VERSION_BYTES]
    return _decrypt(kek, _VERSION + wrapped[len(named) :], _WRAP + named + aad)


def seal(data_key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Encrypt under a person's data key, bound to `aad` (person id and column).

    Version || nonce(12) || ciphertext || tag(16).
    """
    return _encrypt(data_key, plaintext, _SEAL + aad)


def open_sealed(data_key: bytes, blob: bytes, aad: bytes) -> bytes:
    """Inverse of `seal`; SealError when altered, under another key or moved to another place."""
    return _decrypt(data_key, blob, _SEAL + aad)


def seal_to(public_key: EllipticCurvePublicKey, plaintext: bytes, aad: bytes) -> bytes:
    """Seal for the holder of a P-256 key, bound to `aad` (which both sides know, e.g. the scan id).

    version || kid(8) || HPKE enc(65) || ciphertext. Padded to a multiple of 128 bytes first: the length of a name and
    an address, seen on two days, would be a trace of the person.
    """
    padded = plaintext + b"\x80"
    padded += bytes(-len(padded) % PAD_BYTES)
    return _VERSION + kid_of(public_key) + _SUITE.encrypt(padded, public_key, _SEAL_TO + aad)


def recipient_of(blob: bytes) -> bytes:
    """The 8-byte kid of the key a blob was sealed to, to find the private key after a rotation.

    SealError if it is no blob.
    """
    if blob[:1] != _VERSION or len(blob) <= 1 + KID_BYTES:
        raise SealError("not a sealed blob")
    return blob[1 : 1 + KID_BYTES]


def unseal(private_key: EllipticCurvePrivateKey, blob: bytes, aad: bytes) -> bytes:
    """Inverse of `seal_to`; SealError when altered, for another key, or bound to something else."""
    if recipient_of(blob) != kid_of(private_key.public_key()):
        raise SealError("sealed to another key")
    try:
        padded = _SUITE.decrypt(blob[1 + KID_BYTES :], private_key, _SEAL_TO + aad)
    except (InvalidTag, ValueError):
        raise SealError("does not open") from None
    plaintext, mark, rest = padded.rpartition(b"\x80")
    if not mark or rest.strip(b"\x00"):
        raise SealError("padding is damaged")
    return plaintext


def normalise_national_id(text: str) -> str:
    """One spelling of a national id: full-width forms folded, spaces and hyphens dropped, letters raised.

    The checksum is not checked.
    """
    folded = unicodedata.normalize("NFKC", text).upper()
    return "".join(char for char in folded if not char.isspace() and char != "-")


def blind_index(key: bytes, national_id: str) -> bytes:
    """32-byte HMAC-SHA256 of the normalised id: found by equality, but not guessable from a dump without the key."""
    return hmac.digest(key, b"lilitong/blind-index/1\x00" + normalise_national_id(national_id).encode(), "sha256")


def _encrypt(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(_checked(key)).encrypt(nonce, plaintext, _VERSION + aad)


def _decrypt(key: bytes, blob: bytes, aad: bytes) -> bytes:
    body = 1 + _NONCE_BYTES
    if blob[:1] != _VERSION or len(blob) < body + 16:
        raise SealError("not a sealed blob")
    try:
        return AESGCM(_checked(key)).decrypt(blob[1:body], blob[body:], _VERSION + aad)
    except InvalidTag:
        raise SealError("does not open") from None


def _checked(key: bytes) -> bytes:
    # The library takes shorter AES keys silently; here a short key is a mix-up of keys.
    if len(key) != DATA_KEY_BYTES:
        raise ValueError("an encryption key has 32 bytes")
    return key
