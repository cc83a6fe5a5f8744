"""`python -m tools.operations write | check`: what in deploy/ and docs/ is made from the code and from measurements."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tools.operations import capacity, dashboards, metrics_page
from tools.operations.queries import DASHBOARDS, ROOT

START, END = "<!-- capacity:start -->\n", "<!-- capacity:end -->\n"
SCALE = ROOT / "docs/operations/scale.md"


def made() -> Iterator[tuple[Path, str]]:
    """Each file with what it should hold."""
    yield ROOT / "docs/operations/metrics.md", metrics_page.text()
    for name in dashboards.ALL:
        yield DASHBOARDS / f"{name}.json", dashboards.text(name)
    before, _, rest = SCALE.read_text().partition(START)
    yield SCALE, before + START + capacity.text() + END + rest.partition(END)[2]


def main(command: str) -> int:
    stale = [(path, text) for path, text in made() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(
            f"{path.relative_to(ROOT)} {'written' if command == 'write' else 'is not current: python -m tools.operations write'}"
        )
        if command == "write":
            path.write_text(text)
    return 1 if stale and command != "write" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
