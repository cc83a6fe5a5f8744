"""`status` and `queue`: what the state folder says, printed. Works beside a running scanner."""

from datetime import UTC
from pathlib import Path
from typing import Final

from lilitong.checkpoint.v1 import scan_pb2
from passes.days import ZONE
from rich.console import Console
from rich.text import Text as Line
from verdicts.model import Verdict
from verdicts.texts import VERDICTS

from scanner import checks, standing
from scanner.checks import Level
from scanner.peek import Peek
from scanner.render import Lang
from scanner.selftest import SelfTest

_SHOWN: Final = 20


class Inspection:
    """StateError when the folder cannot be read."""

    def __init__(self, folder: Path, console: Console, lang: Lang, *, plain: bool) -> None:
        self._folder, self._console, self._lang, self._plain = folder, console, lang, plain

    def status(self) -> Level:
        """Key, folder, log key, clock, list and queue, as the self-test looks at them; the worst of their levels."""
        peek, report = Peek(self._folder), SelfTest(self._console, self._lang, plain=self._plain)
        for check in (checks.key(self._folder), checks.folder(self._folder), standing.log_key(peek)):
            report.report(check)
        if peek.clock.doubtful:
            report.report(standing.clock(peek, None))
        report.report(standing.restricted_list(peek))
        report.report(standing.queue(peek))
        if peek.in_use:
            report.say("扫码程序正在运行", "A scanner is running on this folder")
        return checks.worst(report.checks)

    def queue(self) -> None:
        """The first of what waits, and all that was put aside. No line names anybody."""
        found = Peek(self._folder).queue()
        for scan in found.waiting[:_SHOWN]:
            self._print(f"{_when(scan)}  {scan.scan_id.hex()}  {self._verdict(scan)}")
        if len(found.waiting) > _SHOWN:
            self._say(f"……另有 {len(found.waiting) - _SHOWN} 条", f"... and {len(found.waiting) - _SHOWN} more")
        for item in found.aside:
            at = item.scanned_at.astimezone(ZONE)
            self._print(f"{at:%Y-%m-%d %H:%M:%S}  {item.scan_id.hex()}  {item.reason}")
        self._say(
            f"待上传 {len(found.waiting)} 条，未被接收 {len(found.aside)} 条",
            f"{len(found.waiting)} to upload, {len(found.aside)} not taken",
        )
        if found.unreadable:
            self._say(f"日志无法读取：{found.unreadable}", f"The journal cannot be read: {found.unreadable}")

    def uploaded(self, count: int) -> None:
        """How many the server has taken."""
        self._say(f"已上传 {count} 条", f"{count} uploaded")

    def not_uploaded(self, why: str) -> None:
        """Nothing is lost by it."""
        self._say(
            f"未上传（{why}）；记录仍在，联网后再试", f"Not uploaded ({why}); it is all still here, try again on line"
        )

    def cleared(self, count: int) -> None:
        """How many were forgotten."""
        self._say(f"已清除 {count} 条", f"{count} cleared")

    def _verdict(self, scan: scan_pb2.OfflineScan) -> str:
        return self._lang.say(*VERDICTS[Verdict(scan.verdict)])

    def _say(self, zh: str, en: str) -> None:
        self._print(self._lang.say(zh, en))

    def _print(self, text: str) -> None:
        self._console.print(Line(text), soft_wrap=True, highlight=False)


def _when(scan: scan_pb2.OfflineScan) -> str:
    return f"{scan.scanned_at.ToDatetime(UTC).astimezone(ZONE):%Y-%m-%d %H:%M:%S}"
