import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from passes.cbor import Reader
from passes.errors import PassError, Reason


@given(st.integers(-(2**64), 2**64 - 1))
def test_labels_agree_with_an_independent_encoder(value):
    reader = Reader(cbor2.dumps(value))

    assert value == reader.label()
    reader.end()


@given(st.binary(max_size=300), st.integers(1, 5))
def test_a_string_that_ends_early_is_refused_when_it_is_read(value, missing):
    data = cbor2.dumps(value)
    assert value == Reader(data).bstr(0, 300)

    with pytest.raises(Exception, match=Reason.MALFORMED.value):
        Reader(data[: max(0, len(data) - missing)]).bstr(0, 300)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x5f\x41a\xff", b"\x1c", b"\x1f", b"\x18", b"\x18\x17", b"\x19\x00\xff", b"\x1a\x00\x00\xff\xff",
     b"\x1b" + b"\x00" * 4 + b"\xff" * 4, b"\xf6", b"\xf9\x00\x00", b"\x20", b"\x40", b"\x60", b"\x80", b"\xa0", b"\xc1\x00"],
)  # fmt: skip
def test_what_is_not_one_short_unsigned_integer_is_refused_as_one(refused, data):
    assert refused(Reader(data).uint) is Reason.MALFORMED


def test_text_is_visible_ascii_only(refused):
    assert Reader(b"\x63a b").tstr(1, 3) == "a b"
    for raw in (b"\x61\x00", b"\x61\x7f", b"\x62\xc3\xa9", b"\x61\xff"):
        assert refused(Reader(raw).tstr, 1, 3) is Reason.MALFORMED


@given(st.lists(st.integers(-70_000, 2**40), min_size=1, max_size=4), st.binary(max_size=8))
def test_expected_integers_are_those_that_would_be_read_one_by_one(labels, tail):
    reader = Reader(b"".join(map(cbor2.dumps, labels)) + tail)
    reader.expect(*labels)
    assert reader._data[reader._at :] == tail

    for wrong in ([*labels[:-1], labels[-1] + 1], [*labels, 2**41]):
        with pytest.raises(PassError, match=Reason.MALFORMED.value):
            Reader(b"".join(map(cbor2.dumps, labels)) + tail).expect(*wrong)
