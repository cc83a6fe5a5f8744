"""A measured figure, its goal, and whether it was met. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Met by this value and above."""

    bound: float

    def met(self, value: float) -> bool:
        return value >= self.bound

    def __str__(self) -> str:
        return f"≥ {number(self.bound)}"


@dataclass(frozen=True, slots=True)
class AtMost:
    """Met by this value and below."""

    bound: float

    def met(self, value: float) -> bool:
        return value <= self.bound

    def __str__(self) -> str:
        return f"≤ {number(self.bound)}"


@dataclass(frozen=True, slots=True)
class Measured:
    """One row of the table.

    id: the measure's (P1…). figure: what was measured, in words. values: one for each run; the figure is their median.
    goal: None for what is only told. note: what decides the figure, e.g. the saturated side.
    """

    id: str
    figure: str
    unit: str
    values: Sequence[float]
    goal: AtLeast | AtMost | None = None
    note: str = ""

    @property
    def value(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest run."""
        return min(self.values), max(self.values)

    @property
    def met(self) -> bool | None:
        """None without a goal."""
        return None if self.goal is None else self.goal.met(self.value)

    def as_json(self) -> dict[str, Any]:
        """`{id, figure, value, unit, goal, met, spread, runs, note}`."""
        low, high = self.spread
        return {
            "id": self.id,
            "figure": self.figure,
            "value": float(f"{self.value:.6g}"),
            "unit": self.unit,
            "goal": None if self.goal is None else str(self.goal),
            "met": self.met,
            "spread": [float(f"{low:.6g}"), float(f"{high:.6g}")],
            "runs": len(self.values),
            "note": self.note,
        }


def number(value: float) -> str:
    """For people: three digits that matter, thousands apart."""
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
