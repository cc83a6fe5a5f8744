"""Citizen identification numbers, GB 11643-1999."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quarantine.register.model import (
    Channel,
    Consent,
    Registration,
    Resident,
    check_character,
    id_number_problem,
    refusal,
)

pytestmark = pytest.mark.feature("Q1")
TODAY = date(2022, 3, 10)
NOW = datetime(2022, 3, 10, 4, tzinfo=UTC)
BORN = st.dates(date(1890, 1, 1), TODAY)
valid = st.builds(
    lambda area, born, number: f"{area}{born:%Y%m%d}{number:03d}",
    st.integers(110000, 659999),
    BORN,
    st.integers(0, 999),
).map(lambda body: body + check_character(body))


def test_the_example_of_the_standard_is_valid():
    # The worked example printed in GB 11643-1999, annex A.
    assert check_character("11010519491231002") == "X"
    assert id_number_problem("11010519491231002X", TODAY) == ""
    assert check_character("44052418800101001") == "4"


@given(valid)
def test_a_number_with_its_own_check_character_is_accepted(number):
    assert id_number_problem(number, TODAY) == ""


@given(valid, st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(number, place, step):
    digit = (int(number[place]) + step) % 10
    assert id_number_problem(f"{number[:place]}{digit}{number[place + 1 :]}", TODAY) != ""


@given(valid, st.integers(0, 15))
def test_two_neighbours_swapped_are_always_noticed(number, place):
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert (swapped == number) == (id_number_problem(swapped, TODAY) == "")


@given(valid, st.sampled_from("0123456789X"))
def test_only_one_check_character_fits(number, character):
    assert (character == number[17]) == (id_number_problem(number[:17] + character, TODAY) == "")


@pytest.mark.parametrize("born", ["19500230", "19501301", "00000000", "20220311", "18891231"])
def test_a_birth_date_that_cannot_be_is_refused(born):
    body = f"141102{born}001"
    assert "birth date" in id_number_problem(body + check_character(body), TODAY)


@pytest.mark.parametrize(
    "number", ["", "1411021950010100", "14110219500101001x", "１41102195001010019", "14110219500101001²"]
)
def test_what_is_no_number_is_refused_and_nothing_crashes(number):
    assert id_number_problem(number, TODAY) != ""


def registration(**changed):
    person = Resident(uuid4(), "李伟", "11010519491231002X", "")
    values = {
        "request_id": uuid4(),
        "household_id": uuid4(),
        "area": "141102001001",
        "address": "滨河路1号",
        "residents": (person,),
        "channel": Channel.PROXY,
        "consent": Consent(NOW, bytes(32)),
        "drill_id": "",
    }
    return Registration(**(values | changed))


@pytest.mark.parametrize(
    ("channel", "roles"),
    [
        (Channel.SELF, {"app_backend"}),
        (Channel.PROXY, {"grid_worker", "volunteer"}),
        (Channel.IMPORT, {"registrar"}),
    ],
)
def test_each_way_of_registering_has_its_roles(channel, roles):
    for role in ("app_backend", "grid_worker", "volunteer", "registrar", "tracer"):
        refused = refusal(registration(channel=channel), frozenset({role}), NOW, TODAY)
        assert (refused is None) == (role in roles)


@given(st.timedeltas(timedelta(minutes=-60), timedelta(minutes=60)))
def test_consent_is_given_before_it_is_used(skew):
    refused = refusal(registration(consent=Consent(NOW + skew, bytes(32))), frozenset({"volunteer"}), NOW, TODAY)
    assert (refused is None) == (skew <= timedelta(minutes=5))


def test_a_proxy_without_consent_is_refused_and_told_which_field():
    refused = refusal(registration(consent=None), frozenset({"volunteer"}), NOW, TODAY)
    assert refused is not None
    assert list(refused.fields) == ["consent"]


def test_the_same_person_twice_in_a_household_is_refused():
    one = Resident(uuid4(), "李伟", "11010519491231002X", "")
    other = Resident(uuid4(), "李伟", "11010519491231002X", "")
    assert (
        refusal(registration(residents=(one, other)), frozenset({"volunteer"}), NOW, TODAY).reason
        == "DUPLICATE_RESIDENT"
    )
    assert (
        refusal(registration(residents=(one, one)), frozenset({"volunteer"}), NOW, TODAY).reason == "DUPLICATE_RESIDENT"
    )
