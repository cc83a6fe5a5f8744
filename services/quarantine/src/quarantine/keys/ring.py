"""The signing keys as this process holds them: the list from Postgres, the private halves from the vault."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

import structlog
from chassis.pool import Connection
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets.trust import Key, Use
from passes.cose import KID_BYTES, kid_of
from passes.vault import KeyVault

from quarantine.keys import store
from quarantine.keys.model import SigningKey, published, signing, vault_name

_log = structlog.get_logger("quarantine.keys")
USES: Final = (Use.PASS, Use.DRILL_PASS, Use.LOG, Use.SEALING)


class NoSigningKeyError(Exception):
    """No key of that use could sign at that time."""


def public_of(vault: KeyVault, use: Use, version: int) -> tuple[bytes, bytes]:
    """(kid, SubjectPublicKeyInfo) of the vault's key; it is made at its first use.

    A P-256 key's kid is that of passes and sealed blobs (`passes.cose.kid_of`); the log's is the start of the SHA-256 of
    its 32 raw bytes.
    """
    name = vault_name(use, version)
    if use is Use.LOG:
        log = vault.ed25519_key(name).public_key()
        kid = sha256(log.public_bytes_raw()).digest()[:KID_BYTES]
        return kid, log.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = vault.signing_key(name).public_key()
    return kid_of(public), public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def genuine(vault: KeyVault, keys: Iterable[SigningKey]) -> list[SigningKey]:
    """Those whose public key is the vault's. A row that is not may have been slipped into the table; it is left out, loudly."""
    kept = []
    for key in keys:
        if public_of(vault, key.use, key.version) == (key.kid, key.public_key):
            kept.append(key)
        else:
            _log.error("signing_key_not_in_vault", use=key.use.value, version=key.version)
    return kept


class KeyRing:
    """Reads the list with `load`; everything else is answered from memory."""

    def __init__(self, vault: KeyVault) -> None:
        self._vault = vault
        self._rows: Sequence[SigningKey] = ()
        self._keys: Sequence[SigningKey] = ()
        self._private: dict[str, EllipticCurvePrivateKey] = {}

    async def load(self, conn: Connection) -> None:
        """Take over the list as it stands. The vault is asked only when the list has changed."""
        rows = await store.every(conn)
        if rows == self._rows:
            return
        self._keys = genuine(self._vault, rows)
        self._rows = rows

    @property
    def complete(self) -> bool:
        """Whether there is a key for every use."""
        return {key.use for key in self._keys if key.revoked_at is None} == set(USES)

    def published(self, now: datetime) -> list[Key]:
        return published(self._keys, now)

    def issuer(self, *, drill: bool, at: datetime) -> tuple[EllipticCurvePrivateKey, bytes]:
        """Private key and kid that sign passes at that time. Raises `NoSigningKeyError`."""
        key = self._signing(Use.DRILL_PASS if drill else Use.PASS, at)
        name = vault_name(key.use, key.version)
        if name not in self._private:
            self._private[name] = self._vault.signing_key(name)
        return self._private[name], key.kid

    def log(self, at: datetime) -> tuple[str, str]:
        """(origin, the vault's name of the key) by which the log's checkpoints are signed. Raises `NoSigningKeyError`."""
        key = self._signing(Use.LOG, at)
        return key.origin, vault_name(key.use, key.version)

    def _signing(self, use: Use, at: datetime) -> SigningKey:
        key = signing(self._keys, use, at)
        if key is None:
            raise NoSigningKeyError(use.value)
        return key
