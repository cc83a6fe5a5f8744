"""Breaks the code on purpose and sees a named test fail for it.

Each patch in `patches/` starts with lines `test: <pytest node id or file>` naming what must fail. The tree is copied
once; every patch is applied there, its tests run, and the patch is taken back. A mutant whose tests pass survived: the
tests are too weak. A patch that no longer applies must be renewed.

    python tools/mutants/run.py [name …]     only the named patches
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).parent / "patches"
PASSED, FAILED, NOTHING_RAN = 0, 1, 5


def tests_of(patch: Path) -> list[str]:
    """The node ids that the patch names."""
    lines = patch.read_text().splitlines()
    return [line.removeprefix("test:").strip() for line in lines if line.startswith("test:")]


def copy_tree(target: Path) -> None:
    """The files git knows, as they are in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def apply(patch: Path, tree: Path, *, back: bool = False) -> bool:
    """Applies the patch, or takes it back."""
    command = ["git", "apply", "--whitespace=nowarn", *(["--reverse"] if back else []), str(patch)]
    return subprocess.run(command, cwd=tree, check=False).returncode == 0


def run_tests(tests: list[str], tree: Path) -> int:
    """Exit code of pytest on the mutated tree. The tree's own sources come first on the path (see pyproject.toml)."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)
    if done.returncode not in (PASSED, FAILED):
        print(done.stdout[-2000:], done.stderr[-1000:])
    return done.returncode


def judge(patch: Path, tree: Path) -> str:
    """`killed`, or what is wrong."""
    tests = tests_of(patch)
    if not tests:
        return "names no test"
    if not apply(patch, tree):
        return "does not apply any more"
    try:
        code = run_tests(tests, tree)
    finally:
        apply(patch, tree, back=True)
    return {FAILED: "killed", PASSED: "SURVIVED", NOTHING_RAN: "its tests do not exist"}.get(
        code, f"pytest ended with {code}"
    )


def main() -> int:
    wanted = set(sys.argv[1:])
    patches = [patch for patch in sorted(PATCHES.glob("*.patch")) if not wanted or patch.stem in wanted]
    bad = 0
    with tempfile.TemporaryDirectory(prefix="lilitong-mutants-") as scratch:
        tree = Path(scratch)
        copy_tree(tree)
        subprocess.run(["git", "init", "-q"], cwd=tree, check=True)
        for patch in patches:
            started = time.monotonic()
            verdict = judge(patch, tree)
            bad += verdict != "killed"
            print(
                f"{verdict:>10}  {patch.stem}  ({time.monotonic() - started:.0f} s)  {' '.join(tests_of(patch))}",
                flush=True,
            )
    print(f"mutants: {len(patches) - bad} of {len(patches)} killed")
    return 1 if bad or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
