"""The table of features: which cases count, and what is said where one is missing."""

import json
import textwrap

import pytest
from devstack import features

pytest_plugins = ["pytester"]
EVERY = {"features": ["V1"], "outcome": "passed", "cases": {"V1": list(features.NEEDED)}}


def complete():
    """Results in which each feature that must be whole is."""
    return {
        f"a/b/test_{each}.py::test": EVERY | {"features": [each], "cases": {each: list(features.NEEDED)}}
        for each in features.WHOLE
    }


def row(results, feature):
    (found,) = [line for line in features.table(results).splitlines() if line.startswith(f"| {feature} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_case_is_counted_for_its_feature_and_none_is_a_dash():
    results = {
        "a/b/t.py::one": {"features": ["V1", "V3"], "outcome": "passed", "cases": {"V3": ["repeat", "concurrency"]}},
        "a/b/t.py::two": {"features": ["V3"], "outcome": "passed", "cases": {"V3": ["repeat"]}},
        "a/b/t.py::old": {"features": ["V3"], "outcome": "passed"},
    }
    assert row(results, "V3")[2:] == ["3", "–", "–", "2", "1", "–", "–", "0", "a/b"]
    assert row(results, "V1")[2:] == ["1", *["–"] * 6, "0", "a/b"]


def test_what_lacks_is_named_and_only_what_passed_counts():
    results = complete()
    assert list(features.lacking(results)) == []
    results["a/b/test_V2.py::test"] = EVERY | {"features": ["V2"], "cases": {"V2": ["happy path", "wrong caller"]}}
    results["a/b/other.py::test"] = {"features": ["V2"], "outcome": "failed", "cases": {"V2": ["repeat"]}}
    assert list(features.lacking(results)) == ["V2 has no passing test of: bad input, repeat, concurrency"]


@pytest.mark.parametrize(("lost", "code"), [(None, 0), ("V11", 1)])
def test_the_command_fails_while_a_case_is_missing(tmp_path, monkeypatch, capsys, lost, code):
    results = complete()
    for name in results:
        (tmp_path / name.split("::", maxsplit=1)[0]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name.split("::", maxsplit=1)[0]).touch()
    results.pop(f"a/b/test_{lost}.py::test", None)
    monkeypatch.setattr(features, "ROOT", tmp_path)
    (tmp_path / ".lilitong").mkdir()
    (tmp_path / features.RESULTS).write_text(json.dumps(results))
    assert features.main([]) == code
    assert ("V11 has no passing test of" in capsys.readouterr().out) == bool(code)


MARKERS = """
[pytest]
asyncio_default_fixture_loop_scope = function
markers =
    feature(id): a feature
    case(names, of=features): a case
"""


def test_marks_are_recorded_of_all_features_or_of_some(pytester):
    pytester.makeini(MARKERS)
    pytester.makepyfile(
        test_it="""
        import pytest
        pytestmark = pytest.mark.feature("V1")

        @pytest.mark.feature("V3")
        @pytest.mark.case("repeat", of="V3")
        @pytest.mark.case("happy path")
        def test_one(): pass
        """
    )
    pytester.runpytest_inprocess("-p", "devstack.features").assert_outcomes(passed=1)
    (result,) = json.loads((pytester.path / features.RESULTS).read_text()).values()
    assert result["cases"] == {"V1": ["happy path"], "V3": ["happy path", "repeat"]}


@pytest.mark.parametrize("mark", ['"luck"', '"repeat", of="V9"', '"repeat", to="V1"', ""])
def test_a_case_that_is_none_ends_the_run(pytester, mark):
    pytester.makeini(MARKERS)
    pytester.makepyfile(
        test_it=f"""
        import pytest

        @pytest.mark.feature("V1")
        @pytest.mark.case({mark})
        def test_one(): pass
        """
    )
    found = pytester.runpytest_inprocess("-p", "devstack.features")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["*is no case of a feature of this test*"])


@pytest.mark.parametrize(("asked", "left"), [((), {"kept"}), (("test_it.py::test_kept",), {"kept", "gone"})])
def test_a_test_that_is_no_longer_there_is_forgotten_once_its_file_was_read_whole(pytester, asked, left):
    pytester.makeini(MARKERS)
    one = """
        @pytest.mark.feature("V1")
        def test_{}(): pass
    """
    pytester.makepyfile(
        test_it="import pytest\n" + "".join(map(textwrap.dedent, (one.format("kept"), one.format("gone"))))
    )
    pytester.runpytest_inprocess("-p", "devstack.features")
    pytester.makepyfile(test_it="import pytest\n" + textwrap.dedent(one.format("kept")))
    pytester.runpytest_inprocess("-p", "devstack.features", "-k", "kept", *asked)
    found = json.loads((pytester.path / features.RESULTS).read_text())
    assert {node.rpartition("_")[2] for node in found} == left
