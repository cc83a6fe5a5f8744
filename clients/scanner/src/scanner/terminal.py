"""The scanner at a terminal: codes and commands in, verdicts out."""

import asyncio
import os
import sys
import termios
import threading
import time
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.text import Text

from scanner import render
from scanner.client import Scanner
from scanner.journal import JournalError
from scanner.keyboard import Echo, Lines, Seen, codes, is_code, note
from scanner.link import CallError
from scanner.render import Lang, Look
from scanner.shown import Shown
from scanner.sound import Speaker

SAME_CODE_S: Final = 2.0
"""A trigger pulled twice types the same code twice; that is one person, not a replay."""
_LOOK_S: Final = 0.5
_LAST_UPLOAD_S: Final = 3.0
_CHUNK: Final = 4096
_SHORT: Final = 8

HELP: Final = (
    (
        "t 36.8 体温；ok 36.6 两码皆绿、戴口罩；h/i g|y|r|- 健康码/行程卡；m 口罩；b 已核对持卡人",
        "t 36.8 temperature; ok 36.6 both codes green, mask; h/i g|y|r|- health code/itinerary; m mask; b bearer compared",
    ),
    (
        "n 无手机无卡；s 状态；u 立即上传；a 未被接收的记录；a clear 清除；q 退出",
        "n neither phone nor card; s state; u upload now; a what was not taken; a clear; q quit",
    ),
)


