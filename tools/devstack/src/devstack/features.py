"""Which product features have passing tests, and for which cases.

As a pytest plugin it writes, after each run, what every test marked `@pytest.mark.feature("V7")` did, and which cases it
is marked with: `@pytest.mark.case("repeat", "concurrency")`, of all its features, or of some, `of="V7"`. As a program it
prints the table of those results: only tests that were run and passed count.

    python -m devstack.features             the table, after running what has no result yet
    python -m devstack.features --readme    the same table, written into README.md between its markers
"""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
RESULTS = Path(".lilitong") / "features.json"
START, END = "<!-- features:start -->", "<!-- features:end -->"

TITLES = {
    "V1": "Venue register", "V2": "Obligations", "V3": "Venue code", "V4": "Check-in", "V5": "Occupancy",
    "V6": "Inspection", "V7": "Enforcement ladder", "V8": "Documents", "V9": "Spot checks", "V10": "Cold chain",
    "V11": "Exposure search",
    "C1": "Checkpoints and scanner devices", "C2": "Verdicts and the three codes", "C3": "Policy of a post",
    "C4": "Offline scanners",
    "Q1": "Register of residents", "Q2": "Pass and paper card", "Q4": "Policy as versioned data", "Q5": "Case",
    "Q6": "Contacts", "Q7": "Quarantine order", "Q10": "Restriction", "Q11": "Explanation",
    "X1": "Areas", "X2": "Access", "X3": "Transparency log", "X4": "Purpose-bound reads", "X5": "Retention",
    "X6": "Dashboard and daily brief", "X7": "Escalation of lateness",
    "X8": "Import and export", "X9": "Chinese and English", "X10": "Drill", "X11": "Operations",
    "P1": "Durable scans (measure)", "P2": "Durable batches (measure)", "P3": "Durable check-ins (measure)",
    "P4": "The loop at 2,000 contacts (measure)", "P5": "Exposure search (measure)",
    "P6": "Growth to 50 M visits (measure)", "P7": "Day set and verdict (measure)",
    "P8": "Two processes (measure)", "P9": "Storage of a visit (measure)", "P10": "Idle memory, cold start (measure)",
    "R1": "Killed at random (measure)", "R2": "Outbox (measure)", "R3": "Delivered again (measure)",
    "R4": "Poison (measure)", "R5": "Rolling restart (measure)", "R6": "Outages (measure)",
    "R7": "72 h of offline scans (measure)", "R8": "Soak (measure)", "R9": "Bad input (measure)",
    "R10": "Backup (measure)",
    "S1": "Access matrix (measure)", "S2": "Forgeries (measure)", "S3": "Restriction without grounds (measure)",
    "S4": "Rewritten history (measure)", "S5": "Nothing links two days (measure)", "S6": "Exports (measure)",
    "S7": "Small cells (measure)", "S8": "Revoked keys (measure)",
}  # fmt: skip


CASES = ("happy path", "bad input", "repeat", "concurrency", "wrong caller", "crash")
# A feature that only reads has no middle in which to crash.
NEEDED = CASES[:5]
# Those that are to have a passing test of each needed case.
WHOLE = tuple(f"V{number}" for number in range(1, 12))


class Recorder:
    """Collects outcomes of one pytest run and merges them into the results file."""

    def __init__(self, root: Path) -> None:
        self.path = root / RESULTS
        self.features: dict[str, list[str]] = {}
        self.cases: dict[str, dict[str, list[str]]] = {}
        self.outcomes: dict[str, str] = {}
        self.collected: dict[str, set[str]] = defaultdict(set)

    @pytest.hookimpl(tryfirst=True)  # before -m and -k leave some out
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if not any("::" in argument for argument in config.args):
            for item in items:
                self.collected[item.nodeid.split("::")[0]].add(item.nodeid)
        for item in items:
            ids = sorted({str(name) for mark in item.iter_markers("feature") for name in mark.args})
            if ids:
                self.features[item.nodeid] = ids
            self.cases[item.nodeid] = cases_of(item, ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid in self.features and (report.when == "call" or report.outcome != "passed"):
            worse = self.outcomes.get(report.nodeid) not in (None, "passed")
            self.outcomes[report.nodeid] = self.outcomes[report.nodeid] if worse else report.outcome

    def pytest_sessionfinish(self) -> None:
        if not self.outcomes:
            return
        known: dict[str, Any] = json.loads(self.path.read_text()) if self.path.exists() else {}
        known |= {
            node: {"features": self.features[node], "cases": self.cases[node], "outcome": outcome}
            for node, outcome in self.outcomes.items()
        }
        # Of a file that was read as a whole, what is no longer in it.
        for node in list(known):
            if node not in self.collected.get(node.split("::")[0], {node}):
                del known[node]
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(known, indent=1, sort_keys=True))


