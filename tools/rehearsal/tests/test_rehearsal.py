"""The rehearsal against a system that runs: a drill that closes, leaves nobody restricted, and says when it cannot."""

import json
import os
import subprocess
import sys

import pytest
import pytest_asyncio
from devstack.stack import Stack

ROLES = (
    "app_backend", "command", "checkpoint_lead", "laboratory", "policy_editor", "registrar", "tracer", "venue_officer",
)  # fmt: skip
pytestmark = pytest.mark.connected


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stack(tmp_path_factory):
    started = await Stack.start(tmp_path_factory.mktemp("rehearsal") / "system")
    yield started
    await started.stop()


@pytest.fixture
def settings(stack, tmp_path):
    for role in ROLES:
        (tmp_path / f"{role}.jwt").write_text(stack.minter.person(f"{role}-1", [role]))
    for approver in ("approver-1", "approver-2"):
        (tmp_path / f"{approver}.jwt").write_text(stack.minter.person(approver, ["approver"]))
    (tmp_path / "venue_operator.jwt").write_text(stack.minter.person("operator-rehearsal", ["venue_operator"]))
    return {
        "REHEARSAL_GATEWAY_URL": stack.gateway_url,
        "REHEARSAL_CHECKPOINT_TARGET": stack.address("checkpoint"),
        "REHEARSAL_QUARANTINE_TARGET": stack.address("quarantine"),
        "REHEARSAL_TOKENS": str(tmp_path),
    }


def played(settings, **more):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)} | settings | more
    return subprocess.run(
        [sys.executable, "-m", "rehearsal"], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.feature("X10", "X11")
async def test_a_release_without_a_policy_is_told_to_have_one_and_a_drill_closes_with_one(settings, stack):
    bare = played(settings)
    assert (bare.returncode, bare.stderr.startswith("Cannot start: no policy is in force")) == (2, True)
    done = played(settings, REHEARSAL_START_POLICY="true")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert (seen["contacts"], seen["drill_id"].startswith("drill-")) == (3, True)
    assert 0 < seen["first_ms"] <= seen["loop_ms"]
    again = played(settings)
    assert again.returncode == 0, again.stderr


@pytest.mark.feature("X11")
async def test_a_release_that_cannot_be_reached_is_told_in_one_sentence(settings):
    done = played(settings, REHEARSAL_GATEWAY_URL="http://127.0.0.1:9", REHEARSAL_SECONDS="3")
    assert (done.returncode, done.stderr) == (1, "the loop does not close: not done after 3 s\n")
