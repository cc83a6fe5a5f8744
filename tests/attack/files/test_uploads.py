"""Uploads that are none: types, lengths and chunks that lie, connections that end, other people's imports, the same place twice."""

import asyncio
from uuid import uuid4

import pytest
from register import files
from register.hostile_making import big

pytestmark = [pytest.mark.slow, pytest.mark.feature("V1", "R9"), pytest.mark.timeout(120)]
GOOD = files.many(5).encode()
MIB = 1024 * 1024
LARGE = files.text([files.row(number, 场所类别="飞船") for number in range(1, 20_000)]).encode()
"""More than one part of what the gateway passes on."""


async def untouched(office, import_id):
    """Nothing was read, and the real file still goes in."""
    job = await office.look(import_id)
    assert (job["state"], job["rows_read"]) == ("receiving", 0)
    assert (await office.put(import_id, GOOD)).status_code == 202
    job = await office.ended(import_id)
    assert (job["state"], job["created"]) == ("done", 5)


def refused(answer, status, reason):
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


TYPES = [
    "application/json", "text/plain", "multipart/form-data; boundary=x", "application/zip", "image/png", "", "text/csv/", "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/" + "x" * 3000, "text/csv, text/csv",
]  # fmt: skip


@pytest.mark.case("bad input")
@pytest.mark.parametrize("kind", TYPES)
async def test_what_does_not_call_itself_a_table_is_refused(office, kind):
    import_id = await office.create(f"file-{uuid4().hex}")
    refused(await office.put(import_id, GOOD, **{"content-type": kind}), 415, "FILE_REQUIRED")
    await untouched(office, import_id)


@pytest.mark.case("bad input")
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, gzip", "identity, gzip", "x"])
async def test_nothing_is_unpacked(office, encoding):
    import_id = await office.create(f"file-{uuid4().hex}")
    refused(await office.put(import_id, GOOD, **{"content-encoding": encoding}), 415, "FILE_REQUIRED")
    await untouched(office, import_id)


@pytest.mark.case("bad input")
async def test_nothing_is_no_file(office):
    import_id = await office.create(f"file-{uuid4().hex}")
    refused(await office.put(import_id, b""), 400, "IMPORT_EMPTY")
    await untouched(office, import_id)


async def spoken(office, import_id, head, *pieces, hang_up=True):
    """What comes back when these bytes are sent, and the connection is closed where they end, or by the other side."""
    host, port = office.stack.address("gateway").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    token = office.client.headers["authorization"]
    lines = [
        f"POST /v1/venue-imports/{import_id}/file HTTP/1.1",
        "Host: x",
        f"Authorization: {token}",
        "Content-Type: text/csv",
    ]
    writer.write("\r\n".join([*lines, *head, "", ""]).encode())
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if hang_up:
            writer.write_eof()
        async with asyncio.timeout(30):
            return await reader.read(65536)
    except OSError:  # closed before all was said
        return b""
    finally:
        writer.close()