def cases_of(item: pytest.Item, features: list[str]) -> dict[str, list[str]]:
    """Feature → cases the test is marked with. Raises `pytest.UsageError` for a case or a feature that is none of its own."""
    found: dict[str, set[str]] = defaultdict(set)
    for mark in item.iter_markers("case"):
        wanted = mark.kwargs.get("of", features)
        ours = [wanted] if isinstance(wanted, str) else list(wanted)
        odd = [*set(mark.args).difference(CASES), *set(ours).difference(features)]
        if odd or not ours or not mark.args or mark.kwargs.keys() - {"of"}:
            raise pytest.UsageError(f"{item.nodeid}: {mark.args} of {ours} is no case of a feature of this test")
        for feature in ours:
            found[feature].update(mark.args)
    return {feature: sorted(names, key=CASES.index) for feature, names in sorted(found.items())}


def pytest_configure(config: pytest.Config) -> None:
    """Entry point of the plugin."""
    config.pluginmanager.register(Recorder(config.rootpath), "lilitong-features")


def order(feature: str) -> tuple[int, int]:
    """V before C before Q before X, then the measures' own ids, then by number."""
    return "VCQXPRS".find(feature[0]), int(feature[1:])


def table(results: dict[str, Any]) -> str:
    """Markdown table: feature, passing tests, those of each case, failing tests, the rooms they live in."""
    passed: dict[str, int] = defaultdict(int)
    other: dict[str, int] = defaultdict(int)
    rooms: dict[str, set[str]] = defaultdict(set)
    for node, result in results.items():
        for feature in result["features"]:
            (passed if result["outcome"] == "passed" else other)[feature] += 1
            rooms[feature].add("/".join(node.split("/")[:2]))
    cases = passing_cases(results)
    heads = ("id", "feature", "passing tests", *CASES, "not passing", "where")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for feature in sorted(passed.keys() | other.keys(), key=order):
        counts = [str(cases[feature, case] or "–") for case in CASES]
        where = ", ".join(sorted(rooms[feature]))
        row = [feature, TITLES.get(feature, ""), str(passed[feature]), *counts, str(other[feature]), where]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def passing_cases(results: dict[str, Any]) -> Counter[tuple[str, str]]:
    """How many passing tests there are of each (feature, case)."""
    return Counter(
        (feature, case)
        for result in results.values()
        if result["outcome"] == "passed"
        for feature, cases in result.get("cases", {}).items()
        for case in cases
    )


def lacking(results: dict[str, Any]) -> Iterator[str]:
    """What no passing test shows, though it is needed, in sentences."""
    cases = passing_cases(results)
    for feature in WHOLE:
        missing = [case for case in NEEDED if not cases[feature, case]]
        if missing:
            yield f"{feature} has no passing test of: {', '.join(missing)}"


def write_readme(text: str) -> None:
    """Replaces what stands between the markers."""
    readme = ROOT / "README.md"
    head, _, rest = readme.read_text().partition(START)
    _, _, tail = rest.partition(END)
    readme.write_text(f"{head}{START}\n{text}\n{END}{tail}")


def existing(results: dict[str, Any]) -> dict[str, Any]:
    """Results of tests whose file is still there."""
    return {node: result for node, result in results.items() if (ROOT / node.split("::")[0]).exists()}


def main(arguments: Iterable[str]) -> int:
    """Prints the table; 1 when a test of a feature failed or a needed case has no passing test.

    A test that a machine cannot run counts as not passing only.
    """
    path = ROOT / RESULTS
    if not path.exists():
        print("features: no results yet, running the tests first (`make test`)", flush=True)
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "not slow"], cwd=ROOT, check=False)
    results = existing(json.loads(path.read_text())) if path.exists() else {}
    text = table(results)
    print(text)
    if "--readme" in arguments:
        write_readme(text)
    failed = sorted(node for node, result in results.items() if result["outcome"] == "failed")
    for node in failed:
        print(f"failed: {node}")
    gaps = list(lacking(results))
    for gap in gaps:
        print(gap)
    return 0 if results and not failed and not gaps else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
