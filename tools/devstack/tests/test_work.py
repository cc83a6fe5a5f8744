"""The arithmetic of the two sub-districts' work, the files that their offices import, and what counts as agreeing."""

import csv
import io
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from devstack.api import Api
from devstack.demo.places import FENGSHAN, LIANHUACHI, venues
from devstack.stack import SERVICES, Stack, prepare_folder
from devstack.work import ladders
from devstack.work.figures import TEXTS, Figure, gaps
from devstack.work.ladders import BOTH, FENGSHAN_WORK, LIANHUACHI_WORK, PUBLISHED, WITH_CARDS, WITHOUT_CARDS
from devstack.work.registering import CHINESE, TITLES, sheet
from httpcore._synchronization import current_async_library
from venue.register.imports.layout import COLUMNS
from venue.register.imports.rows import _CATEGORIES as KNOWN_TO_THE_REGISTER

pytestmark = pytest.mark.feature("V7")


@pytest.mark.parametrize("work", BOTH, ids=lambda work: work.name)
def test_who_fails_how_often_leads_to_exactly_the_published_papers(work):
    assert {paper: work.papers[paper] for paper in PUBLISHED[work.area]} == PUBLISHED[work.area]
    assert work.failing[0] + work.passing <= work.venues


def test_lianhuachis_figures_leave_one_way_only():
    assert list(ladders.failings(WITH_CARDS, PUBLISHED[LIANHUACHI])) == [LIANHUACHI_WORK.failing] == [(2492, 107, 24)]


def test_fengshans_figures_leave_the_number_of_second_notices_open():
    ways = list(ladders.failings(WITHOUT_CARDS, PUBLISHED[FENGSHAN]))
    assert ways == [(338 - second, second, 19) for second in range(19, 170)]
    assert FENGSHAN_WORK.failing in ways


def test_figures_that_no_ladder_could_issue_have_no_way():
    assert list(ladders.failings(WITHOUT_CARDS, PUBLISHED[LIANHUACHI])) == []
    assert list(ladders.failings(WITH_CARDS, PUBLISHED[LIANHUACHI] | {ladders.NOTICE: 200})) == []


@pytest.mark.parametrize("part", [2, 10, 40, 1000])
@pytest.mark.parametrize("work", BOTH, ids=lambda work: work.name)
def test_the_work_in_small_has_something_of_everything(work, part):
    small = work.scaled(part)
    first, second, third = small.failing
    assert small.reopened < third < second < first
    assert small.unbarred <= second - third
    assert bool(small.papers[ladders.YELLOW]) == (work.area == LIANHUACHI)
    assert small.mended <= first - second
    assert small.venues >= first + small.passing


@pytest.mark.feature("V1")
def test_an_offices_file_says_every_venue_in_words_that_the_register_knows():
    wanted = venues(LIANHUACHI, 200)
    title, *rows = csv.reader(io.StringIO(sheet(wanted)))
    assert tuple(title) == TITLES
    assert set(title) <= {each for titles in COLUMNS.values() for each in titles}
    assert [row[0] for row in rows] == [each["name"] for each in wanted]
    assert len({(row[0], row[2], row[3]) for row in rows}) == len(wanted)
    # Numbers of categories in the contract follow the order of the demo's list.
    assert [KNOWN_TO_THE_REGISTER[text] for text in CHINESE.values()] == list(range(1, 14))


@pytest.mark.feature("V8")
def test_numbers_run_without_a_gap_or_a_repeat_in_each_year():
    assert gaps(["离防整〔2022〕2号", "离防整〔2022〕1号", "离防整〔2023〕1号"]) == []
    assert gaps(["离防整〔2022〕1号", "离防整〔2022〕3号"]) == ["离防整〔2022〕 has 2 numbers up to 3"]
    assert gaps(["离防整〔2022〕1号", "离防整〔2022〕1号"]) == ["离防整〔2022〕 has 2 numbers up to 1"]
    assert gaps(["整1"]) == ["'整1' is no number"]


@pytest.mark.parametrize("changed", [{"expected": 337}, {"summary": 339}, {"listed": 0}])
def test_a_figure_holds_only_if_plan_summary_and_lists_agree(changed):
    figure = Figure("notices", 338, 338, 338)
    assert figure.holds
    assert not replace(figure, **changed).holds
    assert figure.name in TEXTS


@pytest.mark.feature("X11")
def test_some_services_travel_and_the_others_stay(tmp_path):
    stack = Stack(tmp_path, None, None, None)
    prepare_folder(tmp_path)
    stack.set_clock(0.0)
    stack.set_clock(-86400.0, ("venue", "gateway"))
    told = {name: json.loads(stack.clock_file(name).read_text())["offset_seconds"] for name in SERVICES}
    assert told == {"quarantine": 0.0, "venue": -86400.0, "checkpoint": 0.0, "gateway": -86400.0}


@pytest.mark.feature("X11")
def test_a_caller_looks_only_once_for_a_package_that_is_not_there(monkeypatch):
    assert Api  # whoever calls has imported it
    looked = []
    monkeypatch.setattr(
        sys, "meta_path", [SimpleNamespace(find_spec=lambda name, *_: looked.append(name)), *sys.meta_path]
    )
    for _ in range(3):
        current_async_library()
    assert looked == []
