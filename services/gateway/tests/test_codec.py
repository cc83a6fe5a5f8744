"""JSON to protobuf and back."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from chassis.errors import DomainError
from gateway import codec
from gateway.problems import pointer
from hypothesis import given
from hypothesis import strategies as st
from lilitong.checkpoint.v1 import post_pb2
from lilitong.quarantine.v1 import case_pb2, pass_pb2, policy_pb2, register_pb2, restriction_pb2
from lilitong.venue.v1 import venue_pb2, visit_pb2


def faults(data, message, **options):
    with pytest.raises(DomainError) as caught:
        codec.decode(data, message, **options)
    return dict(caught.value.fields)


@given(st.binary(max_size=64))
def test_bytes_survive_with_and_without_padding(data):
    text = codec.base64(data)
    assert "=" not in text
    assert codec.unbase64(text) == data
    assert codec.unbase64(text + "=" * (-len(text) % 4)) == data


@pytest.mark.parametrize("text", ["A", "AA+A", "AA/A", "AA A", "AAAA\n", "é", "A==="])
def test_what_is_not_base64url_is_refused(text):
    assert faults({"keys": [{"phone_key": text}]}, pass_pb2.IssuePassesRequest()) == {
        "keys[0].phone_key": "must be base64url"
    }


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)), st.integers(-720, 840))  # noqa: DTZ001
def test_instants_survive_whatever_their_offset(naive, minutes):
    instant = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    message = visit_pb2.CheckOutRequest()
    codec.decode({"left_at": instant.isoformat()}, message)
    assert message.left_at.ToDatetime(UTC) == instant
    assert codec.instant(codec.encode(message)["left_at"]) == instant


@pytest.mark.parametrize(
    "text", ["2022-03-10", "2022-03-10T04:00:00", "2022-W10-4T04:00:00Z", "20220310T040000Z", "2022-13-01T00:00:00Z",
             "2022-03-10T25:00:00Z", "", 1646884800, "0001-01-01T00:00:00+14:00", "２０２２-03-10T04:00:00Z"],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text):
    assert set(faults({"left_at": text}, visit_pb2.CheckOutRequest())) == {"left_at"}


def test_enum_words_are_the_names_without_their_prefix():
    assert codec.words(venue_pb2.VenueCategory.DESCRIPTOR)["farmers_market"] == 5
    assert codec.words(case_pb2.LabOutcome.DESCRIPTOR) == {"unspecified": 0, "positive": 1, "negative": 2}
    assert codec.words(post_pb2.PostLevel.DESCRIPTOR)["highway_exit"] == 1
    for wrong in ("POSITIVE", "LAB_OUTCOME_POSITIVE", "maybe", "", 1, None):
        message = case_pb2.RecordLabResultRequest()
        if wrong is None:
            codec.decode({"outcome": wrong}, message)
            assert message.outcome == 0
        else:
            assert set(faults({"outcome": wrong}, message)) == {"outcome"}


def test_an_enum_value_newer_than_this_process_is_still_shown():
    case = case_pb2.Case.FromString(b"\x10\x63")
    assert codec.encode(case)["state"] == "value_99"


def test_everything_at_fault_is_reported_at_once():
    data = {
        "household_id": 7,
        "area": None,
        "residents": [{"name": "ok"}, {"name": 1, "age": 30}, "x"],
        "channel": "smoke",
        "request_id": "mine",
    }
    assert faults(data, register_pb2.RegisterHouseholdRequest(), hidden={"request_id"}) == {
        "household_id": "must be a string",
        "residents[1].name": "must be a string",
        "residents[1].age": "is not a field of this request",
        "residents[2]": "must be an object",
        "channel": "is not one of: self, proxy, import",
        "request_id": "is not a field of this request",
    }


@pytest.mark.parametrize("wrong", [True, 1.0, "7", -1, 2**32, [1], {}])
def test_integers_are_integers_in_range(wrong):
    assert faults({"rules": {"case_days": wrong}}, policy_pb2.DraftPolicyRequest()) == {
        "rules.case_days": "must be an integer from 0 to 4294967295"
    }


@pytest.mark.parametrize("wrong", [1, 0, "true", []])
def test_booleans_are_booleans(wrong):
    assert set(faults({"late": wrong}, visit_pb2.CheckInRequest())) == {"late"}


def test_lists_are_lists_and_objects_objects():
    assert faults({"residents": {}}, register_pb2.RegisterHouseholdRequest()) == {"residents": "must be a list"}
    assert faults({"consent": []}, register_pb2.RegisterHouseholdRequest()) == {"consent": "must be an object"}


def test_an_empty_object_is_there():
    message = register_pb2.RegisterHouseholdRequest()
    codec.decode({"consent": {}}, message)
    assert message.HasField("consent")


def test_only_one_alternative_may_be_given():
    data = {"resident_id": "x", "reference": {"day": 1}}
    assert set(faults(data, restriction_pb2.ExplainRestrictionRequest())) == {"reference"}


def test_an_answer_has_every_field_but_messages_that_are_not_set():
    assert codec.encode(case_pb2.Case()) == {
        "case_id": "", "state": "unspecified", "area": "", "drill_id": "", "approvals": 0, "lab_result_id": "",
    }  # fmt: skip
    assert codec.encode(visit_pb2.GetOccupancyResponse()) == {"zones": []}


def test_a_query_is_typed_by_its_contract():
    message = venue_pb2.ListVenuesRequest()
    codec.from_query(message, {"area": "141102", "category": "mall", "page_size": "5", "page_token": ""})
    assert message == venue_pb2.ListVenuesRequest(area="141102", category=4, page_size=5)


@given(
    st.dictionaries(
        st.text(max_size=8), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
    )
)
def test_no_json_breaks_the_decoder(data):
    for message in (register_pb2.RegisterHouseholdRequest(), visit_pb2.CheckInRequest()):
        with contextlib.suppress(DomainError):
            codec.decode(data, message)


@pytest.mark.parametrize(
    ("path", "found"),
    [("", ""), ("area", "/area"), ("requests[3].zone_id", "/requests/3/zone_id"), ("a/b", "/a~1b"), ("a~b", "/a~0b")],
)
def test_field_paths_become_json_pointers(path, found):
    assert pointer(path) == found
