"""Imports: what is read, what is rejected and why, repeats, crashes, replicas, and who may."""

import asyncio
import csv
import io
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from chassis.auth import Caller
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import events_pb2, import_pb2
from venue.register.imports import job as jobs
from venue.register.imports.model import MAX_FILE, MIN_PART

from . import files

pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected]
DONE, FAILED = import_pb2.IMPORT_STATE_DONE, import_pb2.IMPORT_STATE_FAILED


def counts(job):
    return (job.rows_read, job.created, job.unchanged, job.rejected)


async def faults(office, job):
    """(line, column, reason) of each fault in the report."""
    text = (await office.report(job.import_id)).decode("utf-8-sig")
    return [(int(line), column, reason) for line, column, reason, *_ in [*csv.reader(io.StringIO(text))][1:]]


ENCODINGS = {
    "utf-8": lambda text: text.encode(),
    "utf-8-bom": lambda text: text.encode("utf-8-sig"),
    "gb18030": lambda text: text.encode("gb18030"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.case("happy path")
async def test_each_encoding_and_delimiter_gives_the_same_venues(office, house, encoding, delimiter):
    rows = [files.row(1, 详细地址="滨河路1号\n二单元"), files.row(2, 场所名称='"老"店,分店;\t𠮷')]
    job = await office.run(ENCODINGS[encoding](files.text(rows, delimiter=delimiter)))
    assert (job.state, counts(job)) == (DONE, (2, 2, 0, 0)), job
    found = await house.rows('SELECT name, address FROM venues ORDER BY name COLLATE "C"')
    assert [tuple(row) for row in found] == [('"老"店,分店; 𠮷', "滨河路2号"), ("店铺1号", "滨河路1号 二单元")]


@pytest.mark.parametrize("before", ["", "\n\n", ";;;\n", "\ufeff"])
async def test_titles_are_found_behind_blank_lines_and_marks(office, before):
    for encoding in ("utf-8", "gb18030"):
        job = await office.run((before + files.text([files.row(1)], delimiter=";")).encode(encoding))
        assert (job.state, job.rows_read, job.rejected) == (DONE, 1, 0), job


@pytest.mark.case("happy path")
async def test_full_width_digits_english_titles_zones_and_accounts_are_understood(office, house):
    titles = (
        "Name",
        "CATEGORY",
        "Area Code",
        "address",
        "Zones",
        "Capacity",
        "Owner",
        "Responsible person",
        "Licence",
        "Accounts",
        "备注",
    )
    row = (
        "ＡＢＣ店",
        "６",
        "１４１１０２００１００１",
        "滨河路１号",
        "一层|二层",
        "８０｜４０",
        "张三",
        "李四",
        "9114 1102-ma0xxxxxx",
        "a、b",
        "x",
    )
    job = await office.run(files.text([row], titles=titles))
    assert counts(job) == (1, 1, 0, 0)
    (venue,) = await house.rows("SELECT name, category, area, address, operators FROM venues")
    assert tuple(venue) == ("ABC店", 6, "141102001001", "滨河路1号", ["a", "b"])
    assert [tuple(zone) for zone in await house.rows("SELECT name, capacity FROM zones ORDER BY ordinal")] == [
        ("一层", 80),
        ("二层", 40),
    ]
    assert tuple((await house.rows("SELECT owner, responsible_person, licence FROM venue_particulars"))[0]) == (
        "张三",
        "李四",
        "91141102MA0XXXXXX",
    )


@pytest.mark.case("bad input")
async def test_good_rows_go_in_and_each_bad_one_is_told_by_line_column_and_reason(office, house):
    rows = [
        files.row(1),
        files.row(2, 场所名称="", 场所类别="飞船"),
        files.row(3, 详细地址="一\n二", 容量="0"),
        files.row(4, 区划代码="1.41102E+11"),
        files.row(5, 区划代码="141103001001"),
        files.row(6, 统一社会信用代码="证号1"),
        files.row(7, 场所名称="长" * 201),
        files.row(8, 分区="甲|甲", 容量="1|2|3"),
        files.row(9, 详细地址="街\u202e号"),
        (*files.row(10), "多余"),
        files.row(11),
    ]
    job = await office.run(files.text(rows))
    assert (job.state, counts(job)) == (DONE, (11, 2, 0, 9))
    assert await faults(office, job) == [
        (3, "场所名称", "MISSING"),
        (3, "场所类别", "CATEGORY_UNKNOWN"),
        (4, "容量", "CAPACITY_INVALID"),
        (6, "区划代码", "AREA_INVALID"),
        (7, "区划代码", "AREA_OUTSIDE_IMPORT"),
        (8, "统一社会信用代码", "LICENCE_INVALID"),
        (9, "场所名称", "TOO_LONG"),
        (10, "分区", "ZONE_TWICE"),
        (10, "容量", "CAPACITY_COUNT"),
        (11, "详细地址", "NOT_READABLE"),
        (12, "", "MORE_FIELDS_THAN_COLUMNS"),
    ]
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 2


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        ("", "IMPORT_EMPTY"),
        ("\n \n", "EMPTY"),
        ("场所名称,类别,地址\n", "COLUMN_MISSING: area (区划代码)"),
        ("名称,店名,类别,区划代码,地址\n", "COLUMN_TWICE: name"),
        ('"名称,类别\n', "QUOTE_NOT_CLOSED"),
        ("x" * 40_000, "ROW_TOO_LONG"),
        ("a\x00b\n", "NOT_A_TEXT"),
        ("名称\n".encode("utf-16"), "ENCODING_UTF_16"),
        (b"\xff\xfe\xfd\xff\xff", "ENCODING_UTF_16"),
        (b"\xff\xff\xff\n", "ENCODING_UNKNOWN"),
    ],
)
@pytest.mark.case("bad input")
async def test_a_file_that_is_no_table_stores_nothing_and_says_why(office, house, content, failure):
    if failure == "IMPORT_EMPTY":
        job = await office.create()
        with pytest.raises(DomainError, match=failure):
            await office.append(job.import_id, 0, b"", last=True)
        return
    job = await office.run(content)
    assert (job.state, counts(job)) == (FAILED, (0, 0, 0, 0))
    assert job.failure.startswith(failure)
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 0


