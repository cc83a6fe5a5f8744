"""The corrected clock: as good as the best message, and not fooled by one that was held up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scanner.clock import CorrectedClock

pytestmark = pytest.mark.feature("C4")
START = datetime(2022, 3, 10, 4, 0, tzinfo=UTC)


class Hand:
    def __init__(self):
        self.at = START

    def now(self):
        return self.at


def seconds(value):
    return timedelta(seconds=value)


@given(st.floats(-1e6, 1e6), st.lists(st.floats(0, 1.5), min_size=1, max_size=8))
def test_the_least_delayed_message_decides(offset, delays):
    hand = Hand()
    clock = CorrectedClock(hand)
    for delay in delays:
        hand.at += seconds(10)
        clock.hear(hand.at + seconds(offset) - seconds(delay))
    error = clock.now() - (hand.at + seconds(offset))
    assert abs(error + seconds(min(delays))) < seconds(0.001)


def test_a_saved_offset_holds_until_the_server_speaks():
    hand = Hand()
    clock = CorrectedClock(hand, seconds(300))
    assert (clock.now(), clock.synced) == (START + seconds(300), False)
    clock.hear(START - seconds(60))
    assert (clock.now(), clock.synced) == (START - seconds(60), True)


def test_a_message_held_up_for_a_minute_does_not_set_the_clock_back():
    hand = Hand()
    clock = CorrectedClock(hand)
    clock.hear(START)
    hand.at += seconds(60)
    clock.hear(START)
    assert clock.now() == hand.at


def test_a_step_backwards_is_believed_when_an_answer_confirms_it_or_three_messages_do():
    for confirmed in (True, False):
        hand = Hand()
        clock = CorrectedClock(hand)
        clock.hear(START)
        hand.at += seconds(600)  # somebody set the machine's clock ahead by ten minutes
        if confirmed:
            clock.hear(START + seconds(1), asked=hand.at)
        else:
            for _ in range(3):
                clock.hear(START + seconds(1))
        assert clock.now() == START + seconds(1)


def test_a_step_forward_is_believed_at_once():
    hand = Hand()
    clock = CorrectedClock(hand)
    clock.hear(START)
    clock.hear(START + seconds(900))
    assert clock.now() == START + seconds(900)
