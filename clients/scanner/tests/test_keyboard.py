"""What a wedge scanner types and staff type, with the accidents of both."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passes import cards, vector_passes
from scanner.keyboard import Echo, Lines, Seen, codes, is_code, note
from verdicts.model import Colour, Observations

pytestmark = pytest.mark.feature("C4")
PASS = next(vector["text"] for vector in vector_passes.accepted() if vector["context"] == "")
CARD = cards.card_text(bytes(range(16)))


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\t", b"\r\r\n"])
def test_any_end_of_line_ends_a_code_once(end):
    lines = Lines()
    typed = end.join([PASS.encode(), CARD.encode(), b""])
    assert list(lines.feed(typed)) == [PASS, CARD]
    assert list(lines.rest()) == []


@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_how_bytes_are_cut_into_reads_does_not_matter(data, seed):
    whole, pieces, rng = Lines(), Lines(), random.Random(seed)
    expected = [*whole.feed(data), *whole.rest()]
    found, at = [], 0
    while at < len(data):
        step = rng.randint(1, 7)
        found += pieces.feed(data[at : at + step])
        at += step
    assert [*found, *pieces.rest()] == expected


def test_an_endless_line_takes_no_memory_and_spoils_only_itself():
    lines = Lines()
    (long, after) = lines.feed(b"A" * 1_000_000 + b"\r" + PASS.encode() + b"\r")
    assert (len(long), after) == (4096, PASS)


def test_codes_without_a_gap_are_two_codes():
    assert codes(PASS + CARD + PASS) == [PASS, CARD, PASS]


def test_a_torn_code_before_a_whole_one_is_dropped():
    assert codes(PASS[:80] + PASS) == [PASS]
    assert codes("ÿÿ7%" + PASS) == [PASS]


def test_a_line_without_any_whole_code_stays_as_it_is():
    assert codes(PASS[:80]) == [PASS[:80]]
    assert codes("https://elsewhere.example") == ["https://elsewhere.example"]
    assert codes("ß" * 9 + PASS) == [PASS]


def test_lower_case_and_a_hand_typed_card_are_codes():
    assert is_code(PASS.lower())
    assert is_code(cards.printed(bytes(range(16))).lower())
    assert not is_code(PASS[:-1])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("t 36.8", Seen(Observations(368))),
        ("T 37,3", Seen(Observations(373))),
        ("h g", Seen(Observations(health_code=Colour.GREEN))),
        ("i -", Seen(Observations(itinerary_card=Colour.NOT_SHOWN))),
        ("m", Seen(Observations(mask_worn=True))),
        ("b", Seen(bearer_matched=True)),
        ("ok 36.6", Seen(Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True))),
    ],
)
def test_commands_note_what_staff_saw(line, expected):
    assert note(Seen(), line) == expected


@pytest.mark.parametrize("line", ["t", "t 99", "t nan", "t 1e999", "t 3.68", "h x", "ok 12", "mask", "b 1", ""])
def test_what_is_no_command_notes_nothing(line):
    assert note(Seen(), line) is None


def test_notes_add_up():
    seen = Seen()
    for line in ("t 36.8", "h g", "i y", "m", "b"):
        seen = note(seen, line)
    assert seen == Seen(Observations(368, Colour.GREEN, Colour.YELLOW, mask_worn=True), bearer_matched=True)


def test_a_slip_of_the_finger_can_be_taken_back():
    assert list(Lines().feed(b"t 37.8\x7f\x086.8\n\x7f\x7fm\r")) == ["t 376.8", "m"]


def test_a_terminal_shows_commands_and_only_the_beginning_of_codes():
    echo = Echo()
    assert echo.of(b"t 37\x7f6\r\n") == "t 37\b \b6\n"
    assert echo.of(PASS.encode()) == PASS[:12]
    assert echo.of(b"\x7f\r") == "\n"
    assert echo.of(b"\x7f\r\x1b[A\n") == "[A\n"
