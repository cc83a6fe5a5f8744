"""The envelope: what travels, what does not, and what a broken one becomes."""

from datetime import date
from uuid import UUID

import pytest
from chassis.events import Event, PoisonError, Received
from chassis.seal import seal_context
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from hypothesis import given
from hypothesis import strategies as st

KEY = bytes(32)


def event(**changes):
    given_ = {"subject": "lilitong.test.thing.v1.happened", "aggregate": "thing-1", "day": date(2026, 3, 10)} | changes
    return Event.of(StringValue(value="payload"), **given_)


def read(sent: Event, **changes) -> Received:
    headers = sent.headers() | changes
    return Received.read(
        sent.subject, {key: value for key, value in headers.items() if value is not None}, sent.payload
    )


@given(
    aggregate=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1),
    day=st.dates(),
    drill_id=st.sampled_from(["", "drill-7"]),
    seal=st.binary(max_size=60),
)
def test_an_event_arrives_as_it_was_sent(aggregate, day, drill_id, seal):
    sent = event(aggregate=aggregate, day=day, drill_id=drill_id, seal=seal)
    got = read(sent)
    assert [getattr(sent, name) for name in Event.__slots__] == [getattr(got, name) for name in Event.__slots__]
    assert got.parse(StringValue).value == "payload"


def test_the_headers_are_cloudevents_without_time_and_clear_trace():
    headers = event(drill_id="d1", seal=b"x").headers()
    assert headers == {
        "Nats-Msg-Id": headers["ce-id"],
        "ce-specversion": "1.0",
        "ce-id": str(UUID(headers["ce-id"])),
        "ce-source": "/lilitong/test",
        "ce-type": "google.protobuf.StringValue",
        "ce-partitionkey": "thing-1",
        "ce-day": "2026-03-10",
        "content-type": "application/protobuf",
        "ce-drillid": "d1",
        "ce-tracesealed": "eA==",
    }


def test_two_days_events_of_one_trace_share_only_what_all_events_of_the_type_share():
    first, second = (
        event(aggregate=name, day=date(2026, 3, number), seal=seal_context(KEY)).headers()
        for name, number in [("x", 10), ("y", 11)]
    )
    shared = {key for key in first if first[key] == second[key]}
    assert shared == {"ce-specversion", "ce-source", "ce-type", "content-type"}


@pytest.mark.parametrize("header", ["ce-id", "ce-type", "ce-partitionkey", "ce-day"])
def test_a_missing_header_is_poison(header):
    with pytest.raises(PoisonError, match=header):
        read(event(), **{header: None})


@pytest.mark.parametrize(("header", "value"), [("ce-id", "17"), ("ce-day", "10/3/26"), ("ce-tracesealed", "?")])
def test_a_malformed_header_is_poison_whose_reason_holds_no_value(header, value):
    with pytest.raises(PoisonError) as caught:
        read(event(), **{header: value})
    assert caught.value.reason == "envelope: a header is malformed"


def test_no_headers_at_all_are_poison():
    with pytest.raises(PoisonError):
        Received.read("s", None, b"")


def test_another_type_and_a_broken_body_are_poison():
    with pytest.raises(PoisonError, match=r"expected google\.protobuf\.Int64Value"):
        read(event()).parse(Int64Value)
    broken = Received.read("s", event().headers(), b"\xff\xff\xff")
    with pytest.raises(PoisonError, match=r"not a google\.protobuf\.StringValue"):
        broken.parse(StringValue)


def test_repr_shows_neither_payload_nor_aggregate():
    assert "thing-1" not in repr(event())
    assert "payload" not in repr(event())