@pytest.mark.case("repeat")
async def test_the_same_file_again_changes_nothing_and_a_changed_row_is_told(office, house):
    content = files.many(3)
    first = await office.run(content)
    assert counts(first) == (3, 3, 0, 0)
    before = await house.rows("SELECT * FROM zones ORDER BY zone")
    assert counts(await office.run(content)) == (3, 0, 3, 0)
    changed = await office.run(content.replace(",80,", ",90,", 1))
    assert counts(changed) == (3, 0, 2, 1)
    assert await faults(office, changed) == [(2, "", "REGISTERED_DIFFERENTLY")]
    assert await house.rows("SELECT * FROM zones ORDER BY zone") == before
    assert counts(await office.run(files.text([files.row(7), files.row(7)]))) == (2, 1, 1, 0)


async def test_registered_venues_are_told_and_the_end_too_without_names(office, house):
    job = await office.run(files.many(2))
    rows = await house.rows("SELECT subject, payload FROM outbox ORDER BY seq")
    assert [row["subject"].rpartition(".")[2] for row in rows] == ["registered", "registered", "ended"]
    told = events_pb2.ImportEnded.FromString(rows[-1]["payload"]).job
    assert (told.import_id, told.created, told.file_name, told.created_by) == (job.import_id, 2, "", "")


