"""Warnings of events that wait for a dependency."""

from chassis.errors import DomainError, Kind
from chassis.events.held import AGAIN_S, Held
from structlog.testing import capture_logs

UNKNOWN = DomainError(Kind.UNAVAILABLE, "LOG_KEYS_UNKNOWN", "The log's keys are not known yet.")


def test_a_new_reason_is_told_at_once_and_the_same_one_rarely_with_how_often_it_came():
    held = Held("checkpoint-restricted")
    with capture_logs() as said:
        for attempt in range(50):
            held.tell(UNKNOWN, 100.0 + attempt * 0.2)
        held.tell(UNKNOWN, 100.0 + AGAIN_S)
        held.tell(ConnectionRefusedError(), 100.1 + AGAIN_S)
    told = [(entry["event"], entry["reason"], entry["attempts"]) for entry in said]
    assert told == [
        ("event_held", "unavailable LOG_KEYS_UNKNOWN", 1),
        ("event_held", "unavailable LOG_KEYS_UNKNOWN", 50),
        ("event_held", "ConnectionRefusedError", 1),
    ]
    assert {entry["durable"] for entry in said} == {"checkpoint-restricted"}


def test_reasons_that_come_by_turns_are_each_told_as_rarely():
    held, by_turns = Held("checkpoint-restricted"), (ConnectionRefusedError(), TimeoutError(), UNKNOWN)
    with capture_logs() as said:
        for attempt in range(150):
            held.tell(by_turns[attempt % 3], 100.0 + attempt * 0.1)
    assert [entry["attempts"] for entry in said] == [1, 1, 1, 34, 34, 34]


def test_reasons_that_never_come_again_are_forgotten():
    held = Held("checkpoint-restricted")
    with capture_logs() as said:
        for number in range(200):
            held.tell(DomainError(Kind.UNAVAILABLE, f"REASON_{number}", "Not now."), 100.0)
    assert len(said) == 200
    assert len(held._told) < 50
