"""What a panel of a dashboard is, and the words of its queries."""

from dataclasses import dataclass
from typing import Final

HERE: Final = 'namespace="$namespace"'
JOB: Final = 'namespace="$namespace", job=~"$job"'


@dataclass(frozen=True, slots=True)
class Panel:
    """`series`: pairs of an expression and its legend. `stat`: one number instead of a graph. `bad`: where red begins."""

    title: str
    unit: str
    series: tuple[tuple[str, str], ...]
    text: str = ""
    stat: bool = False
    bad: float | None = None


Row = tuple[str, tuple[Panel, ...]]


def p(quantile: float, metric: str, where: str, by: str) -> str:
    """A percentile of a histogram over five minutes."""
    return f"histogram_quantile({quantile}, sum by ({by}, le) (rate({metric}_bucket{{{where}}}[5m])))"
