"""What the chart and the operations' pages run in our images is there: Python, the images' own commands, a plain shell."""

import re

import pytest

from tools.chart import rendering
from tools.images.workspace import IMAGES, ROOT

THERE = {"python", "sh"}
IN_A_PAGE = re.compile(r"exec (?:-\w+ )?\"?deploy/lilitong-[^\s\"]+\"? (?:-c \w+ )?-- (\S+)(?: -c '([^']+)')?")
WORDS = re.compile(r"(?:^|[;&|({]\s*|\bthen\s+)(?:exec\s+)?([a-z][\w.-]*)")
BUILT_IN = {"exec", "export", "set", "cd", "umask", "test", "echo", "read"}


def missing(script):
    """Programs that a shell script starts and an image has not."""
    return set(WORDS.findall(script)) - THERE - BUILT_IN


def pages():
    found = [path for path in (ROOT / "docs").rglob("*.md") if "exec " in path.read_text()]
    return {str(path.relative_to(ROOT)): IN_A_PAGE.findall(path.read_text()) for path in found}


def test_the_pages_run_in_our_containers_only_what_is_there():
    found = pages()
    assert sum(map(len, found.values())) >= 10
    for page, commands in found.items():
        for program, script in commands:
            assert program in THERE, f"{page}: {program}"
            assert program != "sh" or not missing(script), f"{page}: {script}"


@pytest.mark.parametrize("path", rendering.values_files(), ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_the_chart_runs_in_our_images_only_what_is_there(path):
    seen = 0
    for item in rendering.render(rendering.CHART, path):
        for one in rendering.containers(item):
            if re.search(rf"/({'|'.join(IMAGES)})[:@]", one["image"]):
                seen += 1
                program, *rest = [*one.get("command", ["python"]), *one.get("args", [])]
                assert program in THERE, f"{rendering.named(item)}: {program}"
                assert program != "sh" or not missing(rest[-1]), f"{rendering.named(item)}: {rest}"
    assert seen >= 8


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ('python -m x "$Y"', set()),
        ("export A=1; exec python -m x", set()),
        ("date -u", {"date"}),
        ("python -m x | gzip; exec tar -c", {"gzip", "tar"}),
    ],
)
def test_a_program_that_is_not_there_would_be_seen(script, found):
    assert missing(script) == found
