"""What a measuring module is handed: where it may work, how much it is to load, and whom it tells."""

import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Bench:
    """One run of the bench.

    folder: state of the servers it starts. scale: 1.0 is fifty million visits. runs: measurements of each figure, three at
    least. stack: what is closed at the end of the whole run, in reverse. shared: what several figures use, by name.
    """

    folder: Path
    scale: float
    runs: int
    stack: AsyncExitStack
    settings: dict[str, str] = field(default_factory=dict)
    shared: dict[str, object] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Progress, with the seconds since the start."""
        print(f"  [{time.monotonic() - self._began:6.0f} s] {text}", file=sys.stderr, flush=True)

    def setting(self, name: str, value: object) -> None:
        """What decides a figure; printed above the table and kept in the results."""
        self.settings[name] = str(value)
