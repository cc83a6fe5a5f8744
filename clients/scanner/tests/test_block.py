"""A verdict without its colour: sign, words, frame and place."""

import io
import itertools
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from rich.cells import cell_len
from rich.console import Console
from scanner.block import NARROWEST, block
from scanner.render import Lang, Look, verdict
from scanner.shown import ReasonText, Shown
from verdicts.model import Denial, Reason, Verdict
from verdicts.texts import VERDICTS

pytestmark = pytest.mark.feature("C2")

NOW = datetime(2022, 3, 10, 6, 2, tzinfo=UTC)
ALLOWED = Shown(bytes(8), Verdict.ALLOW, (), (), "", 3, True, False, True, False, 12.4)
DENIED = replace(
    ALLOWED,
    verdict=Verdict.DENY,
    reasons=(ReasonText(2, "密切接触者", "Close contact"),),
    denials=(Denial(1, date(2022, 3, 10), Reason.RESTRICTED_CLOSE_CONTACT, bytes.fromhex("aabbccddeeff0011"), 3, 7),),
)


def shape(which, columns=80):
    return [line.plain for line in block(which, "same words", columns)]


def without_colour(which, **environment):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, _environ={"TERM": "xterm-256color", **environment})
    for line in block(which, "words", 80):
        console.print(line, soft_wrap=True, highlight=False)
    return screen.getvalue()


def test_with_the_same_words_and_no_colour_each_two_blocks_share_neither_sign_nor_frame():
    shapes = {which: set("".join(shape(which))) - set("same words ") for which in Verdict if which in VERDICTS}
    for one, other in itertools.combinations(shapes, 2):
        assert not shapes[one] & (shapes[other] - {"█"}), (one, other)
    assert "╭" in shapes[Verdict.ALLOW]
    assert "░" in shapes[Verdict.REFER]
    assert "█" in shapes[Verdict.DENY]


def test_each_block_has_a_place_of_its_own():
    extents = {}
    for which in VERDICTS:
        (middle,) = {line.rstrip() for line in shape(which)[1:2]}
        extents[which] = (len(middle) - len(middle.lstrip()), cell_len(middle))
    allow, refer, deny = (extents[which] for which in (Verdict.ALLOW, Verdict.REFER, Verdict.DENY))
    assert (allow[0], deny) == (0, (0, 80))
    assert allow[1] <= 40
    assert refer[0] > 10
    assert 50 < refer[1] < 75


@pytest.mark.parametrize("columns", [NARROWEST, 41, 79, 80, 200])
@pytest.mark.parametrize("lang", Lang)
def test_a_block_is_straight_and_fits_with_chinese_words_too(columns, lang):
    for which, words in VERDICTS.items():
        lines = block(which, lang.say(*words), columns)
        assert len({cell_len(line.plain) for line in lines}) == 1
        assert cell_len(lines[0].plain) <= min(columns, 80)
        assert lang.say(*words) in lines[1].plain


def test_a_screen_too_narrow_for_a_block_has_the_line_alone():
    assert block(Verdict.DENY, "words", NARROWEST - 1) == []
    (line, *_) = verdict(DENIED, Lang.EN, NOW, 0, Look(columns=NARROWEST - 1))
    assert "✖ DENY" in line.plain


def test_no_color_is_honoured_and_the_shape_remains():
    assert "48;5;87" in without_colour(Verdict.ALLOW)
    assert "48;5" not in without_colour(Verdict.ALLOW, NO_COLOR="1")
    assert "✔" in without_colour(Verdict.ALLOW, NO_COLOR="1")


@pytest.mark.feature("X10")
def test_a_drill_is_said_above_its_block():
    first, second, *_ = verdict(replace(ALLOWED, drill_id="spring"), Lang.EN, NOW, 0, Look(columns=80))
    assert "DRILL spring" in first.plain
    assert "╭" in second.plain


def test_plain_text_begins_with_the_verdict_and_has_no_signs():
    lines = [line.plain for line in verdict(DENIED, Lang.EN, NOW, 2, Look(plain=True))]
    assert lines == [
        "DENY",
        "Close contact",
        "companion 1: reference aabbccddeeff0011 (03-10 3/7)",
        "12 ms, on line, list 3 s old, 2 to upload",
    ]
