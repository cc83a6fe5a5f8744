"""The commands behind `make run`, `make loop` and `make work`.

python -m devstack run [--state DIR]     start everything, play the loop and then ten days of two sub-districts, stay until Ctrl-C
python -m devstack loop [--state DIR]    the loop once; the last line of the output is JSON
python -m devstack work [--state DIR]    the ten days once; the last line of the output is JSON
python -m devstack show WHO              the QR text of a demo phone, fresh for a minute (for a running demo)
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import httpx

from devstack import leaflet, memory
from devstack.api import ApiError
from devstack.district import District, DistrictError
from devstack.lock import alone
from devstack.measure import NotRefusedError
from devstack.processes import DevstackError
from devstack.stack import LEAST_FREE_BYTES, ROOT, Stack, end_leftovers
from devstack.story import CONTACTS, BrokenPromiseError, Story
from devstack.supervisor import Supervisor
from devstack.teller import Teller
from devstack.work.ladders import BOTH
from devstack.work.play import Work

DATABASE_SETTINGS = {"autovacuum_naptime": "1s"}
"""A demo fills its tables within seconds; the planner is to know how full they are."""
STOPPED = 130  # as shells say it of a program ended by Ctrl-C


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(prog="devstack", description="The whole of Lilitong on this machine.")
    commands = found.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "play the loop and the work of two sub-districts, and stay until Ctrl-C"),
        ("loop", "play the loop once"),
        ("work", "play ten days of two sub-districts once"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--state", type=Path, default=ROOT / ".lilitong", help="folder for everything it makes")
        command.add_argument(
            "--port", type=int, default=0, help="where the gateway listens; any free port unless given"
        )
        if name != "work":
            command.add_argument("--contacts", type=int, default=CONTACTS, help="people who come to be restricted")
        if name == "run":
            command.add_argument("--loop-only", action="store_true", help="leave out the work of two sub-districts")
        if name == "work":
            command.add_argument("--part", type=int, default=1, help="play it for one venue in so many")
    show = commands.add_parser("show", help="print a fresh QR text of a demo phone")
    show.add_argument("who", choices=leaflet.PHONES)
    show.add_argument("--state", type=Path, default=ROOT / ".lilitong")
    return found


def run(arguments: Sequence[str]) -> int:
    """Exit code of a command. What a person can mend is said in one sentence, without a traceback."""
    given = parser().parse_args(arguments)
    try:
        if given.command == "show":
            sys.stdout.write(leaflet.show(system_folder(given.state), given.who) + "\n")
            return 0
        with alone(given.state):
            return asyncio.run(_command(given))
    except (DevstackError, DistrictError, BrokenPromiseError, NotRefusedError) as error:
        said = f"{error}"
    except ApiError as error:
        said = f"the API refused what the story needs: {error}"
    except httpx.HTTPError as error:
        said = f"the gateway does not answer ({type(error).__name__}); its log is in {given.state}/system/logs"
    except OSError as error:
        said = f"{error.filename or 'the system'}: {error.strerror}; free some space or choose another --state"
    except KeyboardInterrupt:
        return STOPPED
    sys.stderr.write(f"lilitong: {said}\n")
    return 1


def system_folder(state: Path) -> Path:
    """Where one system lives; the folder above holds what outlives it."""
    return state.resolve() / "system"


def make_room(state: Path) -> Path:
    """An empty folder for a new system. What a killed run left running is ended; its logs are kept beside.

    Every start is a fresh one: the demo is the same each time, and its clock begins a day ago.
    """
    folder = system_folder(state)
    if folder.exists():
        end_leftovers(folder)
        former = folder.with_name("logs-of-the-run-before")
        shutil.rmtree(former, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            (folder / "logs").rename(former)
        shutil.rmtree(folder)
    free = shutil.disk_usage(state).free
    if free < LEAST_FREE_BYTES:
        raise DevstackError(f"only {free // 1_000_000} MB are free on this disk, 1500 are needed; make room")
    return folder


async def _command(given: argparse.Namespace) -> int:
    """Runs until done or told to stop; SIGINT, SIGTERM and SIGHUP stop what was started, once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.create_task(_play(given))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    work.cancel()  # once: a second time would break off the stopping
    try:
        return await work
    except asyncio.CancelledError:
        return STOPPED


async def _play(given: argparse.Namespace) -> int:
    teller, began = Teller(), time.monotonic()
    teller.say("离里通 Lilitong: a demo district on this machine; nothing in it is real (演示).")
    folder = make_room(given.state)
    with teller.step(f"everything runs, below {folder}"):
        stack = await Stack.start(
            folder, gateway_port=given.port, progress=teller.doing, database_settings=DATABASE_SETTINGS
        )
    setup = time.monotonic() - began
    try:
        summary = await _tell(given, stack, teller, folder)
    finally:
        teller.say("stopping what was started")
        await stack.stop()
    summary |= {"setup_seconds": round(setup, 1), "seconds": round(time.monotonic() - began, 1)}
    if given.command != "run":
        sys.stdout.write(json.dumps(summary) + "\n")
        sys.stdout.flush()
    return 0


async def _tell(given: argparse.Namespace, stack: Stack, teller: Teller, folder: Path) -> dict[str, object]:
    """The story on a running stack, which is watched meanwhile; what it came to."""
    supervisor = Supervisor(stack, teller.warn)
    watching = asyncio.create_task(supervisor.run())
    district = District(stack, progress=teller.progress)
    try:
        told = await _played(given, district, teller, folder)
        resident, proportional = memory.megabytes(stack)
        if given.command == "run":
            teller.say(f"memory of all that runs, Postgres and NATS included: {proportional} MB")
            await leaflet.hand_out(stack, district, teller, folder, str(told["case_id"]))
            with contextlib.suppress(asyncio.CancelledError):  # the ordinary end of a demo
                await asyncio.Event().wait()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await district.close()
    return told | {"rss_mb": resident, "memory_mb": proportional, "restarts": supervisor.restarts}


async def _played(given: argparse.Namespace, district: District, teller: Teller, folder: Path) -> dict[str, object]:
    """The loop, the work, or one after the other on the same venues; what they came to."""
    if given.command == "work":
        work = Work(district, teller, BOTH if given.part == 1 else [plan.scaled(given.part) for plan in BOTH])
        await work.register()
        return asdict(await work.play())
    scanners = folder / "scanners" / "story"
    if given.command == "loop" or given.loop_only:
        return asdict(await Story(district, teller, scanners, given.contacts).play())
    work = Work(district, teller)
    told = await Story(district, teller, scanners, given.contacts, work.register).play()
    return asdict(told) | asdict(await work.play())