@pytest.mark.case("crash")
async def test_a_crash_in_the_middle_of_a_step_loses_and_doubles_nothing(office, house, monkeypatch):
    monkeypatch.setattr(jobs, "ROWS_AT_ONCE", 4)
    import_id = await office.put(files.many(10).encode())
    assert await office.replicas[0].step()  # the layout
    assert await office.replicas[0].step()
    advance = jobs.store.advance

    async def die(*arguments):
        await advance(*arguments)
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(jobs.store, "advance", die)
        with pytest.raises(ConnectionResetError):
            await office.replicas[0].step()
    stopped = await office.look(import_id)
    assert counts(stopped) == (4, 4, 0, 0)
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 4
    await office.work(replica=1)
    job = await office.look(import_id)
    assert (job.state, counts(job)) == (DONE, (10, 10, 0, 0))


async def test_a_file_that_breaks_the_job_fails_alone_and_the_next_one_is_read(office, monkeypatch):
    bad, good = await office.put(files.many(1).encode()), await office.put(files.many(2).encode())
    with monkeypatch.context() as broken:
        broken.setattr(jobs, "_layout", lambda *_: 1 / 0)
        await office.replicas[0].step()
    await office.work()
    assert ((await office.look(bad)).state, (await office.look(bad)).failure) == (FAILED, "INTERNAL")
    assert (await office.look(good)).state == DONE


@pytest.mark.case("concurrency")
async def test_two_imports_of_one_file_at_once_register_each_venue_once(office, house, monkeypatch):
    monkeypatch.setattr(jobs, "ROWS_AT_ONCE", 7)
    content = files.many(40).encode()
    ids = [await office.put(content) for _ in range(2)]
    await asyncio.gather(office.work(0), office.work(1))
    both = [await office.look(import_id) for import_id in ids]
    assert [job.state for job in both] == [DONE, DONE]
    assert sum(job.created for job in both) == sum(job.unchanged for job in both) == 40
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 40


@pytest.mark.case("concurrency")
async def test_replicas_share_one_import_without_reading_a_row_twice(office, house, monkeypatch):
    monkeypatch.setattr(jobs, "ROWS_AT_ONCE", 3)
    import_id = await office.put(files.many(30).encode())
    for turn in range(40):
        await office.replicas[turn % 2].step()
    assert counts(await office.look(import_id)) == (30, 30, 0, 0)


@pytest.mark.case("repeat")
async def test_parts_repeat_without_effect_and_follow_each_other(office, who):
    content = files.many(2000).encode()
    job = await office.create()
    first = await office.append(job.import_id, 0, content[:MIN_PART], last=False)
    assert await office.append(job.import_id, 0, content[:MIN_PART], last=False) == first
    for offset, data, last, reason in (
        (0, content[1 : MIN_PART + 1], False, "IMPORT_PART_DIFFERS"),
        (MIN_PART + 1, content, True, "IMPORT_PART_OUT_OF_ORDER"),
        (MIN_PART, content[:10], False, "IMPORT_PART_TOO_SMALL"),
    ):
        with pytest.raises(DomainError, match=reason):
            await office.append(job.import_id, offset, data, last=last)
    await office.append(job.import_id, MIN_PART, content[MIN_PART:], last=True)
    with pytest.raises(DomainError, match="IMPORT_COMPLETE"):
        await office.append(job.import_id, len(content), b"x", last=True)
    await office.work()
    done = await office.append(job.import_id, MIN_PART, content[MIN_PART:], last=True)
    assert (done.state, done.created) == (DONE, 2000)


@pytest.mark.case("bad input")
async def test_a_file_beyond_the_bound_is_refused(office, house):
    job = await office.create()
    await house.owner.execute("UPDATE imports SET bytes_received = $1", MAX_FILE - 10)
    with pytest.raises(DomainError, match="IMPORT_TOO_LARGE"):
        await office.append(job.import_id, MAX_FILE - 10, b"x" * 11, last=True)


