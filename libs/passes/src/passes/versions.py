"""Keys of a vault that have versions: <name> is the first, <name>-2 the next. Found, made, and told apart.

Each class is what `chassis.key_versions` asks of a source.
"""

import hmac
from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Generic, TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passes import cose
from passes.errors import VaultError
from passes.vault import KeyVault

MARK_BYTES = cose.KID_BYTES
_MARK = b"lilitong/key-mark/1\x00"
K = TypeVar("K", bytes, EllipticCurvePrivateKey, Ed25519PrivateKey)


def vault_name(name: str, version: int) -> str:
    """Under what name the vault keeps it."""
    return name if version == 1 else f"{name}-{version}"


@dataclass(frozen=True, slots=True)
class _Named(ABC, Generic[K]):
    """`brought`: replicas have no vault in common, so that a new version has to be in what is provided to all of them."""

    vault: KeyVault
    name: str
    brought: bool = False
    suffix: ClassVar[str]

    def file(self, version: int) -> str:
        return f"{vault_name(self.name, version)}.{self.suffix}"

    def find(self, version: int) -> K | None:
        return self._load(vault_name(self.name, version)) if self.vault.has(self.file(version)) else None

    def make(self, version: int) -> K:
        """Raises `VaultError`."""
        if self.brought and version > 1 and not self.vault.has(self.file(version)):
            raise VaultError(f"{self.file(version)} is not there: put it into the Secret, and ask again in two minutes")
        return self._load(vault_name(self.name, version))

    @abstractmethod
    def _load(self, name: str) -> K:
        """The vault's key of that name, made at its first use."""


class SecretVersions(_Named[bytes]):
    """Secrets of 32 bytes."""

    __slots__ = ()
    suffix = "bin"

    def _load(self, name: str) -> bytes:
        return self.vault.secret(name)

    def mark(self, key: bytes) -> bytes:
        return hmac.digest(key, _MARK + self.name.encode(), "sha256")[:MARK_BYTES]

    def public(self, _: bytes) -> None:
        return None


class CodeKeyVersions(_Named[EllipticCurvePrivateKey]):
    """P-256 keys; the mark is the kid."""

    __slots__ = ()
    suffix = "pem"

    def _load(self, name: str) -> EllipticCurvePrivateKey:
        return self.vault.signing_key(name)

    def mark(self, key: EllipticCurvePrivateKey) -> bytes:
        return cose.kid_of(key.public_key())

    def public(self, key: EllipticCurvePrivateKey) -> bytes:
        return cose.point_of(key.public_key())


class LogKeyVersions(_Named[Ed25519PrivateKey]):
    """Ed25519 keys; the mark is the start of the SHA-256 of the public one."""

    __slots__ = ()
    suffix = "pem"

    def _load(self, name: str) -> Ed25519PrivateKey:
        return self.vault.ed25519_key(name)

    def mark(self, key: Ed25519PrivateKey) -> bytes:
        return sha256(self.public(key)).digest()[:MARK_BYTES]

    def public(self, key: Ed25519PrivateKey) -> bytes:
        return key.public_key().public_bytes_raw()
