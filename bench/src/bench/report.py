"""The table for people and the list for programs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figure import Measured, number

_MET = {True: "yes", False: "NO", None: ""}


def order(measured: Measured) -> int:
    """P2 before P10."""
    return int(measured.id[1:])


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


def markdown(rows: Sequence[Measured]) -> str:
    """The rows that have a goal, as the README shows them."""
    lines = ["| id | figure | value | goal | met | spread (runs) |", "|---|---|---|---|---|---|"]
    for row in sorted(rows, key=order):
        if row.goal is None:
            continue
        low, high = row.spread
        value = f"{number(row.value)} {'' if row.unit == 'ratio' else row.unit}".strip()
        lines.append(
            f"| {row.id} | {row.figure} | {value} | {row.goal} | {'yes' if row.met else '**no**'} "
            f"| {number(low)}…{number(high)} ({len(row.values)}) |"
        )
    return "\n".join(lines)


def write(path: Path, rows: Sequence[Measured]) -> None:
    """A list of `{id, value, unit, goal, met, spread, note, …}`."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in sorted(rows, key=order)], indent=1, ensure_ascii=False) + "\n")
