"""Whatever is put in as a file: the job ends, the counts reconcile, no half of a row is stored, and memory stays bounded."""

import csv
import io
import resource

import pytest
from lilitong.venue.v1 import import_pb2

from .hostile import CORPUS

pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected]
PART = 512 * 1024
STEPS = 3000


def test_the_corpus_has_two_hundred_files_and_more():
    names = [(group, each.name) for group, every in CORPUS.items() for each in every]
    assert len(names) == len(set(names)) >= 200


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
    report = (await office.report(import_id)).decode("utf-8")
    lines = [*csv.reader(io.StringIO(report.removeprefix("\ufeff")))][1:]
    assert len({line[0] for line in lines}) == job.rejected, hostile.name
    for cell in (cell for line in lines for cell in line):
        assert cell.lstrip(" \u3000\"'")[:1] not in set("=+-@|%\t\r\n＝＋－＠") or cell.startswith("'"), (
            hostile.name,
            cell,
        )
    return job


QUICK = [group for group in CORPUS if group not in ("long", "quotes")]


@pytest.mark.feature("X8")
@pytest.mark.parametrize("group", QUICK)
async def test_nothing_takes_the_job_down_or_leaves_half_a_row(office, house, group):
    for hostile in CORPUS[group]:
        await judge(office, house, hostile)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["quotes", "long"])
async def test_bombs_end_within_bounded_memory(office, house, group):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for hostile in CORPUS[group]:
        await judge(office, house, hostile)
    risen = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{group}: peak memory rose by {risen:.0f} MiB")
    assert risen < 100


async def test_a_good_row_behind_a_bomb_is_still_read(office, house):
    (bomb,) = [each for each in CORPUS["quotes"] if each.name == "bomb b'\"' 500"]
    job = await judge(office, house, bomb)
    assert (job.created, job.rejected) == (1, 1)
    name = await house.owner.fetchval("SELECT name FROM venues")
    assert name == "店铺9号"