class Terminal:
    """One scanner, one keyboard."""

    def __init__(
        self, scanner: Scanner, console: Console, lang: Lang, speaker: Speaker, *, plain: bool = False
    ) -> None:
        """plain: words only, no frames and signs, for screen readers."""
        self._scanner, self._console, self._lang = scanner, console, lang
        self._speaker, self._plain = speaker, plain
        self._seen = Seen()
        self._last: tuple[str, Shown] | None = None
        self._last_at = float("-inf")
        self._commands: dict[str, Callable[[], Awaitable[None]]] = {
            "n": lambda: self._judge(""),
            "s": self._state,
            "u": self._upload,
            "a": self._aside,
            "a clear": self._clear,
            "?": self._help,
            "help": self._help,
        }

    async def run(self, lines: AsyncIterator[str]) -> None:
        """Until `q` or the end of input."""
        if self._speaker.fell_back:
            self._say(
                "没有播放器，改用终端响铃（可安装 alsa-utils）",
                "No player found (install alsa-utils); the bell is used",
            )
        watching = asyncio.create_task(self._watch())
        try:
            async for line in lines:
                if line.strip().lower() == "q":
                    break
                await self.take(line)
        finally:
            watching.cancel()
        await self._leave()
        await self._speaker.finished()

    async def take(self, line: str) -> None:
        """One line: a command, or what a wedge scanner typed."""
        noted = None if is_code(line) else note(self._seen, line)
        if noted is not None:
            self._seen = noted
            self._print(render.noted(noted, self._lang, self._look))
            return
        word = line.strip().lower()
        if (command := self._commands.get(word)) is not None:
            await command()
        elif len(word) <= _SHORT and not is_code(line):  # nothing so short is a torn code
            self._say("不明指令，输入 ? 查看", "No such command; type ? for help")
        else:
            for code in codes(line):
                await self._judge(code)

    async def _judge(self, code: str) -> None:
        again = time.monotonic() - self._last_at < SAME_CODE_S
        if code and self._last is not None and self._last[0] == code and again:
            self._show(self._last[1])
            return
        shown = await self._scanner.scan(code, self._seen.observations, bearer_matched=self._seen.bearer_matched)
        self._seen, self._last, self._last_at = Seen(), (code, shown), time.monotonic()
        self._show(shown)

    def _show(self, shown: Shown) -> None:
        queue = self._scanner.status().queue
        self._speaker.play(shown.verdict)
        for text in render.verdict(shown, self._lang, self._scanner.clock.now(), queue, self._look):
            self._print(text)

    @property
    def _look(self) -> Look:
        """As wide as the screen is now. Into a pipe or file goes one line for each verdict, however wide that is."""
        framed = self._console.is_terminal and not self._plain
        return Look(self._console.width if framed else 0, plain=self._plain)

    async def _upload(self) -> None:
        try:
            count = await self._scanner.upload()
        except CallError as error:
            self._say(f"上传未成功（{error}），稍后自动重试", f"Not uploaded ({error}); tried again later by itself")
        else:
            self._say(f"已上传{count}条", f"{count} uploaded")

    async def _state(self) -> None:
        self._print(render.state(self._scanner.status(), self._lang, self._look))

    async def _help(self) -> None:
        for zh, en in HELP:
            self._say(zh, en)

    async def _clear(self) -> None:
        try:
            self._scanner.clear_aside()
        except JournalError as error:
            self._say(f"未能清除（{error}）", f"Not cleared ({error})")
        await self._state()

    async def _aside(self) -> None:
        try:
            found = self._scanner.aside()
        except JournalError as error:
            self._say(f"无法读取（{error}）", f"Cannot be read ({error})")
            return
        for item in found:
            self._print(Text(f"   {item.scanned_at:%Y-%m-%d %H:%M}Z  {item.scan_id.hex()}  {item.reason}"))
        self._say(f"共{len(found)}条未被接收", f"{len(found)} were not taken")

    async def _watch(self) -> None:
        """Says when the scanner goes on or off line, or something is wrong with it, without being asked."""
        told: tuple[object, ...] | None = None
        while True:
            await asyncio.sleep(_LOOK_S)
            status = self._scanner.status()
            now = (
                status.online,
                status.refused,
                status.list_complete,
                status.overdue > 0,
                status.aside,
                status.problems,
                status.in_memory > 0,
                status.clock_doubtful,
                round(status.clock_jump_seconds, -1),
            )
            if now != told:
                told = now
                self._print(render.state(status, self._lang, self._look))

    async def _leave(self) -> None:
        """A last try to upload; what does not get away stays in the journal, and that is said."""
        try:
            if self._scanner.status().online:
                async with asyncio.timeout(_LAST_UPLOAD_S):
                    await self._scanner.upload()
        except (CallError, TimeoutError):
            pass
        self._print(render.state(self._scanner.status(), self._lang, self._look))

    def _say(self, zh: str, en: str) -> None:
        indent = "" if self._plain else "   "
        self._print(Text(f"{indent}{self._lang.say(zh, en)}"))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


@contextmanager
def keyboard(descriptor: int) -> Iterator[Callable[[bytes], None]]:
    """A terminal gives every key at once and echoes nothing by itself, because codes would fill the screen.

    Yields what has to be told of every key, and puts the terminal back as it was. Anything else is left alone.
    """
    if not os.isatty(descriptor):
        yield lambda _: None
        return
    before, echo = termios.tcgetattr(descriptor), Echo()

    def show(data: bytes) -> None:
        sys.stdout.write(echo.of(data))
        sys.stdout.flush()

    tty.setcbreak(descriptor)
    try:
        yield show
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def typed_lines(descriptor: int, typed: Callable[[bytes], None]) -> AsyncIterator[str]:
    """Lines from a descriptor as they are typed, whatever it is: terminal, pipe or file. `typed` is told of all bytes.

    A thread reads, because files cannot be waited for; it ends with the process.
    """
    loop, chunks = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def read() -> None:
        data = b"?"
        while data:
            try:
                data = os.read(descriptor, _CHUNK)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, data)
            except RuntimeError:
                return  # the program has ended meanwhile

    threading.Thread(target=read, name="keyboard", daemon=True).start()
    lines = Lines()
    while data := await chunks.get():
        typed(data)
        for line in lines.feed(data):
            yield line
    for line in lines.rest():
        yield line
