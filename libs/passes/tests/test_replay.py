from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passes.replay import WINDOW, ReplayGuard

pytestmark = pytest.mark.feature("Q2")

START = datetime(2022, 3, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_same_code_for_a_second_use_is_a_replay_and_a_retry_is_not():
    guard = ReplayGuard()

    assert guard.first_use(b"digest", b"scan 1", START)
    assert guard.first_use(b"digest", b"scan 1", START + SECOND)
    assert not guard.first_use(b"digest", b"scan 2", START + SECOND)
    assert guard.first_use(b"other", b"scan 2", START + SECOND)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=60))
def test_no_replay_within_the_window_is_missed(steps):
    """Against a plain list of everything ever seen; the guard may remember longer than the window, never shorter."""
    guard, now, last = ReplayGuard(), START, {}
    for number, (wait, digest) in enumerate(steps):
        now += wait * SECOND
        key, use = bytes((digest,)), number.to_bytes(4, "big")
        fresh = guard.first_use(key, use, now)
        if key in last and now - last[key] <= WINDOW:
            assert not fresh
        if fresh:
            last[key] = now


def test_what_is_older_than_two_windows_is_forgotten():
    guard = ReplayGuard()
    guard.first_use(b"digest", b"1", START)

    assert guard.first_use(b"digest", b"2", START + 2 * WINDOW)
    assert len(guard) == 1


def test_memory_is_bounded_and_an_overflow_is_counted():
    guard = ReplayGuard(capacity=10)
    for number in range(1000):
        guard.first_use(number.to_bytes(4, "big"), b"use", START)

    assert len(guard) <= 20
    assert guard.overflows == 99
    assert not guard.first_use((999).to_bytes(4, "big"), b"again", START)


def test_a_clock_that_steps_back_forgets_nothing():
    guard = ReplayGuard()
    guard.first_use(b"digest", b"1", START)

    assert not guard.first_use(b"digest", b"2", START - timedelta(hours=1))


@pytest.mark.parametrize("bad", [{"capacity": 0}, {"window": timedelta(0)}])
def test_a_guard_without_room_or_time_is_refused(bad):
    with pytest.raises(ValueError, match="room and time"):
        ReplayGuard(**bad)
