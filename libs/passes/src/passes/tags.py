"""Day tags: a person's pseudonym for one local day.

`tag = AES-128(K_day, person_id)`, one block. AES of a single block is a keyed permutation: within a day a tag stands
for exactly one person and quarantine, which holds the key, can turn it back; without the key, or across days, it is a
random-looking 16-byte value. ECB over several blocks is only many such single blocks at once: person ids are unique,
so no two blocks of a batch leak that they are equal unless they are the same person on the same day, which is what a
tag is for.
"""

from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

TAG_BYTES: Final = 16
KEY_BYTES: Final = 16


def tag(day_key: bytes, person_id: bytes) -> bytes:
    """The 16-byte tag of a 16-byte person id under the day's 16-byte key; ValueError for other sizes."""
    return tags_of(day_key, (person_id,))[0]


def person_of(day_key: bytes, day_tag: bytes) -> bytes:
    """The person id behind a tag.

    Every 16 bytes decrypt to something: the caller looks the id up to learn whether it exists.
    """
    return people_of(day_key, (day_tag,))[0]


def tags_of(day_key: bytes, person_ids: Sequence[bytes]) -> list[bytes]:
    """Tags of many people of one day, in the order given; one call into the cipher for all of them."""
    return _split(_cipher(day_key).encryptor().update(_join(person_ids)))


def people_of(day_key: bytes, day_tags: Sequence[bytes]) -> list[bytes]:
    """Person ids of many tags of one day, in the order given; the inverse of `tags_of`."""
    return _split(_cipher(day_key).decryptor().update(_join(day_tags)))


def _cipher(day_key: bytes) -> Cipher[ECB]:
    if len(day_key) != KEY_BYTES:
        raise ValueError("a day key has 16 bytes")
    return Cipher(AES(day_key), ECB())  # noqa: S305 - single blocks on purpose, see the module's text


def _join(blocks: Sequence[bytes]) -> bytes:
    if any(len(block) != TAG_BYTES for block in blocks):
        raise ValueError("person ids and tags have 16 bytes")
    return b"".join(blocks)


def _split(joined: bytes) -> list[bytes]:
    return [joined[at : at + TAG_BYTES] for at in range(0, len(joined), TAG_BYTES)]
