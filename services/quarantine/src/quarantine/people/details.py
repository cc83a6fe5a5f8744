"""A person's details as they are stored: sealed under the person's own key, found by a keyed hash of the national ID."""

import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import cbor2
from passes import sealing
from passes.vault import KeyVault

from quarantine.people.wrapping import Wrapping

_COLUMN: Final = b"details"
_DRILL: Final = b"lilitong/drill-index/1\x00"
_REQUEST: Final = b"lilitong/registration/1\x00"


@dataclass(frozen=True, slots=True)
class Details:
    """Who somebody is. `phone` is E.164, empty for people without one; the address is the household's."""

    name: str
    id_number: str
    phone: str
    address: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the register to be: the wrapped data key, the sealed details, the blind index (32 bytes)."""

    resident_id: UUID
    data_key: bytes
    sealed: bytes
    id_index: bytes


class PersonKeys:
    """`wrapping` wraps the people's data keys; `index` keys the blind index, `digests` the digests of requests; 32 bytes each.

    Erasing a person is deleting the wrapped key: without it nothing that was sealed can be read again. The address is kept
    with each member of the household for that reason, and not once with the household.
    """

    def __init__(self, wrapping: Wrapping, index: bytes, digests: bytes) -> None:
        self._wrapping = wrapping
        self._index = index
        self._digests = digests

    @classmethod
    def of(cls, vault: KeyVault, wrapping: Wrapping | None = None) -> "PersonKeys":
        """The vault's, made at their first use."""
        return cls(
            wrapping or Wrapping.of(vault), vault.secret("national-id-index"), vault.secret("registration-digests")
        )

    def seal(self, resident_id: UUID, details: Details, drill_id: str) -> Stored:
        """The row for a new person, under a new key."""
        data_key = sealing.new_data_key()
        content = cbor2.dumps(
            {
                "name": details.name,
                "id_number": details.id_number,
                "phone": details.phone,
                "address": details.address,
            }
        )
        return Stored(
            resident_id,
            self._wrapping.wrap(data_key, resident_id),
            sealing.seal(data_key, content, resident_id.bytes + _COLUMN),
            self.index(details.id_number, drill_id),
        )

    def open(self, resident_id: UUID, data_key: bytes, sealed: bytes) -> Details:
        """As `Wrapping.unwrap`; `passes.errors.SealError` when the row was altered or its parts belong to different people."""
        key = self._wrapping.unwrap(data_key, resident_id)
        return Details(**cbor2.loads(sealing.open_sealed(key, sealed, resident_id.bytes + _COLUMN)))

    def index(self, id_number: str, drill_id: str = "") -> bytes:
        """By what a national ID is found. A drill has an index of its own, so that an invented person never stands in the
        way of a real one with the same number.
        """
        key = hmac.digest(self._index, _DRILL + drill_id.encode(), "sha256") if drill_id else self._index
        return sealing.blind_index(key, id_number)

    def digest(self, request: bytes) -> bytes:
        """32 bytes by which a repeated request is known, and from which its content cannot be guessed."""
        return hmac.digest(self._digests, _REQUEST + request, "sha256")
