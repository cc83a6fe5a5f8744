"""What staff see: sign, word and colour say the same, and nothing that matters is left out."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from scanner.render import Lang, age, state, verdict
from scanner.said import Said
from scanner.shown import ReasonText, Shown, Status
from verdicts.model import Denial, Reason, Verdict

pytestmark = [pytest.mark.feature("C4"), pytest.mark.feature("X9")]
NOW = datetime(2022, 3, 10, 6, 2, tzinfo=UTC)
ALLOWED = Shown(bytes(8), Verdict.ALLOW, (), (), "", 3, True, False, True, False, 12.4)
DENIED = replace(
    ALLOWED,
    verdict=Verdict.DENY,
    reasons=(ReasonText(2, "密切接触者", "Close contact"),),
    denials=(Denial(1, date(2022, 3, 10), Reason.RESTRICTED_CLOSE_CONTACT, bytes.fromhex("aabbccddeeff0011"), 3, 7),),
)
FINE = Status(True, 3, True, 1, 0, 0, 0, False, 0.0, ())


def text(shown, lang=Lang.BOTH, queue=0):
    return "\n".join(line.plain for line in verdict(shown, lang, NOW, queue))


@pytest.mark.parametrize(
    ("word", "sign", "zh", "en"),
    [
        (Verdict.ALLOW, "✔", "放行", "ALLOW"),
        (Verdict.REFER, "▲", "请核实", "REFER"),
        (Verdict.DENY, "✖", "禁止通行", "DENY"),
    ],
)
def test_each_verdict_has_a_sign_and_words_of_its_own_in_the_language_asked_for(word, sign, zh, en):
    shown = replace(ALLOWED, verdict=word)
    assert f"{sign} {zh} {en}" in text(shown)
    assert (zh in text(shown, Lang.EN), en in text(shown, Lang.EN)) == (False, True)
    assert (zh in text(shown, Lang.ZH), en in text(shown, Lang.ZH)) == (True, False)
    assert sign in text(shown, Lang.EN)


def test_a_denial_names_person_and_reference_and_off_line_its_lists_time_and_a_call():
    on_line = text(DENIED, Lang.EN)
    assert "companion 1: reference aabbccddeeff0011 (03-10 3/7)" in on_line
    assert "call to ask" not in on_line
    off_line = text(replace(DENIED, online=False, list_age_seconds=3600), Lang.EN)
    assert "By the list of 13:02; call to ask whether it was lifted since" in off_line
    assert "OFF LINE" in off_line
    assert "13:02" in text(replace(DENIED, online=False, list_age_seconds=3600), Lang.ZH)


def test_a_scan_that_is_nowhere_is_said_loudly():
    assert "NOT RECORDED!" in text(replace(ALLOWED, recorded=False), Lang.EN)
    assert "NOT RECORDED" not in text(replace(ALLOWED, recorded=False, queued=True), Lang.EN)


def test_degraded_queue_and_time_are_shown():
    line = text(replace(ALLOWED, degraded=True), Lang.EN, queue=5)
    assert "12 ms · on line · list 3 s old · degraded · 5 to upload" in line


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "no list"), (119, "list 119 s old"), (120, "list 2 min old"), (7200, "list 2 h old")]
)
def test_the_age_of_a_list_is_said_in_a_unit_that_fits(seconds, said):
    assert age(seconds, Lang.EN) == said


def test_the_state_says_whatever_is_wrong():
    assert state(FINE, Lang.EN).plain == "— on line · list 3 s old · 0 to upload"
    bad = Status(False, None, False, 1, 4, 2, 3, True, -95.0, (Said("the journal was damaged", "日志文件曾损坏"),))
    said = state(bad, Lang.EN).plain
    for part in (
        "OFF LINE", "no list", "list incomplete", "4 to upload", "2 of them older than 72 h", "3 put aside",
        "THIS DEVICE IS NOT ACCEPTED!", "clock corrected by -95 s", "the journal was damaged",
    ):  # fmt: skip
        assert part in said
    in_chinese = state(replace(bad, in_memory=2, clock_doubtful=True, clock_jump_seconds=7200.0), Lang.ZH).plain
    assert "日志文件曾损坏" in in_chinese
    assert not any(
        letter.isascii() and letter.isalpha() for letter in in_chinese.replace("输入 a 查看", "").replace("+2.0 h", "")
    )
