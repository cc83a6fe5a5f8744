"""The self-test: every check in its order, printed as it is made, with an exit code that scripts can use."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text as Line
from verdicts.model import Verdict
from verdicts.texts import VERDICTS, Text

from scanner import checks, palette, standing
from scanner.block import block, shows
from scanner.checks import Check, Level
from scanner.peek import Heard, Peek
from scanner.render import Lang
from scanner.sound import TONES, Sound, Speaker
from scanner.state import StateError
from scanner.terminal import keyboard, typed_lines

_MARKS: Final = {
    Level.OK: ("✔", Text("正常", "OK")),
    Level.ATTENTION: ("▲", Text("注意", "ATTENTION")),
    Level.FAILED: ("✖", Text("失败", "FAILED")),
}
_LIKE: Final = {Level.OK: Verdict.ALLOW, Level.ATTENTION: Verdict.REFER, Level.FAILED: Verdict.DENY}
TRIGGER_S: Final = 20.0


class SelfTest:
    """One run. `report` prints checks; `checks` has all that were made."""

    def __init__(self, console: Console, lang: Lang, *, plain: bool) -> None:
        self._console, self._lang, self._plain = console, lang, plain
        self.checks: list[Check] = []

    async def run(
        self,
        folder: Path,
        speaker: Speaker,
        *,
        target: str | None = None,
        seconds: float = 3.0,
        source: int | None = None,
    ) -> Level:
        """Works beside a running scanner, and off line.

        target: another address than the enrolment's. seconds: how long to wait for the server; 0: do not call it. source: the
        terminal at which somebody pulls the trigger once; None: nobody is asked to.
        """
        self.report(checks.wedge())
        if source is not None:
            self.report(checks.scanned(await self._trigger(source)))
        self.report(self._screen())
        self.report(await self._sound(speaker))
        self.report(checks.signature())
        self.report(checks.key(folder))
        self.report(checks.folder(folder))
        try:
            peek = Peek(folder)
        except StateError as error:
            fix = Text("按说明重新登记", "do what it says")
            self.report(Check(Text("登记", "enrolment"), Level.FAILED, Text(error.zh, f"{error}"), fix))
            return self.finish()
        await self._standing(peek, target, seconds)
        return self.finish()

    async def _standing(self, peek: Peek, target: str | None, seconds: float) -> None:
        self.report(standing.log_key(peek))
        heard: Heard | None = None
        if peek.enrolment is not None and peek.device is not None and seconds > 0:
            address = target or peek.enrolment.target
            heard = await peek.ask(address, peek.enrolment.credentials(address), seconds)
            self.report(standing.server(heard, address, peek.device))
        self.report(standing.clock(peek, heard))
        self.report(standing.restricted_list(peek))
        self.report(standing.queue(peek))
        if peek.in_use:
            self.say("（扫码程序正在使用此目录）", "(a scanner is running on this folder)")

    def report(self, check: Check) -> None:
        """Takes the check in and prints its line, and under it what to do."""
        self.checks.append(check)
        sign, word = _MARKS[check.level]
        mark, name = self._lang.say(*word), self._lang.say(*check.name)
        if self._plain:
            self._print(Line(f"{mark}: {name}: {self._both(check.found)}"))
        else:
            line = Line().append(f" {sign} {mark} ", palette.VERDICTS[_LIKE[check.level]].style)
            self._print(line.append(f" {name}: {self._both(check.found)}"))
        if check.fix is not None:
            self._print(Line(("" if self._plain else "     ➜ ") + self._both(check.fix)))

    def finish(self) -> Level:
        """The last line, and the level of the whole."""
        level = checks.worst(self.checks)
        counts = {each: sum(check.level is each for check in self.checks) for each in Level}
        self.say(
            f"自检：正常 {counts[Level.OK]}，注意 {counts[Level.ATTENTION]}，失败 {counts[Level.FAILED]}",
            f"Self-test: {counts[Level.OK]} OK, {counts[Level.ATTENTION]} attention, {counts[Level.FAILED]} failed",
        )
        return level

    def say(self, zh: str, en: str) -> None:
        """A sentence in the languages shown."""
        self._print(Line(self._lang.say(zh, en)))

    def _both(self, text: Text) -> str:
        return (
            text.en
            if text.zh == text.en
            else self._lang.say(text.zh, f"· {text.en}" if self._lang is Lang.BOTH else text.en)
        )

    def _screen(self) -> Check:
        name = Text("屏幕", "screen")
        if not shows(sys.stdout.encoding):
            fix = Text("export LANG=C.UTF-8", "run export LANG=C.UTF-8 (and PYTHONIOENCODING=utf-8 if set)")
            said = Text("不能显示中文和符号", f"{sys.stdout.encoding} shows neither Chinese nor signs")
            return Check(name, Level.FAILED, said, fix)
        if self._plain or not self._console.is_terminal:
            return Check(name, Level.OK, Text("纯文本", "plain lines, no terminal or --plain"))
        for verdict, word in VERDICTS.items():
            for line in block(verdict, self._lang.say(*word), self._console.width):
                self._print(line)
        colours = self._console.color_system if not self._console.no_color else None
        shown = Text("无颜色，符号、文字和边框相同", "no colours: sign, words and frame say the same")
        if colours is not None:
            shown = Text(f"{colours}色", f"{colours} colours")
        if not block(Verdict.ALLOW, "", self._console.width):
            fix = Text("加宽窗口到40列以上", "widen the window to 40 columns or more")
            return Check(name, Level.ATTENTION, Text("屏幕太窄", f"only {self._console.width} columns"), fix)
        return Check(name, Level.OK, shown)

    async def _sound(self, speaker: Speaker) -> Check:
        name = Text("声音", "sound")
        if speaker.sound is Sound.OFF:
            return Check(name, Level.OK, Text("已关闭", "switched off"))
        if not self._console.is_terminal and speaker.sound is Sound.BELL:
            return Check(name, Level.OK, Text("无终端，不响铃", "no terminal, no bell"))
        for verdict in TONES:
            speaker.play(verdict)
            await speaker.finished()
            await asyncio.sleep(0.4)
        counts = ", ".join(f"{VERDICTS[verdict].en} {tones.times}" for verdict, tones in TONES.items())
        zh = "，".join(f"{VERDICTS[verdict].zh}{tones.times}声" for verdict, tones in TONES.items())
        said = Text(f"{speaker.sound}：{zh}", f"{speaker.sound}: {counts}")
        if speaker.fell_back:
            fix = Text("安装 alsa-utils，或用 --sound bell", "install alsa-utils, or use --sound bell")
            return Check(name, Level.ATTENTION, Text(f"没有播放器，{said.zh}", f"no player found, {said.en}"), fix)
        return Check(name, Level.OK, said)

    async def _trigger(self, source: int) -> str | None:
        self.say(
            f"请用扫码枪扫一个码（{TRIGGER_S:.0f}秒内；回车跳过）",
            f"Scan any code within {TRIGGER_S:.0f} s; Enter skips",
        )
        with keyboard(source) as typed:
            skipped = asyncio.Event()
            lines = typed_lines(source, _noticing_enter(typed, skipped))
            reading = asyncio.ensure_future(anext(lines, None))
            skipping = asyncio.create_task(skipped.wait())
            await asyncio.wait((reading, skipping), timeout=TRIGGER_S, return_when=asyncio.FIRST_COMPLETED)
            for task in (reading, skipping):
                task.cancel()
            if reading.done() and not reading.cancelled():
                return reading.result()
            return "" if skipped.is_set() else None

    def _print(self, line: Line) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)


def _noticing_enter(typed: Callable[[bytes], None], skipped: asyncio.Event) -> Callable[[bytes], None]:
    """Tells of an end of line that has nothing before it, which `typed_lines` gives no line for."""

    def told(data: bytes) -> None:
        typed(data)
        if not data.strip(b"\r\n"):
            skipped.set()

    return told


def terminal_of(descriptor: int) -> int | None:
    """The descriptor if somebody sits there who can pull a trigger."""
    return descriptor if os.isatty(descriptor) else None
