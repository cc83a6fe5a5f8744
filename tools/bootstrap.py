"""Makes the virtual environment that every other command of this repository uses.

Needs Python 3.11 and a package index. Run by `make setup`. Installs nothing outside `.venv`; does nothing when the locks
have not changed since.
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements" / "dev.txt"
STAMP = VENV / ".lilitong-setup"
NEEDED_BYTES = 1_500_000_000


def stop(sentence: str) -> None:
    """Ends with one sentence that names the fix."""
    sys.exit(f"setup: {sentence}")


def packages() -> list[Path]:
    """The workspace's own packages, installed editable."""
    return sorted(
        path.parent
        for pattern in ("proto", "libs/*", "services/*", "clients/*", "tools/*", "bench")
        for path in ROOT.glob(f"{pattern}/pyproject.toml")
    )


def fingerprint() -> str:
    """Changes when a lock or the set of packages changes."""
    digest = hashlib.sha256(LOCK.read_bytes())
    for package in packages():
        digest.update((package / "pyproject.toml").read_bytes())
    digest.update(str(ROOT).encode() + sys.version.encode())
    return digest.hexdigest()


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 (this file must say so itself on an older Python)
        stop(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; run `make setup PYTHON=python3.11`.")
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    if shutil.disk_usage(ROOT).free < NEEDED_BYTES:
        stop("less than 1.5 GB is free on this disk; make room and run `make setup` again.")
    print(
        "setup: making .venv and installing the locked packages (half a minute to a few, as the index answers)",
        flush=True,
    )
    try:
        # What is there is brought up to date: whoever is using it keeps working.
        venv.create(VENV, with_pip=not (VENV / "bin" / "pip").exists())
    except (subprocess.CalledProcessError, ModuleNotFoundError):
        stop("this Python lacks venv or pip (Debian: apt-get install python3-venv); then run `make setup` again.")
    python = VENV / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=False).returncode:
        stop("the locked packages could not be installed; is a package index reachable (`pip config list`)?")
    editable = [argument for package in packages() for argument in ("-e", str(package))]
    if subprocess.run([*pip, "--no-deps", "--no-build-isolation", *editable], check=False).returncode:
        stop("the workspace's own packages could not be installed; the message above says which.")
    STAMP.write_text(wanted)
    print("setup: done", flush=True)


if __name__ == "__main__":
    main()
