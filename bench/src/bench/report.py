"""The table for people and the list for programs.

python -m bench.report     writes the table of bench/results.json into README.md, between its markers
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.figure import Measured, number

ROOT: Final = Path(__file__).resolve().parents[3]
RESULTS: Final = ROOT / "bench" / "results.json"
START, END = "<!-- bench:start -->", "<!-- bench:end -->"
_MET = {True: "yes", False: "NO", None: ""}


def order(measured: Measured) -> tuple[bool, int, str]:
    """P2 before P10, and what has no number last."""
    number = measured.id[1:]
    return (False, int(number), "") if number.isdigit() else (True, 0, measured.id)


def print_table(rows: Sequence[Measured], settings: Mapping[str, str]) -> None:
    """Settings first: without them the figures say nothing."""
    console = Console(width=160)
    for name, value in settings.items():
        console.print(f"  {name}: {value}", highlight=False)
    table = Table("id", "figure", "value", "unit", "goal", "met", "spread", "note", show_lines=False)
    for row in sorted(rows, key=order):
        low, high = row.spread
        table.add_row(
            row.id,
            row.figure,
            number(row.value),
            row.unit,
            "" if row.goal is None else str(row.goal),
            _MET[row.met],
            f"{number(low)}…{number(high)} ({len(row.values)})",
            row.note,
        )
    console.print(table)


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """What has a goal in the list of results, as the README shows it."""
    lines = ["| id | figure | value | goal | met | spread (runs) |", "|---|---|---|---|---|---|"]
    for row in results:
        if row["goal"] is None:
            continue
        low, high = row["spread"]
        value = f"{number(row['value'])} {'' if row['unit'] == 'ratio' else row['unit']}".strip()
        lines.append(
            f"| {row['id']} | {row['figure']} | {value} | {row['goal']} | {'yes' if row['met'] else '**no**'} "
            f"| {number(low)}…{number(high)} ({row['runs']}) |"
        )
    return "\n".join(lines)


def write(path: Path, rows: Sequence[Measured]) -> None:
    """A list of `{id, value, unit, goal, met, spread, note, …}`."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in sorted(rows, key=order)], indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Replaces what stands between the README's markers."""
    readme = ROOT / "README.md"
    head, _, rest = readme.read_text().partition(START)
    _, _, tail = rest.partition(END)
    readme.write_text(f"{head}{START}\n{markdown(json.loads(RESULTS.read_text()))}\n{END}{tail}")


if __name__ == "__main__":
    main()
