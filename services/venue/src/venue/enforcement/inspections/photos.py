"""Where photos lie: an object store behind the two calls that are needed. A photo's name is its SHA-256: it is written once."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

_TYPES: Final = (
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/webp", 8, b"WEBP"),
)


_HASHED_AT_ONCE: Final = 64 * 1024
"""Bytes that take less time to hash than to hand to a thread."""


class DamagedPhotoError(Exception):
    """What the store gave is not what was put in."""


class PhotoStore(Protocol):
    """What inspections ask of a store."""

    async def put(self, digest: bytes, data: bytes) -> None:
        """Keep it; the same again changes nothing."""

    async def get(self, digest: bytes) -> bytes:
        """The photo. Raises `DamagedPhotoError`, or `FileNotFoundError`."""


class ObjectPhotos:
    """In any store that obstore knows: a local folder, S3 and what speaks like it, Azure, GCS.

    Its own coroutines are not used: their threads call back into Python, and abort a process that is just then ending.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, digest: bytes, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._store.put, _key(digest), data, mode="create")
        except AlreadyExistsError:
            return

    async def get(self, digest: bytes) -> bytes:
        return await asyncio.to_thread(self._read, digest)

    def _read(self, digest: bytes) -> bytes:
        data = bytes(self._store.get(_key(digest)).bytes())
        if sha256(data).digest() != digest:
            raise DamagedPhotoError
        return data


def open_store(url: str, folder: Path) -> ObjectPhotos:
    """The store of that URL, e.g. `s3://bucket/prefix`, with credentials from the environment as its kind has them; without a
    URL a folder, which is made.
    """
    if url:
        return ObjectPhotos(from_url(url))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ObjectPhotos(LocalStore(folder))


async def photo_digest(data: bytes) -> bytes:
    """The photo's SHA-256. A large one is hashed beside the loop, which lets go of the interpreter meanwhile."""
    if len(data) <= _HASHED_AT_ONCE:
        return sha256(data).digest()
    return await asyncio.to_thread(lambda: sha256(data).digest())


def media_type(data: bytes) -> str | None:
    """By its first bytes; None for what is no photo."""
    return next((kind for kind, at, magic in _TYPES if data[at : at + len(magic)] == magic), None)


def _key(digest: bytes) -> str:
    name = digest.hex()
    return f"inspections/{name[:2]}/{name}"
