"""Figures of rooms stand behind the numbered measures."""

from bench.figure import Measured

from bench import report


def test_figures_without_a_number_come_last_in_the_list():
    rows = [Measured(each, "a", "ms", [1.0]) for each in ("V-SUMMARY", "P10", "P2")]
    assert [each.id for each in sorted(rows, key=report.order)] == ["P2", "P10", "V-SUMMARY"]
