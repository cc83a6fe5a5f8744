"""Says what this machine lacks for working on Lilitong, each with its remedy. Ends with 1 when something is missing."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GIB = 1 << 30


def memory() -> int:
    """Physical memory in bytes, 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def findings() -> list[tuple[bool, str, str]]:
    """(fine, what was looked at, remedy) for every requirement."""
    free, total = shutil.disk_usage(ROOT).free, memory()
    python = sys.version.split()[0]
    return [
        (sys.version_info >= (3, 11), f"Python {python} (3.11 or newer)", "run `make setup PYTHON=python3.11`"),
        (
            bool(importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")),
            "the venv and pip modules of this Python",
            "Debian: apt-get install python3-venv",
        ),
        (free >= 3 * GIB, f"{free / GIB:.1f} GiB free on this disk (3 or more)", "make room, or `make clean`"),
        (not total or total >= 2 * GIB, f"{total / GIB:.1f} GiB of memory (2 or more)", "close something large"),
        (sys.platform.startswith("linux"), f"a Linux machine ({sys.platform})", "use Linux, or a Linux container"),
        (shutil.which("make") is not None, "make", "Debian: apt-get install make"),
        (shutil.which("git") is not None, "git (for `make mutants`)", "Debian: apt-get install git"),
        ((ROOT / ".venv" / ".lilitong-setup").exists(), "the virtual environment", "run `make setup`"),
    ]


def main() -> int:
    missing = 0
    for fine, what, remedy in findings():
        print(f"  {'ok     ' if fine else 'missing'}  {what}" + ("" if fine else f": {remedy}"))
        missing += not fine
    print("doctor: everything is there" if not missing else f"doctor: {missing} to mend")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
