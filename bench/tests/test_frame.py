"""The frame of the bench: arithmetic, arguments, and what is written."""

import json

import pytest
from bench.__main__ import MODULES, UsageError, read_arguments
from bench.figure import AtLeast, AtMost, Measured, number

from bench import report


def row(**changes):
    given = {"id": "P1", "figure": "a ÷ b", "unit": "ratio", "values": (0.9, 0.7, 0.8), "goal": AtLeast(0.8)}
    return Measured(**given | changes)


def test_a_figure_is_the_median_of_its_runs_with_the_lowest_and_highest_beside_it():
    assert (row().value, row().spread) == (0.8, (0.7, 0.9))


@pytest.mark.parametrize(
    ("goal", "met"),
    [(AtLeast(0.8), True), (AtLeast(0.81), False), (AtMost(0.8), True), (AtMost(0.79), False), (None, None)],
)
def test_a_goal_is_met_at_its_bound_and_missed_beyond_it(goal, met):
    assert row(goal=goal).met is met


@pytest.mark.parametrize(("value", "text"), [(0.8512, "0.851"), (12345.6, "12,346"), (3.0, "3"), (1000.0, "1,000")])
def test_numbers_are_written_for_people(value, text):
    assert number(value) == text


def test_results_are_a_list_in_the_order_of_the_measures(tmp_path):
    report.write(tmp_path / "results.json", [row(id="P10"), row(id="P2", goal=None)])
    written = json.loads((tmp_path / "results.json").read_text())
    assert [(each["id"], each["met"], each["goal"]) for each in written] == [("P2", None, None), ("P10", True, "≥ 0.8")]
    assert set(written[0]) >= {"id", "value", "unit", "goal", "met", "spread", "note"}


def test_the_readme_table_leaves_out_what_has_no_goal_and_marks_a_miss():
    rows = [row(), row(id="P3", goal=AtLeast(1)), row(id="P4", goal=None)]
    text = report.markdown([each.as_json() for each in rows])
    assert "| P3 | a ÷ b | 0.8 | ≥ 1 | **no** | 0.7…0.9 (3) |" in text
    assert "P4" not in text


def test_without_arguments_all_figures_are_measured_at_full_scale(monkeypatch):
    for name in ("ONLY", "SCALE", "RUNS"):
        monkeypatch.delenv(name, raising=False)
    assert read_arguments([]) == (list(MODULES), 1.0, 3)


def test_chosen_figures_run_in_the_bench_s_own_order():
    assert read_arguments(["ONLY=p4, P1", "SCALE=0.5", "RUNS=5"]) == (["P1", "P4"], 0.5, 5)


@pytest.mark.parametrize("word", ["ONLY=P99", "SCALE=2", "SCALE=x", "RUNS=2", "FAST=1"])
def test_a_wrong_argument_is_answered_with_how_to_use_it(word):
    with pytest.raises(UsageError, match=r"P1|SCALE"):
        read_arguments([word])
