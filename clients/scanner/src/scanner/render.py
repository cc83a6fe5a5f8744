"""Verdicts and states as lines of text: colour, sign and word each say it alone, for the colour-blind and for printers.

Plain text is for screen readers and Braille lines: the verdict's word comes first, one thing to a line, no signs or dots.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from passes.days import ZONE
from rich.text import Text
from verdicts.model import Colour
from verdicts.texts import VERDICTS

from scanner import palette
from scanner.block import SIGNS, block
from scanner.keyboard import Seen
from scanner.shown import Shown, Status

_COLOURS: Final = {
    Colour.GREEN: ("绿", "green"),
    Colour.YELLOW: ("黄", "yellow"),
    Colour.RED: ("红", "red"),
    Colour.NOT_SHOWN: ("未出示", "not shown"),
}
_MINUTE, _HOUR = 60, 3600
_CLOCK_OFF_S: Final = 30


class Lang(StrEnum):
    """Which languages are shown."""

    ZH = "zh"
    EN = "en"
    BOTH = "both"

    def say(self, zh: str, en: str) -> str:
        return {Lang.ZH: zh, Lang.EN: en, Lang.BOTH: f"{zh} {en}"}[self]


def age(seconds: int | None, lang: Lang) -> str:
    """The age of a list, in the largest unit that fits."""
    if seconds is None:
        return lang.say("无名单", "no list")
    value, zh, en = seconds, "秒", "s"
    if seconds >= 2 * _HOUR:
        value, zh, en = seconds // _HOUR, "小时", "h"
    elif seconds >= 2 * _MINUTE:
        value, zh, en = seconds // _MINUTE, "分钟", "min"
    return lang.say(f"名单{value}{zh}前", f"list {value} {en} old")


@dataclass(frozen=True, slots=True)
class Look:
    """How verdicts are laid out. columns: of the screen, for a block above the line; 0: no block (pipes and files).

    plain: words only, for screen readers.
    """

    columns: int = 0
    plain: bool = False


LINES_ONLY: Final = Look()


def verdict(shown: Shown, lang: Lang, now: datetime, queue: int, look: Look = LINES_ONLY) -> list[Text]:
    """The verdict, its reasons and where it comes from. now: the corrected time. queue: scans waiting for upload."""
    word = VERDICTS[shown.verdict]
    words = lang.say(word.zh, word.en)
    facts, alarm = _facts(shown, lang, queue), _alarm(shown, lang)
    last = Text("  ").append(" · ".join(facts), "dim")
    for text in alarm:
        last.append(" · ", "dim").append(text, "bold reverse")
    more = [*_reasons(shown, lang), *_denials(shown, lang, now)]
    if look.plain:
        drill = [Text(lang.say("演练", "DRILL") + f" {shown.drill_id}")] if shown.drill_id else []
        return [*drill, Text(words), *(Text(line.plain.strip()) for line in more), Text(", ".join([*facts, *alarm]))]
    head = Text()
    if shown.drill_id:
        head.append(f" 演练 DRILL {shown.drill_id} ", palette.DRILL.style).append(" ")
    if framed := block(shown.verdict, words, look.columns):
        first = [head] if shown.drill_id else []
        return [*first, *framed, *more, Text(" ").append_text(last)]
    head.append(f" {SIGNS[shown.verdict]} {words} ", palette.VERDICTS[shown.verdict].style)
    return [head.append_text(last), *more]


def _facts(shown: Shown, lang: Lang, queue: int) -> list[str]:
    state = lang.say("在线", "on line") if shown.online else lang.say("离线", "OFF LINE")
    parts = [f"{shown.took_ms:.0f} ms", state, age(shown.list_age_seconds, lang)]
    if shown.online and shown.degraded:
        parts.append(lang.say("服务降级", "degraded"))
    if queue:
        parts.append(lang.say(f"待上传{queue}", f"{queue} to upload"))
    return parts


def _alarm(shown: Shown, lang: Lang) -> list[str]:
    """What must not be overlooked: a scan that a power cut would lose, or that is lost."""
    if shown.in_memory:
        return [lang.say("磁盘写不进，仅存内存！", "NOT ON DISK, in memory only!")]
    if not shown.recorded and not shown.queued:
        return [lang.say("未能记录！", "NOT RECORDED!")]
    return []


def noted(seen: Seen, lang: Lang, look: Look = LINES_ONLY) -> Text:
    """What will count for the next person."""
    found, parts = seen.observations, []
    if found.temperature_decicelsius:
        parts.append(f"{found.temperature_decicelsius / 10:.1f} °C")
    for code, zh, en in (
        (found.health_code, "健康码", "health code"),
        (found.itinerary_card, "行程卡", "itinerary card"),
    ):
        if code is not Colour.UNSPECIFIED:
            parts.append(lang.say(*(f"{name}: {word}" for name, word in zip((zh, en), _COLOURS[code], strict=True))))
    if found.mask_worn:
        parts.append(lang.say("戴口罩", "mask"))
    if seen.bearer_matched:
        parts.append(lang.say("已核对持卡人", "bearer compared"))
    return Text(", ".join(parts)) if look.plain else Text("— " + " · ".join(parts), "dim")


def state(status: Status, lang: Lang, look: Look = LINES_ONLY) -> Text:
    """One line about the scanner itself."""
    parts = [lang.say("在线", "on line") if status.online else lang.say("离线", "OFF LINE")]
    parts.append(age(status.list_age_seconds, lang))
    if not status.list_complete:
        parts.append(lang.say("名单不完整", "list incomplete"))
    parts.append(lang.say(f"待上传{status.queue}", f"{status.queue} to upload"))
    if status.overdue:
        parts.append(lang.say(f"其中{status.overdue}条已超72小时", f"{status.overdue} of them older than 72 h"))
    if status.aside:
        parts.append(lang.say(f"未被接收{status.aside}条（输入 a 查看）", f"{status.aside} put aside (type a)"))
    if status.refused:
        parts.append(lang.say("设备未获授权！", "THIS DEVICE IS NOT ACCEPTED!"))
    if status.in_memory:
        parts.append(
            lang.say(
                f"{status.in_memory}条仅存内存，请清理磁盘，勿断电",
                f"{status.in_memory} in memory only: make room on the disk, do not switch off",
            )
        )
    parts += _clock(status, lang)
    parts += [lang.say(problem.zh, problem) for problem in status.problems]
    if look.plain:
        return Text(", ".join(parts))
    return Text("— " + " · ".join(parts), "dim" if status.online and not status.problems else "bold")


def _clock(status: Status, lang: Lang) -> list[str]:
    found = []
    if status.clock_doubtful:
        found.append(
            lang.say("时钟不可信，请核对本机时间或联网", "THE CLOCK IS IN DOUBT: check the time, or go on line once")
        )
    if status.clock_jump_seconds:
        jump = _span(status.clock_jump_seconds)
        found.append(
            lang.say(
                f"本机时钟被拨动{jump}，按自身计时继续", f"machine's clock was set by {jump}, counting on without it"
            )
        )
    elif abs(status.clock_offset_seconds) > _CLOCK_OFF_S:
        off = f"{status.clock_offset_seconds:+.0f} s"
        found.append(lang.say(f"本机时钟已校正{off}", f"clock corrected by {off}"))
    return found


def _span(seconds: float) -> str:
    """A length of time with its sign, in the largest unit that tells it."""
    for unit, length in (("d", 86_400), ("h", _HOUR), ("min", _MINUTE)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:+.1f} {unit}"
    return f"{seconds:+.0f} s"


def _reasons(shown: Shown, lang: Lang) -> list[Text]:
    lines = []
    for reason in shown.reasons:
        if lang is not Lang.EN:
            lines.append(Text(f"   {reason.zh}"))
        if lang is not Lang.ZH:
            lines.append(Text(f"   {reason.en}"))
    return lines


def _denials(shown: Shown, lang: Lang, now: datetime) -> list[Text]:
    lines = []
    for denial in shown.denials:
        who = (
            lang.say("持码人", "holder")
            if denial.person == 0
            else lang.say("同行人", "companion") + f" {denial.person}"
        )
        reference = f"{denial.reference.hex()} ({denial.day:%m-%d} {denial.generation}/{denial.number})"
        lines.append(Text(f"   {who}: " + lang.say("编号", "reference") + f" {reference}"))
    if shown.denials and not shown.online:
        # A lift may have come since: product rule 3 asks for the list's time and a call.
        made = (now - timedelta(seconds=shown.list_age_seconds or 0)).astimezone(ZONE)
        lines.append(
            Text(
                "   "
                + lang.say(
                    f"依据{made:%H:%M}的名单，请致电核实是否已解除",
                    f"By the list of {made:%H:%M}; call to ask whether it was lifted since",
                )
            )
        )
    return lines
