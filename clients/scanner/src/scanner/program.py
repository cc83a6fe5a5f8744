"""The program: arguments, enrolment, signals, exit codes."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from scanner import enrol
from scanner.client import Scanner
from scanner.clock import SystemClock
from scanner.enrol import Device, Enrolment
from scanner.journal import JournalError
from scanner.render import Lang
from scanner.state import StateError
from scanner.terminal import Terminal, keyboard, typed_lines

OK: Final = 0
NOT_USABLE: Final = 3
INTERRUPTED: Final = 130

_EPILOG: Final = """\
first time:  lilitong-scanner --state DIR --new-device        prints what the checkpoint lead enrols
             lilitong-scanner --state DIR --enroll FILE       with the file that comes back
afterwards:  lilitong-scanner --state DIR

exit codes:  0 end of input or q   2 wrong arguments   3 the state folder or enrolment cannot be used   130 Ctrl-C
"""


class _ShiftedClock(SystemClock):
    """A machine's clock that is known to be wrong, until the server corrects it."""

    def __init__(self, seconds: float) -> None:
        self._shift = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._shift


def main(arguments: list[str] | None = None) -> int:
    """The program; returns its exit code."""
    options = _parser().parse_args(arguments)
    console = Console(no_color=options.no_color or None, emoji=False, markup=False)
    try:
        if options.new_device:
            console.print(enrol.describe(enrol.make_device(options.state)), soft_wrap=True, highlight=False)
            return OK
        return asyncio.run(_run(options, console))
    except (StateError, JournalError) as error:
        print(f"lilitong-scanner: {error}", file=sys.stderr)
        return NOT_USABLE
    except KeyboardInterrupt:
        return INTERRUPTED


async def _run(options: argparse.Namespace, console: Console) -> int:
    device, enrolment = _identity(options)
    target = options.target or enrolment.target
    scanner = Scanner(
        options.state,
        target,
        device.device_id,
        device.key,
        log_keys=enrolment.log_keys,
        clock=_ShiftedClock(options.clock_offset),
        credentials=enrolment.credentials(target),
    )
    if options.enroll:
        enrol.save_device(options.state, device)
        enrol.save_enrolment(options.state, enrolment)
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    source = sys.stdin.fileno()
    async with scanner:
        # A moment to connect, so that the first verdicts are the server's if it is there at all.
        await scanner.wait_current(options.connect_seconds)
        with keyboard(source) as typed:
            terminal = Terminal(scanner, console, Lang(options.lang))
            working = asyncio.create_task(terminal.run(typed_lines(source, typed)))
            stopping = asyncio.create_task(interrupted.wait())
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if working.done():
                await working
                return OK
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
            return INTERRUPTED


def _identity(options: argparse.Namespace) -> tuple[Device, Enrolment]:
    enrolment = enrol.read_enrolment(options.enroll or options.state / enrol.ENROLMENT)
    device = enrolment.device or enrol.read_device(options.state)
    if device is None:
        raise StateError(f"{options.state} has no device key; make one with --new-device and have it enrolled")
    return device, enrolment


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lilitong-scanner",
        description="Scan passes at a checkpoint. Codes are read from standard input; type ? for commands.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    parser.add_argument("--state", type=Path, default=home / "lilitong-scanner", metavar="DIR", help="state folder")
    parser.add_argument("--new-device", action="store_true", help="make this device's key, print its public half, end")
    parser.add_argument("--enroll", type=Path, metavar="FILE", help="enrolment file (needed once)")
    parser.add_argument("--target", metavar="HOST:PORT", help="another address than the enrolment's")
    parser.add_argument("--lang", choices=[lang.value for lang in Lang], default=Lang.BOTH.value)
    parser.add_argument("--no-color", action="store_true", help="no colours (they are left out of pipes anyhow)")
    parser.add_argument(
        "--clock-offset", type=float, default=0.0, metavar="S", help="this machine's clock is S seconds behind"
    )
    parser.add_argument(
        "--connect-seconds", type=float, default=2.0, metavar="S", help="wait so long for the server at the start"
    )
    return parser
