"""Breaks the code on purpose and sees a named test fail for it.

Each patch in `patches/` starts with lines `test: <pytest node id or file>` naming what must fail. The tree is copied
once, and the tests of all patches must pass there as it is; then every patch is applied, its tests run, and the patch
is taken back. A mutant whose tests pass survived: the tests are too weak. One whose tests cannot even begin proves
nothing and counts as bad. A patch that no longer applies must be renewed.

    python tools/mutants/run.py [name …]     only the named patches
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).parent / "patches"
PASSED, FAILED, NO_SUCH_TEST, NOTHING_RAN = 0, 1, 4, 5
TEST_SECONDS = 60
"""A mutant may make its test wait for ever: that counts as failed after this long."""
RUN_SECONDS = 600

Run = subprocess.CompletedProcess[str]


def tests_of(patch: Path) -> list[str]:
    """The node ids that the patch names."""
    lines = patch.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("test:").strip() for line in lines if line.startswith("test:")]


def copy_tree(target: Path) -> None:
    """The files git knows, as they are in the working tree, compiled so that only what a patch changes is compiled again."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    # By content, for a patch that is applied and taken back within one second leaves the usual time stamps as they were.
    compiling = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
    subprocess.run(compiling, cwd=target, check=False)
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)


def environment(tree: Path) -> dict[str, str]:
    """The copy's sources come first, in the processes that tests start too; pytest itself takes them from pyproject.toml."""
    settings = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    folders = [str(tree / folder) for folder in settings["tool"]["pytest"]["ini_options"]["pythonpath"]]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "PYTHONDONTWRITEBYTECODE": "1"}


def apply(patch: Path, tree: Path, *, back: bool = False) -> bool:
    """Applies the patch, or takes it back."""
    command = ["git", "apply", "--whitespace=nowarn", *(["--reverse"] if back else []), str(patch)]
    return subprocess.run(command, cwd=tree, check=False, stderr=subprocess.DEVNULL).returncode == 0


def run_tests(tests: list[str], tree: Path) -> Run:
    """One run of pytest in the copy, the same examples every time; its first failure ends it."""
    options = ["-x", "-q", "--no-header", "--tb=short", f"--timeout={TEST_SECONDS}", "--hypothesis-seed=1"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    try:
        return subprocess.run(
            command, cwd=tree, env=environment(tree), check=False, capture_output=True, text=True, timeout=RUN_SECONDS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, FAILED, f"not done after {RUN_SECONDS} s", "")


def verdict_of(run: Run) -> str:
    """`killed` if a test ran and failed, or what is wrong."""
    if run.returncode == FAILED:
        return "killed" if re.search(r"^\d+ failed\b", run.stdout, re.MULTILINE) else "its tests could not begin"
    known = {PASSED: "SURVIVED", NO_SUCH_TEST: "its tests do not exist", NOTHING_RAN: "its tests do not exist"}
    return known.get(run.returncode, f"pytest ended with {run.returncode}")


def judge(patch: Path, tree: Path) -> tuple[str, Run | None]:
    """The verdict, and the run that led to it."""
    if not apply(patch, tree):
        return "does not apply any more", None
    try:
        run = run_tests(tests_of(patch), tree)
    finally:
        apply(patch, tree, back=True)
    return verdict_of(run), run


def sound(patches: list[Path], tree: Path) -> bool:
    """Whether all named tests pass in the unbroken copy; a test that fails anyway would kill every mutant."""
    nameless = [patch.stem for patch in patches if not tests_of(patch)]
    if nameless:
        print("these name no test:", *nameless)
        return False
    run = run_tests(sorted({test for patch in patches for test in tests_of(patch)}), tree)
    if run.returncode != PASSED:
        print("the tests fail without any mutant:", run.stdout[-4000:], run.stderr[-1000:], sep="\n")
    return run.returncode == PASSED


def main() -> int:
    wanted = set(sys.argv[1:])
    patches = [patch for patch in sorted(PATCHES.glob("*.patch")) if not wanted or patch.stem in wanted]
    if unknown := wanted - {patch.stem for patch in patches}:
        print("no such mutant:", *sorted(unknown))
        return 2
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lilitong-mutants-") as scratch:
        tree = Path(scratch)
        tree.chmod(0o755)  # the embedded Postgres reads it as another user
        copy_tree(tree)
        if not sound(patches, tree):
            return 1
        print(f"the unbroken copy passes ({time.monotonic() - started:.0f} s)", flush=True)
        bad = 0
        for patch in patches:
            begun = time.monotonic()
            verdict, run = judge(patch, tree)
            print(
                f"{verdict:>10}  {patch.stem}  ({time.monotonic() - begun:.0f} s)  {' '.join(tests_of(patch))}",
                flush=True,
            )
            if verdict != "killed":
                bad += 1
                print(*(run.stdout[-2000:], run.stderr[-1000:]) if run else (), sep="\n", flush=True)
    print(f"mutants: {len(patches) - bad} of {len(patches)} killed ({time.monotonic() - started:.0f} s)")
    return 1 if bad or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
