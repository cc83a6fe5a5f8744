"""Sealing under a person's own key: evidence, statements, and what a log entry commits to.

The person's data key is wrapped by one of the vault's key-encryption keys and bound to the person's id; each sealed value is
bound to the person and to the column it stands in, so that none can be moved to another row unnoticed.
"""

import hmac
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import cbor2
from passes import sealing

from quarantine.people.wrapping import Wrapping

EVIDENCE: Final = b"evidence"
LEAF: Final = b"restriction-leaf"
STATEMENT: Final = b"statement"
GROUNDS: Final = b"lift-grounds"
_APPROVER: Final = b"lilitong/approver/1\x00"
PSEUDONYM_BYTES: Final = 16


class ErasedError(Exception):
    """The person's key is gone, so nothing can be sealed for or read about them."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whose key: `data_key` is the wrapped key of the register, None once erased."""

    resident_id: UUID
    data_key: bytes | None
    area: str = ""


class Sealer:
    """`wrapping` wraps the people's data keys; `names` (32 bytes each) keys the pseudonyms of approvers in the log."""

    def __init__(self, wrapping: Wrapping, names: bytes) -> None:
        self._wrapping = wrapping
        self._names = names

    def seal(self, person: Person, column: bytes, plaintext: bytes) -> bytes:
        return sealing.seal(self._key(person), plaintext, _bound(person, column))

    def open(self, person: Person, column: bytes, blob: bytes) -> bytes:
        """Raises `passes.errors.SealError` when the blob belongs to another person or column."""
        return sealing.open_sealed(self._key(person), blob, _bound(person, column))

    def seal_map(self, person: Person, column: bytes, content: dict[str, Any]) -> bytes:
        return self.seal(person, column, cbor2.dumps(content, canonical=True))

    def open_map(self, person: Person, column: bytes, blob: bytes) -> dict[str, Any]:
        content = cbor2.loads(self.open(person, column, blob))
        if not isinstance(content, dict):
            raise TypeError("sealed content is not a map")
        return content

    def pseudonym(self, subject: str) -> bytes:
        """What the log's content says instead of an account's name: the same for the same account, and not guessable."""
        return hmac.digest(self._names, _APPROVER + subject.encode(), "sha256")[:PSEUDONYM_BYTES]

    def _key(self, person: Person) -> bytes:
        if person.data_key is None:
            raise ErasedError
        return self._wrapping.unwrap(person.data_key, person.resident_id)


def _bound(person: Person, column: bytes) -> bytes:
    return person.resident_id.bytes + column