CHUNKED = ["Transfer-Encoding: chunked"]
BROKEN = {
    "a length that never comes": (["Content-Length: 1000000"], GOOD),
    "half a large file": ([f"Content-Length: {len(LARGE)}"], LARGE[: len(LARGE) // 2]),
    "no chunk behind the head": (CHUNKED, b""),
    "a chunk that ends early": (CHUNKED, b"ffff\r\n" + GOOD),
    "chunks without an end": (CHUNKED, b"%x\r\n%b\r\n" % (len(GOOD), GOOD)),
    "a size that is no number": (CHUNKED, b"zz\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "a size below nothing": (CHUNKED, b"-5\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "a size of all the world": (CHUNKED, b"f" * 40 + b"\r\n" + GOOD),
    "two lengths": (["Content-Length: 10", "Content-Length: 20"], GOOD),
    "a length that is no number": (["Content-Length: 1e3"], GOOD),
    "a length below nothing": (["Content-Length: -1"], GOOD),
    "a length beyond the bound": ([f"Content-Length: {64 * MIB}"], GOOD),
    "a length of all the world": ([f"Content-Length: {10**30}"], GOOD),
}


@pytest.mark.case("bad input", "crash")
@pytest.mark.parametrize("name", BROKEN)
async def test_an_upload_that_breaks_off_begins_no_job_and_may_be_sent_again(office, name):
    head, body = BROKEN[name]
    import_id = await office.create(f"file-{uuid4().hex}")
    answer = await spoken(office, import_id, head, body)
    assert not answer.startswith(b"HTTP/1.1 2"), answer
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    job = await office.look(import_id)
    assert (job["state"], job["rows_read"]) == ("receiving", 0)
    # The parts that arrived are kept: the same file goes on, and nothing else does.
    whole = LARGE if body and LARGE.startswith(body) else GOOD
    assert (await office.put(import_id, whole)).status_code == 202
    job = await office.ended(import_id)
    assert (job["state"], job["rows_read"]) == ("done", 19_999 if whole is LARGE else 5)


@pytest.mark.case("bad input")
async def test_chunks_of_one_byte_make_the_same_file(office):
    import_id = await office.create(f"file-{uuid4().hex}")
    pieces = b"".join(b"1\r\n%c\r\n" % each for each in GOOD)
    answer = await spoken(office, import_id, [*CHUNKED, "Connection: close"], pieces, b"0\r\n\r\n", hang_up=False)
    assert answer.startswith(b"HTTP/1.1 202"), answer
    assert (await office.ended(import_id))["created"] == 5


@pytest.mark.case("repeat", "bad input")
async def test_another_file_in_the_same_place_is_refused_before_and_after_the_first_was_read(office):
    import_id = await office.create(f"file-{uuid4().hex}")
    await spoken(office, import_id, [f"Content-Length: {len(LARGE)}"], LARGE[: len(LARGE) // 2])
    refused(await office.put(import_id, b"x" * len(LARGE)), 422, "IMPORT_PART_DIFFERS")
    assert (await office.put(import_id, LARGE)).status_code == 202
    assert (await office.ended(import_id))["rejected"] == 19_999
    refused(await office.put(import_id, GOOD), 422, "IMPORT_PART_DIFFERS")
    assert (await office.put(import_id, LARGE)).status_code == 202
    assert (await office.look(import_id))["rows_read"] == 19_999


@pytest.mark.case("concurrency", "repeat")
async def test_a_file_that_is_sent_twenty_times_at_once_is_read_once(office):
    import_id = await office.create(f"file-{uuid4().hex}")
    answers = await asyncio.gather(*(office.put(import_id, LARGE) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert (await office.ended(import_id))["rows_read"] == 19_999


@pytest.mark.case("wrong caller")
async def test_strangers_put_nothing_into_an_import(office):
    import_id = await office.create(f"file-{uuid4().hex}")
    tokens = {
        "another district's officer": office.stack.token("venue_officer", areas=("110101",)),
        "a community's officer": office.stack.token("venue_officer", areas=("141102001001",)),
        "auditor": office.stack.token("auditor"),
        "operator": office.stack.token("venue_operator"),
        "nobody": "x.y.z",
    }
    for name, token in tokens.items():
        answer = await office.put(import_id, GOOD, authorization=f"Bearer {token}")
        assert answer.status_code == (401 if name == "nobody" else 403), (name, answer.text)
    for unknown, status in ((str(uuid4()), 404), ("none", 400)):
        assert (await office.put(unknown, GOOD)).status_code == status
    await untouched(office, import_id)


@pytest.mark.case("concurrency", "bad input")
async def test_two_dozen_large_files_at_once_are_never_held_whole(office):
    large = big("large", b"x", 12 * MIB)
    uploads = await asyncio.gather(*(office.send("large", large.pieces()) for _ in range(24)))
    assert {upload.status for upload in uploads} == {202}
    assert {upload.job["failure"] for upload in uploads} == {"ROW_TOO_LONG"}
    await office.unharmed()


async def test_after_all_this_everybody_is_there_and_has_room(office):
    await office.unharmed()
