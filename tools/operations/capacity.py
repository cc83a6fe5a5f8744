"""The capacity table of docs/operations/scale.md, computed from bench/results.json."""

import json
import re
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "bench/results.json"
TARGET: Final = 0.7
"""How full a core may be at the peak: beyond it waiting grows, and the autoscaler's own target is the same."""
VISITS: Final = 4
DAYS: Final = 15
"""Check-ins of a person on an ordinary day, and how many days are kept: fourteen full ones and the current."""
PEAK_SHARE: Final = 0.15
"""Of a day's check-ins in its busiest hour."""
DISTRICT: Final = 450_000
_CPU: Final = re.compile(r"CPU a check-in in µs: (.+?), load")


def figures() -> dict[str, dict[str, Any]]:
    """Rows of the results by id and name."""
    return {f"{row['id']} {row['figure']}": row for row in json.loads(RESULTS.read_text())}


def text() -> str:
    """The table and what it was computed from."""
    rows = figures()

    def value(name: str) -> float:
        found = [row for key, row in rows.items() if key.startswith(name)]
        if len(found) != 1:
            raise SystemExit(f"the results have {len(found)} figures that begin with {name!r}, not one")
        return float(found[0]["value"])

    note = _CPU.search(str(rows["P3 durable REST check-in ÷ bare FastAPI POST"]["note"]))
    if note is None:
        raise SystemExit("the results no longer tell the CPU of a check-in by process")
    parts = {name: float(cost) for name, cost in re.findall(r"([\w-]+) (\d+)", note[1])}
    venue = sum(cost for name, cost in parts.items() if name.startswith("venue"))
    scan, upload = value("P1 server CPU of a scan"), value("P2 server CPU of an uploaded scan")
    visit = value("P9 bytes a visit of a closed day")
    peak = DISTRICT * VISITS * PEAK_SHARE / 3600
    kept = DISTRICT * VISITS * DAYS
    lines = [
        "| work | process | CPU, µs each | a second on one full core | planned (70 %) | people a core |",
        "|---|---|---|---|---|---|",
        _line("check-in over REST", "gateway", parts["gateway"], people=True),
        _line("check-in", "venue", venue, people=True),
        _line("check-in", "Postgres", parts["postgres"], people=True),
        _line("scan on line", "checkpoint", scan),
        _line("scan uploaded, 100 a call", "checkpoint", upload),
        "",
        (
            f"People a core: {VISITS} check-ins a day each, {PEAK_SHARE:.0%} of them in the busiest hour, "
            f"a core at most {TARGET:.0%} full."
        ),
        "",
        "| a district of 450,000 | computed |",
        "|---|---|",
        f"| check-ins a second in the busiest hour | {peak:,.0f} |",
        (
            f"| cores for them at {TARGET:.0%}: gateway, venue, Postgres | "
            f"{_cores(peak, parts['gateway'])}, {_cores(peak, venue)}, {_cores(peak, parts['postgres'])} |"
        ),
        f"| visits kept, {DAYS} days | {kept / 1e6:,.0f} million |",
        f"| their storage at {visit:.0f} B | {kept * visit / 1e9:,.1f} GB |",
        (
            f"| a day's list with 100,000 restricted, at {value('P7 day set per restricted person, proofs included'):.1f} B | "
            f"{value('P7 day set per restricted person, proofs included') * 1e5 / 1e6:.1f} MB to each scanner |"
        ),
        f"| idle memory of the largest service | {value('P10 idle memory of the largest service'):.0f} MiB |",
        f"| cold start to ready, the slowest | {value('P10 cold start to ready, the slowest'):.2f} s |",
    ]
    return "\n".join(lines) + "\n"


def _line(work: str, process: str, microseconds: float, *, people: bool = False) -> str:
    full = 1e6 / microseconds
    served = f"{full * TARGET * 3600 / (VISITS * PEAK_SHARE):,.0f}" if people else "–"
    return f"| {work} | {process} | {microseconds:,.0f} | {full:,.0f} | {full * TARGET:,.0f} | {served} |"


def _cores(rate: float, microseconds: float) -> str:
    return f"{rate * microseconds / 1e6 / TARGET:.2f}"