@pytest.mark.case("bad input")
async def test_too_many_rows_end_the_job_and_what_is_counted_stands(office, house, monkeypatch):
    monkeypatch.setattr(jobs, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(jobs, "MAX_ROWS", 6)
    job = await office.run(files.many(10))
    assert (job.state, job.failure, job.failure_line, counts(job)) == (FAILED, "TOO_MANY_ROWS", 8, (6, 6, 0, 0))
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 6


@pytest.mark.case("bad input")
async def test_blank_lines_without_end_are_refused_and_do_not_hold_up_the_others(office, monkeypatch):
    monkeypatch.setattr(jobs, "MAX_LINES", 100)
    monkeypatch.setattr(jobs, "LINES_AT_ONCE", 10)
    refused = await office.run(files.many(1) + "\n" * 100)
    assert (refused.state, refused.failure) == (FAILED, "TOO_MANY_LINES")
    import_id = await office.put((files.many(1) + "\n" * 90 + files.many(2).partition("\r\n")[2]).encode())
    assert await office.replicas[0].step()
    assert await office.replicas[0].step()
    assert (await office.look(import_id)).bytes_read < 1000
    await office.work()
    assert counts(await office.look(import_id)) == (3, 2, 1, 0)


async def test_a_file_that_never_came_in_full_is_given_up_after_a_day(office, house):
    job = await office.create()
    await office.replicas[0].forget_abandoned()
    assert (await office.look(job.import_id)).state == import_pb2.IMPORT_STATE_RECEIVING
    house.clock.advance(timedelta(days=1, seconds=1))
    await office.replicas[0].forget_abandoned()
    assert (await office.look(job.import_id)).failure == "ABANDONED"


async def test_files_are_forgotten_when_their_job_has_ended(office, house):
    await office.run(files.many(2))
    assert [tuple(row) for row in await house.rows("SELECT content FROM import_parts")] == [(None,)]


@pytest.mark.case("wrong caller")
async def test_others_than_officers_of_the_area_see_and_do_nothing(office, who):
    job = await office.create(area="141102001")
    stranger = Caller("officer-9", frozenset({"venue_officer"}), ("141103",))
    for attempt in (
        office.create(area="141102", caller=stranger),
        office.append(job.import_id, 0, b"x", last=True, caller=stranger),
        office.look(job.import_id, caller=stranger),
        office.report(job.import_id, caller=stranger),
    ):
        with pytest.raises(DomainError) as refused:
            await attempt
        assert refused.value.reason in ("OUT_OF_AREA", "IMPORT_UNKNOWN")
    with pytest.raises(DomainError) as unknown:
        await office.look(str(uuid4()))
    assert unknown.value.kind is Kind.NOT_FOUND
    with pytest.raises(DomainError, match="IMPORT_EXISTS"):
        await office.create(import_id=job.import_id)


@pytest.mark.feature("X8")
@pytest.mark.case("happy path")
async def test_the_report_is_complete_and_inert(office, monkeypatch):
    monkeypatch.setattr("venue.register.imports.rpc._FAULTS_AT_ONCE", 5)
    evil = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", " =1", '"=1', "＝1", "|calc", "%0A=1", "ok"]
    titles = (*files.TITLES[:1], "=类别", *files.TITLES[1:])
    rows = [(row[0], text, *row[1:]) for text in evil for row in [files.row(1, 场所类别=text)]]
    job = await office.run(files.text(rows, titles=titles))
    text = (await office.report(job.import_id)).decode()
    assert text.startswith("\ufeff")
    lines = [*csv.reader(io.StringIO(text.removeprefix("\ufeff")))]
    assert len(lines) == 1 + len(evil)
    for line in lines[1:]:
        for cell in line:
            assert cell.lstrip(' "')[:1] not in set("=+-@|%＝\t\r\n"), cell
    assert counts(job) == (11, 0, 0, 11)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("created = created + 1", "imports_reconcile_check"),
        ("state = 5, ended_at = now()", "imports_failure_check"),
        ("state = 4", "imports_ended_check"),
        ("state = 3", "imports_running_check"),
        ("bytes_read = 1", "imports_size_check"),
    ],
)
async def test_what_cannot_be_is_refused_by_the_database(office, house, change, constraint):
    await office.create()
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await house.pool.execute(f"UPDATE imports SET {change}")
    assert refused.value.constraint_name == constraint
