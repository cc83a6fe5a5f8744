"""The README's table of values, made from values.yaml: a comment that begins with `--` is the text of the key below it."""

import json
from collections.abc import Iterator

import yaml

from tools.chart.rendering import CHART

README = CHART / "README.md"
START, END = "<!-- values:start -->", "<!-- values:end -->"
WIDEST = 100


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """(path, default, text) of every documented value, in the file's order."""
    lines = text.splitlines()
    yield from _walk(yaml.compose(text), "", lines)


def _walk(node: yaml.Node | None, path: str, lines: list[str]) -> Iterator[tuple[str, str, str]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = f"{path}.{key.value}" if path else str(key.value)
        if told := _comment(lines, key.start_mark.line):
            yield here, _default(value), told
        if not (told and isinstance(value, yaml.MappingNode) and value.flow_style):  # on one line it is told as one
            yield from _walk(value, here, lines)


def _comment(lines: list[str], line: int) -> str:
    """The comment right above a line, if it is one for the table."""
    found: list[str] = []
    for above in reversed(lines[:line]):
        text = above.strip()
        if not text.startswith("#"):
            return ""
        found.insert(0, text.removeprefix("#").strip())
        if found[0].startswith("--"):
            return " ".join(found).removeprefix("--").strip()
    return ""


def _default(node: yaml.Node) -> str:
    plain = json.dumps(yaml.safe_load(yaml.serialize(node)), ensure_ascii=False)
    return plain if len(plain) <= WIDEST else "see values.yaml"


def table() -> str:
    """The table, in Markdown."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    lines = ["| value | default | what it is |", "|---|---|---|"]
    lines += [f"| `{path}` | `{default}` | {told.replace('|', chr(92) + '|')} |" for path, default, told in rows(text)]
    return "\n".join(lines)


def _renewed(readme: str) -> str:
    before, rest = readme.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{table()}\n{END}{after}"


def write() -> None:
    """Write the table into the README."""
    README.write_text(_renewed(README.read_text(encoding="utf-8")), encoding="utf-8")


def stale() -> list[str]:
    """A sentence when the README's table is not what values.yaml says."""
    readme = README.read_text(encoding="utf-8")
    return [] if readme == _renewed(readme) else ["the README's table is stale: run `python -m tools.chart --write`"]
