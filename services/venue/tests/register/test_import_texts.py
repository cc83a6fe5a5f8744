"""Whoever sent a file reads in Chinese and English what is wrong with it, whatever it is."""

import ast
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from venue.register.imports import job
from venue.register.imports.texts import FAILURES, ROWS, text_of

from . import files

pytestmark = [pytest.mark.feature("V1"), pytest.mark.feature("X9")]
SOURCES = Path(job.__file__).parent
REASON = re.compile(r"[A-Z]+(_[A-Z0-9]+)*(: )?")
HAN = re.compile(r"[\u4e00-\u9fff]")
# Reasons of refused calls have their words in the gateway; NFKC is a form of Unicode.
OTHERS = re.compile(r"IMPORT_.*|NFKC|ID|")


def reasons() -> Iterator[str]:
    """Every word in capitals that stands in the sources of imports, `COLUMN_MISSING: …` without what follows."""
    for path in sorted(SOURCES.glob("*.py")):
        if path.name == "texts.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and REASON.fullmatch(node.value):
                yield node.value.removesuffix(": ")


def test_every_reason_has_words_in_both_languages_and_no_words_are_left_over():
    found = {each for each in reasons() if not OTHERS.fullmatch(each)}
    assert len(found) > 25
    assert found == FAILURES.keys() | ROWS.keys()
    for text in (*FAILURES.values(), *ROWS.values()):
        assert HAN.search(text.zh)
        assert text.en.isascii()
        assert text.en[0].isupper()


def test_what_a_reason_is_about_stands_behind_its_words_and_one_of_another_version_has_some_too():
    said = text_of("COLUMN_MISSING: area (区划代码)")
    assert said.zh.endswith("：area (区划代码)")
    assert said.en.endswith(": area (区划代码)")
    assert all(text_of("MADE_UP_LATER"))


@pytest.mark.connected
@pytest.mark.case("bad input")
async def test_a_report_says_what_to_do_about_each_row(office):
    cut = ",".join(files.row(2, 账号="")[:3])
    run = await office.run(files.text([files.row(1, 场所类别="")]) + cut)
    rows = [*csv.reader(io.StringIO((await office.report(run.import_id)).decode("utf-8-sig")))]
    assert rows[0][4:] == ["说明", "explanation"]
    assert [row[2] for row in rows[1:]] == ["MISSING", "ROW_CUT_OFF"]
    assert [tuple(row[4:]) for row in rows[1:]] == [ROWS["MISSING"], ROWS["ROW_CUT_OFF"]]


@pytest.mark.connected
@pytest.mark.case("bad input")
async def test_a_file_that_is_no_table_says_so_in_both_languages(office):
    run = await office.run("\ufeff场所名称,场所类别,详细地址\r\n店,3,滨河路1号\r\n".encode("utf-16"))
    assert (run.failure, run.failure_zh, run.failure_en) == ("ENCODING_UTF_16", *FAILURES["ENCODING_UTF_16"])
    run = await office.run("场所名称,场所类别,详细地址\r\n店,3,滨河路1号\r\n".encode())
    assert run.failure_zh.startswith("缺少必需的列")
    assert (await office.run(files.text([files.row(1)]))).failure_zh == ""
