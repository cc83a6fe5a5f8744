"""What goes into a leaf: a salted commitment, so that the public log tells nothing to who does not hold the salt."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Self

from ledger import merkle

SALT_SIZE = 16
_DOMAIN = b"lilitong/commitment/1\x00"
_MAX_SALT = 255


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_SIZE)


def commit(salt: bytes, content: bytes) -> bytes:
    """Leaf data of 32 bytes: SHA-256(domain ‖ length of salt, one byte ‖ salt ‖ content).

    The salt (16…255 random bytes) is kept with the content, never in the log; once it is destroyed the leaf can no
    longer be matched by guessing contents. The length byte keeps salt and content from sliding into each other.
    """
    if not SALT_SIZE <= len(salt) <= _MAX_SALT:
        raise ValueError(f"a salt has {SALT_SIZE} to {_MAX_SALT} bytes")
    return hashlib.sha256(b"".join((_DOMAIN, bytes((len(salt),)), salt, content))).digest()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A log entry to be: the content, the salt that hides it, and the hash by which a table refers to it."""

    content: bytes
    salt: bytes

    @property
    def data(self) -> bytes:
        return commit(self.salt, self.content)

    @property
    def hash(self) -> bytes:
        return merkle.leaf_hash(self.data)

    def pack(self) -> bytes:
        return self.salt + self.content

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """The inverse of `pack`, for salts of `SALT_SIZE`."""
        return cls(salt=packed[:SALT_SIZE], content=packed[SALT_SIZE:])
