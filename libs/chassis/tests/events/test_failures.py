"""Outages are never counted against an event, and a reason never quotes a value."""

import asyncpg
import nats.errors
import pytest
from chassis.errors import DomainError, Kind
from chassis.events import PoisonError
from chassis.events.failures import reason, transient


def postgres(code: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": code, "M": "secret value 141102", "n": "some_check"})


@pytest.mark.parametrize("code", ["08006", "53300", "57P01", "57P03", "57014", "40001", "40P01", "55P03", "25P03"])
def test_an_outage_or_a_lost_race_of_postgres_is_transient(code):
    assert transient(postgres(code))


@pytest.mark.parametrize("code", ["23505", "23514", "22P02", "42P01", "42501"])
def test_bad_data_and_bad_sql_are_the_events_own(code):
    assert not transient(postgres(code))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        nats.errors.TimeoutError(),
        asyncpg.InterfaceError("connection is closed"),
    ],
)
def test_a_lost_connection_is_transient(error):
    assert transient(error)


@pytest.mark.parametrize(
    "error", [ValueError(), KeyError("x"), PoisonError("no"), asyncpg.InterfaceError("the server expects 2 arguments")]
)
def test_a_programming_error_is_not(error):
    assert not transient(error)


def test_domain_errors_are_transient_by_kind():
    found = {kind for kind in Kind if transient(DomainError(kind, "SOME_REASON", "text"))}
    assert found == {Kind.UNAVAILABLE, Kind.ABORTED, Kind.EXHAUSTED}


def test_the_reason_of_a_database_error_has_no_values():
    assert "141102" not in reason(postgres("23514"))
    assert "some_check" in reason(postgres("23514"))


def test_the_reason_of_any_other_error_is_its_type_and_place():
    def fail():
        raise ValueError("tag 0123")

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        fail()
    assert reason(caught.value).startswith("ValueError in test_the_reason")
    assert "0123" not in reason(caught.value)


def test_the_reason_of_a_domain_error_is_its_kind_and_reason():
    assert reason(DomainError(Kind.INVALID, "BAD_DAY", "of Mr Li")) == "invalid BAD_DAY"
