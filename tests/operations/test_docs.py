"""What the pages for operators tell them to type really exists: routes, modules, queries; and every page's links lead somewhere."""

import json
import re
from importlib.util import find_spec

import asyncpg
import pytest

from tools.chart.alerts import RUNBOOKS
from tools.operations.queries import ROOT

pytestmark = pytest.mark.feature("X11")
PAGES = sorted([*RUNBOOKS.glob("*.md"), *(ROOT / "docs/operations").glob("*.md")])
EVERYBODYS = [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/**/*.md")]
FENCED = re.compile(r"(?ms)^```.*?^```")
SQL = re.compile(r'\bsql "((?:[^"\\]|\\.)+)"')
PLACES = {"SERVICE": "venue", "DURABLE": "venue-day-sets", "PID": "0"}


def pages(pattern):
    """Every match of a pattern in any page, with the page's name."""
    return [(path.name, found) for path in PAGES for found in re.findall(pattern, path.read_text())]


def anchors(text):
    """What a heading is linked by, as GitHub makes it."""
    headings = re.findall(r"(?m)^#+ (.+)$", FENCED.sub("", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere():
    parts = 0
    for path in EVERYBODYS:
        for target, part in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", FENCED.sub("", path.read_text())):
            if target.startswith("https://"):
                continue
            page = path.parent / target if target else path
            assert page.exists(), f"{path.relative_to(ROOT)}: {target}"
            if part:
                parts += 1
                assert part in anchors(page.read_text()), f"{path.relative_to(ROOT)}: {target}#{part}"
    assert len(EVERYBODYS) > len(PAGES)
    assert parts > 0


def test_routes_are_the_apis():
    known = {
        re.sub(r"\{[^}]+\}", "*", route) for route in json.loads((ROOT / "docs/api/openapi.json").read_text())["paths"]
    }
    found = pages(r"(?:GET|POST|PUT|DELETE) (/v1/[^`\s]*)")
    assert len(found) > 2
    for name, route in found:
        assert re.sub(r"\{[^}]+\}", "*", route) in known, f"{name}: {route}"


def test_modules_can_be_run():
    named = pages(r"python -m ([a-z_]+(?:\.[a-z_]+)*)")
    assert len(named) > 10
    for name, module in named:
        found = find_spec(module)
        assert found is not None, f"{name}: {module}"
        if found.submodule_search_locations:
            assert find_spec(f"{module}.__main__"), f"{name}: {module}"


@pytest.mark.connected
async def test_every_query_runs(make_service_database):
    database = await make_service_database("quarantine", "venue", "checkpoint")
    connection = await asyncpg.connect(database.superuser_url())
    queries = [(path.name, query) for path in PAGES for query in SQL.findall(path.read_text())]
    assert len(queries) > 15
    for name, query in queries:
        for place, value in PLACES.items():
            query = re.sub(rf"\b{place}\b", value, query)  # noqa: PLW2901
        try:
            await connection.fetch(query)
        except asyncpg.PostgresError as error:
            pytest.fail(f"{name}: {query}: {error}")
    await connection.close()
