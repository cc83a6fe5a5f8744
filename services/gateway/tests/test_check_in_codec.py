"""The hot contract's own codec says what the general one says."""

import orjson
import pytest
from chassis.errors import DomainError
from gateway import check_in_codec, codec
from hypothesis import example, given
from hypothesis import strategies as st
from lilitong.venue.v1 import visit_pb2

pytestmark = pytest.mark.feature("V4")
KEY = b"12345678"

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.one_of(
    texts, st.booleans(), st.integers(), st.none(), st.floats(allow_nan=False), st.just("a\x00b"), st.just([])
)
names = st.sampled_from(["credential", "venue_code", "scanned_by_staff", "late", "scanned_at", "visit_key", "colour"])
bodies = st.one_of(values, st.dictionaries(names, values, max_size=5))


def outcome(decode):
    try:
        return decode()
    except DomainError as error:
        return error.reason, error.message, dict(error.fields)


@given(bodies)
@example({"credential": "LLT1:a\x00b"})
@example({"late": "true"})
@example({"credential": True})
@example({"late": None, "venue_code": None})
def test_every_body_is_read_or_refused_as_by_the_general_codec(data):
    def general():
        message = visit_pb2.CheckInRequest(visit_key=KEY)
        codec.decode(data, message, hidden={"visit_key"})
        return message

    assert outcome(lambda: check_in_codec.decode(data, KEY)) == outcome(general)


answers = st.builds(
    visit_pb2.CheckInResponse,
    outcome=st.integers(0, 9),
    reasons=st.lists(st.builds(visit_pb2.ReasonText, code=texts, text_zh=texts, text_en=texts), max_size=3),
    visit_ids=st.lists(texts, max_size=6),
    grade=st.integers(0, 9),
    list_age_seconds=st.integers(0, 2**32 - 1),
    degraded=st.booleans(),
    drill_id=texts,
    reference=st.binary(max_size=9),
)


@given(answers)
def test_every_answer_is_written_as_by_the_general_codec(answer):
    assert check_in_codec.encode(answer) == orjson.dumps(codec.encode(answer))
