"""People's data keys, wrapped by a key-encryption key (KEK) of the vault: the newest version wraps, all believed ones unwrap."""

from typing import Final
from uuid import UUID

from chassis.errors import DomainError, Kind
from chassis.key_versions import KeyVersionError, Versions
from passes import sealing
from passes.vault import KeyVault
from passes.versions import SecretVersions

KEK: Final = "people-kek"
"""The vault's name of the secret that wraps people's data keys, in its first version."""


def keks_of(vault: KeyVault) -> Versions[bytes]:
    return Versions(SecretVersions(vault, KEK))


class Wrapping:
    """What is stored names the KEK that wrapped it, so that a wrapped key is read wherever it is carried."""

    def __init__(self, keks: Versions[bytes]) -> None:
        self.keks = keks

    @classmethod
    def of(cls, vault: KeyVault) -> "Wrapping":
        """By the vault's first KEK, until versions are loaded."""
        return cls(keks_of(vault))

    def wrap(self, data_key: bytes, resident_id: UUID) -> bytes:
        """Bound to the person."""
        version, kek = self.keks.current
        return sealing.wrap(kek, data_key, resident_id.bytes, version)

    def unwrap(self, wrapped: bytes, resident_id: UUID) -> bytes:
        """Raises `passes.errors.SealError` for another's or an altered one, UNAVAILABLE / KEY_MISSING without its KEK."""
        try:
            kek = self.keks.get(sealing.kek_version(wrapped))
        except KeyVersionError:
            raise DomainError(
                Kind.UNAVAILABLE, "KEY_MISSING", "The key to this record is not here; try again."
            ) from None
        return sealing.unwrap(kek, wrapped, resident_id.bytes)
