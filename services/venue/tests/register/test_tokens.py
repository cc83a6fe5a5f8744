"""Records out of bytes: against the standard library's reader, however the file is cut, and within bounds whatever arrives."""

import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue.register.imports.tokens import MAX_RECORD, Fault, Tokenizer

pytestmark = pytest.mark.feature("V1")


def read(data, *, delimiter=b",", parts=None, offset=0, line=1):
    """All records of `data`, fed in parts of these sizes."""
    tokens, found, at = Tokenizer(delimiter, offset=offset, line=line), [], 0
    for size in parts or [len(data)]:
        tokens.feed(data[at : at + size])
        at += size
        if at >= len(data):
            break
        found += tokens.records()
    tokens.feed(data[at:])
    tokens.end()
    return [*found, *tokens.records()]


CELL = st.text(st.sampled_from('a,;"\n\r\t店 '), max_size=6).map(lambda text: text.replace("\r", ""))
TABLE = st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=6)


@given(TABLE, st.sampled_from(",;\t"), st.lists(st.integers(1, 9), max_size=60), st.sampled_from(["utf-8", "gb18030"]))
def test_whatever_a_writer_of_csv_writes_is_read_however_it_is_cut(table, delimiter, parts, encoding):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(table)
    data = out.getvalue().encode(encoding)
    found = read(data, delimiter=delimiter.encode(), parts=parts)
    assert [[field.decode(encoding) for field in record.fields] for record in found] == table
    assert [record.fault for record in found] == [None] * len(table)
    assert found[-1].ends == len(data)
    assert found[-1].next_line == data.count(b"\n") + 1


@given(st.binary(max_size=200), st.lists(st.integers(1, 9), max_size=60))
def test_any_bytes_give_the_same_records_however_they_are_cut(data, parts):
    assert read(data, parts=parts) == read(data)


@given(st.text(st.sampled_from('a,"\n'), max_size=60), st.data())
def test_reading_goes_on_behind_any_record_as_if_it_had_never_stopped(text, data):
    content = text.encode()
    found = read(content)
    if found:
        at = data.draw(st.integers(0, len(found) - 1))
        assert read(content[found[at].ends :], offset=found[at].ends, line=found[at].next_line) == found[at + 1 :]


@pytest.mark.case("bad input")
def test_a_quote_that_never_closes_costs_its_own_row_only():
    first, bad, good = read(b'a,b\n1,"two\n3,4\n')
    assert (first.fields, good.fields) == ((b"a", b"b"), (b"3", b"4"))
    assert (bad.fault, bad.line, good.line) == (Fault.QUOTE_OPEN, 2, 3)


@pytest.mark.case("bad input")
def test_a_quote_in_the_wrong_place_costs_its_own_row_only():
    assert [(each.fault, each.fields) for each in read(b'"a"b,c\nd,e"f\n')] == [
        (Fault.QUOTE_MISPLACED, ()),
        (None, (b"d", b'e"f')),
    ]


@pytest.mark.case("bad input")
def test_a_line_without_end_is_one_fault_and_the_next_line_is_read():
    bad, good = read(b"x" * (MAX_RECORD * 3) + b"\na,b\n", parts=[1000] * 200)
    assert (bad.fault, bad.line, good.fields, good.line) == (Fault.TOO_LONG, 1, (b"a", b"b"), 2)


@pytest.mark.parametrize(
    ("piece", "fault"),
    [
        (b"x", Fault.TOO_LONG),
        (b'"', Fault.TOO_LONG),
        (b",", Fault.TOO_LONG),
        (b'"",', Fault.TOO_LONG),
        (b'"a', Fault.TOO_LONG),
    ],
)
def test_an_endless_line_takes_no_memory(piece, fault):
    """A part and a record at most, here of 64 MB; the import's bound lies below that."""
    part = piece * (65536 // len(piece))
    tokens, found = Tokenizer(b","), []
    tracemalloc.start()
    for _ in range(1000):
        tokens.feed(part)
        found += tokens.records()
    tokens.end()
    found += tokens.records()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    assert [each.fault for each in found] == [fault]


@pytest.mark.case("bad input")
def test_a_row_of_very_many_columns_is_refused_and_the_next_is_read():
    bad, good = read(b"," * 500 + b"\na\n")
    assert (bad.fault, good.fields) == (Fault.TOO_MANY_FIELDS, (b"a",))
    assert read(b'"",' * 500 + b"\na\n")[0].fault is Fault.TOO_MANY_FIELDS
