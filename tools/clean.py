"""Removes what the Makefile's commands made: the virtual environment, the demo's state, caches. Nothing else."""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (".lilitong", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")


def running() -> list[int]:
    """Processes that a demo started here and that still live."""
    alive = []
    for record in (ROOT / ".lilitong").glob("**/*.pid"):
        try:
            pid = int(record.read_text().split()[0])
            os.kill(pid, 0)
        except (ValueError, IndexError, ProcessLookupError, PermissionError):
            continue
        alive.append(pid)
    return alive


def main() -> None:
    if alive := running():
        sys.exit(f"clean: the demo is still running (process {alive[0]}); stop it with Ctrl-C in its terminal first.")
    for name in FOLDERS:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for cache in [*ROOT.rglob("__pycache__"), *ROOT.rglob("*.egg-info")]:
        shutil.rmtree(cache, ignore_errors=True)
    print("clean: done")


if __name__ == "__main__":
    main()
