from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passes import cards
from passes.errors import PassError, Reason

pytestmark = pytest.mark.feature("Q2")

numbers = st.binary(min_size=16, max_size=16)
NUMBER = bytes(range(16))


@given(numbers)
def test_a_card_reads_back_as_scanned_and_as_typed(number):
    for text in (
        cards.card_text(number),
        cards.card_text(number).lower() + "\r\n",
        cards.printed(number),
        cards.printed(number).replace("-", " ").lower(),
        cards.printed(number).replace("0", "o").replace("1", "l"),
        cards.printed(number).replace("1", "I"),
    ):
        assert number == cards.parse_card(text)


@given(numbers)
def test_one_wrong_symbol_is_always_noticed(number):
    text = cards.card_text(number)
    for at in range(5, len(text)):
        for other in "0123456789ABCDEFGHJKMNPQRSTVWXYZ":
            if other != text[at]:
                with pytest.raises(PassError) as caught:
                    cards.parse_card(text[:at] + other + text[at + 1 :])
                assert caught.value.reason is Reason.CHECK


@given(numbers)
def test_two_neighbours_swapped_are_always_noticed(number):
    text = cards.card_text(number)
    for at in range(5, len(text) - 1):
        if text[at] != text[at + 1]:
            with pytest.raises(PassError):
                cards.parse_card(text[:at] + text[at + 1] + text[at] + text[at + 2 :])


@pytest.mark.parametrize("text", ["", "LLC1:", "LLT1:" + "0" * 28, "0" * 27, "0" * 29, "U" * 28, "０" * 28, "0" * 5000])
def test_other_text_is_no_card(refused, text):
    assert refused(cards.parse_card, text) is Reason.MALFORMED


@pytest.mark.feature("C4")
def test_two_days_of_one_card_have_nothing_in_common():
    monday, tuesday = (cards.card_key(date(2022, 3, day), NUMBER) for day in (14, 15))

    assert (len(monday), len(tuesday)) == (8, 8)
    assert monday != tuesday
    assert cards.card_key(date(2022, 3, 14), NUMBER) == monday


def test_numbers_of_another_size_are_refused():
    for function in (cards.card_text, cards.printed, lambda number: cards.card_key(date(2022, 3, 14), number)):
        with pytest.raises(ValueError, match="16 bytes"):
            function(b"short")


def test_new_numbers_differ():
    assert len({cards.new_number() for _ in range(100)}) == 100
