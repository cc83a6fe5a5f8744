"""Files through the gateway: passed on in parts, bounded, never held whole; reports in one piece."""

import asyncio

import pytest
from chassis.errors import DomainError, Kind
from gateway import files
from gateway.serving import FILES_AT_ONCE
from lilitong.venue.v1 import import_pb2 as pb

pytestmark = pytest.mark.feature("V1")
ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
FILE, REPORT = f"/v1/venue-imports/{ID}/file", f"/v1/venue-imports/{ID}/report"


async def put(door, content, **headers):
    given = door.headers("venue_officer", key=None) | {"Content-Type": "text/csv"} | headers
    return await door.client.post(FILE, content=content, headers=given)


async def chunks(content, size=100_000):
    for at in range(0, len(content), size):
        yield content[at : at + size]


@pytest.mark.parametrize("size", [0, 1, files.PART - 1, files.PART, files.PART + 1, 3 * files.PART])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.case("happy path")
async def test_a_file_arrives_whole_and_in_order_whatever_its_size(door, size, streamed):
    content = bytes(number % 251 for number in range(size))
    response = await put(door, chunks(content) if streamed else content)
    assert response.status_code == 202, response.text
    asked = [each.request for each in door.peers.asked]
    assert b"".join(each.data for each in asked) == content
    assert [each.offset for each in asked] == [sum(len(each.data) for each in asked[:n]) for n in range(len(asked))]
    assert [each.last for each in asked] == [False] * (len(asked) - 1) + [True]
    assert {each.import_id for each in asked} == {ID}
    assert all(len(each.data) <= files.PART for each in asked)
    assert "import_id" in response.json()


@pytest.mark.case("bad input")
async def test_a_gigabyte_is_refused_at_the_bound_and_what_follows_is_not_kept(door):
    sent = 0

    async def endless():
        nonlocal sent
        piece = b"x" * 1_000_000
        while sent < 1_000_000_000:
            sent += len(piece)
            yield piece

    response = await put(door, endless())
    assert (response.status_code, response.json()["reason"]) == (413, "BODY_TOO_LARGE")
    assert sum(len(each.request.data) for each in door.peers.asked) <= files.LIMIT
    assert not any(each.request.last for each in door.peers.asked)


@pytest.mark.case("bad input")
async def test_a_length_beyond_the_bound_is_refused_before_anything_is_passed_on(door):
    response = await put(door, b"x", **{"Content-Length": str(files.LIMIT + 1)})
    assert response.status_code == 413
    assert not door.peers.asked


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "application/json"}, {"Content-Encoding": "gzip"}, {"Content-Type": ""}]
)
@pytest.mark.case("bad input")
async def test_what_is_no_file_is_refused(door, headers):
    response = await put(door, b"{}", **headers)
    assert (response.status_code, response.json()["reason"]) == (415, "FILE_REQUIRED")
    assert not door.peers.asked


async def test_the_services_refusal_ends_the_upload(door):
    door.peers.answers["AppendImportPart"] = DomainError(Kind.PRECONDITION, "IMPORT_COMPLETE", "It is complete.")
    sent = 0

    async def pieces():
        nonlocal sent
        for _ in range(3):
            sent += files.PART
            yield b"x" * files.PART

    response = await put(door, pieces())
    assert (response.status_code, response.json()["reason"]) == (409, "IMPORT_COMPLETE")
    assert len(door.peers.asked) == 1
    # All was read: a connection on which something is left is closed under whoever uses it next.
    assert sent == 3 * files.PART


async def test_only_so_many_files_are_read_at_once_and_each_has_its_turn(door, monkeypatch):
    reading = most = 0
    original = files.pieces

    async def counted(*args, **given):
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        async for each in original(*args, **given):
            await asyncio.sleep(0.01)
            yield each
        reading -= 1

    monkeypatch.setattr(files, "pieces", counted)
    responses = await asyncio.gather(*(put(door, b"x") for _ in range(3 * FILES_AT_ONCE)))
    assert {response.status_code for response in responses} == {202}
    assert most == FILES_AT_ONCE


async def test_who_gets_no_turn_in_time_is_told_to_come_again_and_nothing_was_read(door, monkeypatch):
    monkeypatch.setattr(files, "WAIT_SECONDS", 0.2)
    release = asyncio.Event()

    async def slow():
        yield b"x"
        await release.wait()

    busy = [asyncio.create_task(put(door, slow())) for _ in range(FILES_AT_ONCE)]
    await asyncio.sleep(0.1)
    response = await put(door, b"x")
    assert (response.status_code, response.json()["reason"]) == (429, "UPLOADS_BUSY")
    assert int(response.headers["retry-after"]) >= 1
    release.set()
    assert {each.status_code for each in await asyncio.gather(*busy)} == {202}
    assert (await put(door, b"x")).status_code == 202


@pytest.mark.feature("X8")
async def test_a_report_is_one_file_of_all_its_pages(door):
    pages = {"": ("\ufeff1\r\n", "a"), "a": ("2\r\n", "b"), "b": ("3\r\n", "")}

    def answer(request):
        text, following = pages[request.page_token]
        return pb.GetImportReportResponse(data=text.encode(), next_page_token=following, media_type="text/csv")

    door.peers.answers["GetImportReport"] = answer
    headers = door.headers("venue_officer") | {"Accept": "text/csv"}
    response = await door.client.get(REPORT, headers=headers)
    assert response.content.decode() == "\ufeff1\r\n2\r\n3\r\n"
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == "attachment"
    assert response.headers["x-content-type-options"] == "nosniff"
    one = await door.client.get(REPORT, headers=headers, params={"page_token": "b"})
    assert one.content == b"3\r\n"
    plain = await door.client.get(REPORT, headers=door.headers("venue_officer"))
    assert plain.json()["next_page_token"] == "a"
