"""The program: one function for each command, signals, exit codes."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from scanner import arguments, enrol
from scanner.block import shows
from scanner.client import Scanner
from scanner.clock import SystemClock, counter
from scanner.enrol import Device, Enrolment
from scanner.inspecting import Inspection
from scanner.journal import JournalError
from scanner.link import CallError
from scanner.render import Lang
from scanner.renewal import Renewed
from scanner.selftest import SelfTest, terminal_of
from scanner.sound import Sound, Speaker, terminal_bell
from scanner.state import Folder, InUseError, StateError
from scanner.terminal import Terminal, keyboard, typed_lines

OK: Final = 0
NOT_USABLE: Final = 3
NOT_REACHED: Final = 5
INTERRUPTED: Final = 130
_LEVELS: Final = (0, 1, 4)
"""Exit codes of OK, ATTENTION, FAILED."""


class _ShiftedClock(SystemClock):
    """A machine's clock that is known to be wrong, until the server corrects it."""

    def __init__(self, seconds: float) -> None:
        self._shift = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._shift


def main(words: list[str] | None = None) -> int:
    """The program; returns its exit code."""
    options = arguments.parse(sys.argv[1:] if words is None else words)
    if not shows(sys.stdout.encoding):
        # English words rather than question marks; the self-test says what to set.
        options.plain, options.lang = True, Lang.EN.value if options.lang == Lang.BOTH.value else options.lang
    console = Console(no_color=options.no_color or None, emoji=False, markup=False)
    commands: dict[str, Callable[[argparse.Namespace, Console], int]] = {
        "run": lambda options, console: asyncio.run(_run(options, console)),
        "new-device": _new_device,
        "enrol": _enrol,
        "self-test": lambda options, console: asyncio.run(_self_test(options, console)),
        "status": _status,
        "queue": lambda options, console: asyncio.run(_queue(options, console)),
    }
    try:
        return commands[options.command](options, console)
    except StateError as error:
        print(f"lilitong-scanner: {Lang(options.lang).say(error.zh, str(error))}", file=sys.stderr)
        return NOT_USABLE
    except JournalError as error:
        said = Lang(options.lang).say(
            f"日志无法使用（{error}）；请检查目录权限",
            f"the journal cannot be used ({error}); check who owns the folder",
        )
        print(f"lilitong-scanner: {said}", file=sys.stderr)
        return NOT_USABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _new_device(options: argparse.Namespace, console: Console) -> int:
    console.print(enrol.describe(enrol.make_device(options.state)), soft_wrap=True, highlight=False)
    return OK


def _enrol(options: argparse.Namespace, console: Console) -> int:
    enrolment = enrol.read_enrolment(options.file)
    device = enrolment.device or enrol.read_device(options.state)
    if device is None:
        raise StateError(
            f"{options.state} has no device key; run lilitong-scanner new-device and have it enrolled",
            f"{options.state} 没有设备密钥；请运行 lilitong-scanner new-device 并请负责人登记",
        )
    try:
        folder = Folder(options.state)
    except (
        InUseError
    ):  # its scanner runs: what it shows can be renewed beside it, whom it believes and who it is cannot
        folder = Folder(options.state, lock=False)
    try:
        folder.pin(device.device_id, enrolment.log_keys)
        enrol.save_device(options.state, device)
        enrol.save_enrolment(options.state, enrolment)
    finally:
        folder.release()
    lang, name, target = Lang(options.lang), device.device_id, enrolment.target
    if lang is not Lang.EN:
        said = f"设备 {name} 已登记，服务器 {target}；下一步：lilitong-scanner self-test"
        console.print(said, soft_wrap=True, highlight=False)
    if lang is not Lang.ZH:
        said = f"Device {name} is enrolled with {target}; next: lilitong-scanner self-test"
        console.print(said, soft_wrap=True, highlight=False)
    return OK


async def _run(options: argparse.Namespace, console: Console) -> int:
    scanner = _scanner(options, options.enrol)
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    source, speaker = sys.stdin.fileno(), Speaker(Sound(options.sound), terminal_bell)
    async with scanner:
        # A moment to connect, so that the first verdicts are the server's if it is there at all.
        await scanner.wait_current(options.connect_seconds)
        with contextlib.closing(speaker), keyboard(source) as typed:
            terminal = Terminal(scanner, console, Lang(options.lang), speaker, plain=options.plain)
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


async def _self_test(options: argparse.Namespace, console: Console) -> int:
    test = SelfTest(console, Lang(options.lang), plain=options.plain)
    with contextlib.closing(Speaker(Sound(options.sound), terminal_bell)) as speaker:
        level = await test.run(
            options.state,
            speaker,
            target=options.target,
            seconds=options.connect_seconds,
            source=terminal_of(sys.stdin.fileno()),
        )
    return _LEVELS[level]


def _status(options: argparse.Namespace, console: Console) -> int:
    return _LEVELS[Inspection(options.state, console, Lang(options.lang), plain=options.plain).status()]


async def _queue(options: argparse.Namespace, console: Console) -> int:
    inspection = Inspection(options.state, console, Lang(options.lang), plain=options.plain)
    if not (options.upload or options.clear):
        inspection.queue()
        return OK
    async with _scanner(options, None) as scanner:
        try:
            if options.upload:
                before = scanner.status().queue  # it also uploads by itself from the moment when it is on line
                await scanner.wait_current(options.connect_seconds)
                await scanner.upload()
                inspection.uploaded(before - scanner.status().queue)
        except CallError as error:
            inspection.not_uploaded(str(error))
            return NOT_REACHED
        if options.clear:
            inspection.cleared(scanner.clear_aside())
    return OK


def _scanner(options: argparse.Namespace, enrolling: Path | None) -> Scanner:
    device, enrolment = _identity(options, enrolling)
    target = options.target or enrolment.target
    scanner = Scanner(
        options.state,
        target,
        device.device_id,
        device.key,
        log_keys=enrolment.log_keys,
        clock=_ShiftedClock(getattr(options, "clock_offset", 0.0)),
        steady=counter,
        credentials=Renewed(options.state / enrol.ENROLMENT, target, enrolment),
    )
    if enrolling:
        enrol.save_device(options.state, device)
        enrol.save_enrolment(options.state, enrolment)
    return scanner


def _identity(options: argparse.Namespace, enrolling: Path | None) -> tuple[Device, Enrolment]:
    enrolment = enrol.read_enrolment(enrolling or options.state / enrol.ENROLMENT)
    device = enrolment.device or enrol.read_device(options.state)
    if device is None:
        raise StateError(
            f"{options.state} has no device key; run lilitong-scanner new-device and have it enrolled",
            f"{options.state} 没有设备密钥；请运行 lilitong-scanner new-device 并请负责人登记",
        )
    return device, enrolment
