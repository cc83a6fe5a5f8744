"""`make loop` and `make run` as a newcomer meets them: programs that are started, watched and stopped."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from devstack import leaflet, processes
from devstack.stack import ROOT
from devstack.work.ladders import BOTH, NOTICE

pytestmark = [pytest.mark.feature("X11"), pytest.mark.timeout(600)]
GUIDE = ROOT / leaflet.GUIDE
KEYS = {"loop_ms", "first_ms", "contacts", "visits", "refused", "allowed", "tasks", "memory_mb"}


class Program:
    """A started command of ours; its output is a file, so that it never blocks."""

    def __init__(self, state, *arguments):
        self.output = state / f"{arguments[0]}-{time.monotonic_ns()}.txt"
        with self.output.open("w") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "devstack", *arguments, "--state", str(state)],
                stdout=sink,
                stderr=sink,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,
            )

    @property
    def text(self):
        return self.output.read_text()

    def wait_for(self, sentence, seconds=180):
        deadline = time.monotonic() + seconds
        while sentence not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)

    def wait(self, seconds=240):
        return self.process.wait(seconds)


@pytest.fixture
def state(state_dir):
    folder = state_dir / f"demo-{time.monotonic_ns()}"
    folder.mkdir(mode=0o755)
    yield folder
    for pid in recorded(folder).values():  # nothing, unless a test failed
        processes.end(pid)


def recorded(state):
    found = {path.stem: processes.recorded(path) for path in state.glob("system/**/*.pid")}
    return {name: pid for name, pid in found.items() if pid is not None}


def alive(pids):
    return [name for name, pid in pids.items() if processes.started_at(pid) is not None]


@pytest.mark.connected
@pytest.mark.feature("Q5", "Q6", "Q10", "Q11", "V4", "V11", "C2", "X10")
def test_the_loop_is_played_once_and_its_last_line_is_its_result(state):
    program = Program(state, "loop", "--contacts", "30")
    program.wait_for("The second approval")
    started = recorded(state)
    assert program.wait() == 0, program.text
    result = json.loads(program.text.splitlines()[-1])
    assert result.keys() >= KEYS
    assert (result["contacts"], result["refused"], result["allowed"]) == (30, 31, 30)
    assert result["tasks"] == 11  # eight by a poster, one each by a card, late, and at the gate
    assert result["visits"] > 2000
    assert 0 < result["first_ms"] <= result["median_ms"] <= result["loop_ms"]
    assert len(started) == 6
    assert alive(started) == []


@pytest.mark.connected
@pytest.mark.feature("V1", "V2", "V6", "V7", "V8", "V9")
def test_the_work_of_two_sub_districts_is_played_once_and_its_figures_are_in_its_last_line(state):
    program = Program(state, "work", "--part", "100")
    assert program.wait() == 0, program.text
    result = json.loads(program.text.splitlines()[-1])
    for plan in BOTH:
        assert result["figures"][plan.area]["notices"] == plan.scaled(100).papers[NOTICE]
    assert "≠" not in program.text
    assert alive(recorded(state)) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.feature("V1", "V2", "V3", "V4", "V6", "V7", "V8", "V9")
def test_a_demo_shows_the_published_figures_and_its_guide_works_as_it_stands(state, tmp_path):
    program = Program(state, "run", "--contacts", "30")
    program.wait_for("Ctrl-C here stops everything", 480)
    shown = " ".join(program.text.split())
    for figure in ("338 = 338 rectification", "2,599 = 2,599 rectification", "19 = 19 suspended", "24 = 24 red cards"):
        assert figure in shown
    assert ("107 = 107 yellow cards" in shown, "0 = 0 yellow cards" in shown, "≠" in shown) == (True, True, False)

    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    script = "set -eu\n" + "\n".join(blocks).replace(".lilitong/system", str(state / "system"))
    walked = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path
    )
    assert walked.returncode == 0, walked.stdout + walked.stderr
    lines = [line.strip() for line in walked.stdout.splitlines()]
    assert [line for line in lines if line in {"admitted", "refused"}] == [
        "admitted",
        "admitted",
        "refused",
        "admitted",
    ]
    assert "SECOND_PERSON_NEEDED" in lines
    for kind in ("yellow_card", "red_card", "suspension_decision", "seal"):
        standings = [line.rpartition(": ")[2] for line in lines if f" {kind}: " in line]
        assert standings == ["in_force", "ended"], (kind, lines)
    sheets = list((state / "system" / "papers").glob("*.pdf"))
    assert len(sheets) == 10
    assert all(sheet.read_bytes().startswith(b"%PDF") for sheet in sheets)
    program.process.send_signal(signal.SIGINT)
    assert program.wait(60) == 0


@pytest.mark.slow
def test_a_demo_serves_mends_itself_survives_a_second_start_and_stops_on_ctrl_c(state):
    program = Program(state, "run", "--contacts", "30", "--loop-only")
    program.wait_for("Ctrl-C here stops everything")
    started = recorded(state)
    assert len(started) == 6

    second = Program(state, "loop")
    assert second.wait() == 1
    assert f"already running (process {program.process.pid})" in second.text

    calls = subprocess.run(
        ["sh", str(state / "system" / "calls.sh")], capture_output=True, text=True, timeout=120, check=False
    )
    assert calls.returncode == 0, calls.stdout + calls.stderr
    assert calls.stdout.count('"outcome":"admitted"') == 2
    assert '"state":"confirmed"' in calls.stdout
    assert calls.stdout.count("DENY") == 2
    assert calls.stdout.count("ALLOW") == 1
    enrol, test, _, show = leaflet.scanner_lines(state / "system")
    for line, said in ((enrol, "is enrolled with"), (f"{test} < /dev/null", " 0 failed"), (show, "LLT1:")):
        found = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
        assert said in found.stdout, found.stdout + found.stderr

    for name in ("venue", "nats"):
        os.kill(started[name], signal.SIGKILL)
    program.wait_for("venue is back")
    program.wait_for("nats is back")
    mended = recorded(state)
    assert mended["venue"] != started["venue"]
    assert len(alive(mended)) == 6

    program.process.send_signal(signal.SIGINT)
    assert program.wait(60) == 0
    assert alive(mended) == []


@pytest.mark.slow
def test_what_a_killed_run_left_is_ended_by_the_next_one(state):
    program = Program(state, "run", "--contacts", "7")
    program.wait_for("Two ordinary days")
    left = recorded(state)
    program.process.send_signal(signal.SIGKILL)
    program.wait()
    assert len(alive(left)) == 6
    again = Program(state, "loop", "--contacts", "7")
    assert again.wait() == 0, again.text
    assert alive(left) == []
    assert list((state / "logs-of-the-run-before").glob("*.log"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_story_that_is_broken_off_leaves_nothing_running(state, number):
    program = Program(state, "loop", "--contacts", "7")
    program.wait_for("venues 场所")
    started = recorded(state)
    program.process.send_signal(number)
    assert program.wait(60) == 130
    assert alive(started) == []
    assert re.search(r"stopping what was started\n\Z", program.text), program.text
