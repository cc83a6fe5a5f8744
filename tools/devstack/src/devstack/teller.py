"""Tells the story on a terminal: with colour and progress bars where there is one, in plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

WIDTH = 96


class Teller:
    """Everything that is said goes through here, so that a log file reads as well as a terminal."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._rich = stream.isatty()
        self._console = Console(file=stream, highlight=False)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """A heading."""
        self._chapter += 1
        self._line(f"\n{self._chapter} · {title}", style="bold")

    def say(self, text: str, took: float | None = None) -> None:
        """A sentence; `took`: seconds, shown behind it."""
        self._line(f"    {text}" + ("" if took is None else f"  [{duration(took)}]"))

    def plain(self, text: str) -> None:
        """A line to be copied: nothing before it, nothing in it changed."""
        self._line(text)

    def warn(self, text: str) -> None:
        """Something that went wrong and is being dealt with."""
        self._line(f"  ! {text}", style="yellow")

    def _line(self, text: str, style: str | None = None) -> None:
        if self._rich:
            self._console.print(escape(text), style=style, soft_wrap=True)
        else:
            self._stream.write(text + "\n")
            self._stream.flush()

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """A sentence said when its work is done, with the time it took. Progress may be shown meanwhile."""
        began = time.monotonic()
        if self._rich:
            columns = (TextColumn("    {task.description}"), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())
            try:
                with Progress(*columns, console=self._console, transient=True) as self._bars:
                    yield
            finally:
                self._bars = None
                self._tasks.clear()
        else:
            yield
        self.say(text, time.monotonic() - began)

    def doing(self, text: str) -> None:
        """What a step is at, where its length is not known."""
        if self._bars is not None:
            if "" not in self._tasks:
                self._tasks[""] = self._bars.add_task(text, total=None)
            self._bars.update(self._tasks[""], description=text)

    def progress(self, what: str, done: int, total: int) -> None:
        """How far a long piece of work is; shown only within a step and on a terminal."""
        if self._bars is None:
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)


def duration(seconds: float) -> str:
    """Milliseconds below a second, else seconds with one decimal."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
