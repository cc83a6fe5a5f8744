"""Whatever is put in as a file: the job ends, the counts reconcile, no half of a row is stored, and memory stays bounded."""

import csv
import gc
import resource
from hashlib import sha256
from pathlib import Path

import pytest
from lilitong.venue.v1 import import_pb2

from .hostile import BOMBS, CORPUS

pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected]
PART = 512 * 1024
STEPS = 3000
LIVE = set("=+-@|%\t\r\n＝＋－＠")
"""What a spreadsheet takes for the beginning of a formula."""


def test_the_corpus_has_two_hundred_files_and_more_each_unlike_the_others_and_the_same_each_time():
    made = [(each.name, digest(each)) for every in CORPUS.values() for each in every]
    assert len({name for name, _ in made}) >= 200
    assert len({content for _, content in made}) == len(made)
    assert made == [(each.name, digest(each)) for every in CORPUS.values() for each in every]


def digest(hostile):
    found = sha256()
    for piece in hostile.pieces():
        found.update(piece)
    return found.digest()


async def put(office, hostile):
    """Part by part as it is made, one in memory."""
    job = await office.create()
    held, offset = b"", 0
    for piece in hostile.pieces():
        held += piece
        while len(held) > PART:
            await office.append(job.import_id, offset, held[:PART], last=False)
            held, offset = held[PART:], offset + PART
    await office.append(job.import_id, offset, held, last=True)
    return job.import_id


async def work(office):
    """Steps are bounded: a job that made no way would go on for ever."""
    for _ in range(STEPS):
        if not await office.replicas[0].step():
            return
    raise AssertionError("the job does not end")


async def seen(house):
    row = await house.owner.fetchrow(
        """
        SELECT (SELECT count(*) FROM venues) AS venues, (SELECT count(*) FROM venue_particulars) AS particulars,
               (SELECT count(*) FROM outbox WHERE subject LIKE '%.registered') AS told,
               (SELECT count(*) FROM venues v WHERE NOT EXISTS
                   (SELECT FROM zones z WHERE z.venue_id = v.venue_id AND z.code IS NOT NULL)) AS without_code
        """
    )
    return dict(row)


async def reported(office, import_id):
    """The report's rows, one in memory: of a bomb there are hundreds of thousands. None of them ends within a cell."""
    rest, titles = "", True
    async for page in office.report_pages(import_id):
        *whole, rest = (rest + page.decode("utf-8").removeprefix("\ufeff")).split("\r\n")
        for line in csv.reader(whole):
            if not titles:
                yield line
            titles = False
    assert not rest


async def judge(office, house, hostile):
    before = await seen(house)
    import_id = await put(office, hostile)
    await work(office)
    job = await office.look(import_id)
    assert job.state in (import_pb2.IMPORT_STATE_DONE, import_pb2.IMPORT_STATE_FAILED), hostile.name
    assert job.failure != "INTERNAL", hostile.name
    assert job.rows_read == job.created + job.unchanged + job.rejected, hostile.name
    after = await seen(house)
    assert after["venues"] == after["particulars"] == after["told"] == before["venues"] + job.created, hostile.name
    assert after["without_code"] == 0
    rejected, before_it = 0, ""
    async for line in reported(office, import_id):
        rejected += line[0] != before_it
        before_it = line[0]
        for cell in line:
            assert cell.lstrip(" \u3000\"'")[:1] not in LIVE or cell.startswith("'"), (hostile.name, cell)
    assert rejected == job.rejected, hostile.name
    return job


QUICK = [group for group in CORPUS if group not in BOMBS]


@pytest.mark.feature("X8")
@pytest.mark.parametrize("group", QUICK)
@pytest.mark.case("bad input", of="V1")
async def test_nothing_takes_the_job_down_or_leaves_half_a_row(office, house, group):
    for hostile in CORPUS[group]:
        await judge(office, house, hostile)


def peak():
    """The most memory the process had so far, or since `forgotten_peak`, in KiB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.read_text().partition("VmHWM:")[2].split()[0])


def forgotten_peak():
    """A test that ran before and took more would hide what this one takes: Linux lets a process start its peak anew."""
    gc.collect()
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return peak()


@pytest.mark.slow
@pytest.mark.parametrize("group", BOMBS)
@pytest.mark.case("bad input")
async def test_bombs_end_within_bounded_memory(office, house, group):
    before = forgotten_peak()
    for hostile in CORPUS[group]:
        await judge(office, house, hostile)
    risen = (peak() - before) / 1024
    print(f"{group}: peak memory rose by {risen:.0f} MiB")
    assert risen < 100


@pytest.mark.case("bad input")
async def test_a_good_row_behind_a_bomb_is_still_read(office, house):
    (bomb,) = [each for each in CORPUS["quotes"] if each.name == "bomb b'\"' 500"]
    job = await judge(office, house, bomb)
    assert (job.created, job.rejected) == (1, 1)
    name = await house.owner.fetchval("SELECT name FROM venues")
    assert name == "店铺9号"
