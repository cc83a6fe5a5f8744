"""Photos of inspections: kept under their hashes, given back as they were, and damage is noticed."""

import threading
from hashlib import sha256
from uuid import uuid4

import pytest
from chassis.errors import Kind
from lilitong.venue.v1 import inspection_pb2 as pb
from obstore.store import MemoryStore
from venue.enforcement.inspections import photos
from venue.enforcement.inspections.photos import DamagedPhotoError, ObjectPhotos, media_type

from .conftest import JPEG, PNG, refused

pytestmark = pytest.mark.feature("V6")
connected = pytest.mark.connected


@connected
@pytest.mark.case("happy path", "bad input", "repeat")
async def test_a_photo_is_kept_under_its_hash_and_given_back_as_it_was(street, tmp_path):
    venue = await street.venue()
    digests = [sha256(each).digest() for each in (PNG, JPEG)]
    request = await street.inspection(venue, bad=["masks"], photos={"masks": digests})
    identity = (await street.call(street.one, request)).inspection.inspection_id

    def upload(data):
        return pb.UploadInspectionPhotoRequest(request_id=str(uuid4()), inspection_id=identity, data=data)

    answer = await street.call(street.one, upload(PNG))
    assert (answer.sha256, list(answer.missing_photos)) == (digests[0], [digests[1]])
    assert (await street.call(street.two, upload(PNG))) == answer
    read = pb.GetInspectionPhotoRequest(inspection_id=identity, sha256=digests[0].hex())
    found = await street.call(street.shop, read)
    assert (found.data, found.media_type) == (PNG, "image/png")
    files = [path for path in tmp_path.joinpath("photos").rglob("*") if path.is_file()]
    assert [path.name for path in files] == [digests[0].hex()]
    for data, expected in (
        (JPEG + b"!", (Kind.PRECONDITION, "PHOTO_NOT_NAMED")),
        (b"<script>alert</script>", (Kind.INVALID, "NOT_A_PHOTO")),
    ):
        assert await refused(street.call(street.one, upload(data))) == expected
    missing = pb.GetInspectionPhotoRequest(inspection_id=identity, sha256=digests[1].hex())
    assert await refused(street.call(street.one, missing)) == (Kind.NOT_FOUND, "PHOTO_UNKNOWN")
    files[0].chmod(0o600)
    files[0].write_bytes(JPEG)
    assert await refused(street.call(street.one, read)) == (Kind.UNAVAILABLE, "PHOTO_NOT_AVAILABLE")
    files[0].unlink()
    assert await refused(street.call(street.one, read)) == (Kind.UNAVAILABLE, "PHOTO_NOT_AVAILABLE")


async def test_any_store_will_do_and_damage_is_noticed():
    memory = MemoryStore()
    kept, digest = ObjectPhotos(memory), sha256(PNG).digest()
    await kept.put(digest, PNG)
    await kept.put(digest, PNG)
    assert await kept.get(digest) == PNG
    memory.put(f"inspections/{digest.hex()[:2]}/{digest.hex()}", JPEG)
    with pytest.raises(DamagedPhotoError):
        await kept.get(digest)


def test_photos_are_told_by_their_first_bytes():
    assert media_type(PNG) == "image/png"
    assert media_type(JPEG) == "image/jpeg"
    assert media_type(b"RIFF....WEBPVP8 ") == "image/webp"
    assert media_type(b"GIF89a" + bytes(20)) is None


@pytest.mark.parametrize(("size", "beside"), [(4096, False), (720_000, True)])
async def test_a_large_photo_is_hashed_beside_the_loop(monkeypatch, size, beside):
    used = []

    def watched(data):
        used.append(threading.get_ident() != threading.main_thread().ident)
        return sha256(data)

    monkeypatch.setattr(photos, "sha256", watched)
    data = PNG + bytes(size)
    assert await photos.photo_digest(data) == sha256(data).digest()
    assert used == [beside]
    used.clear()
    kept = ObjectPhotos(MemoryStore())
    await kept.put(sha256(data).digest(), data)
    assert await kept.get(sha256(data).digest()) == data
    assert used == [True]
