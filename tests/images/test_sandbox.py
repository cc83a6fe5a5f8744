"""A pod, really run: by this machine's shell in a root of its own, with what its manifest gives and takes."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.images import build, cgroups
from tools.images.workspace import ROOT

LACKING = build.lacking()
pytestmark = [
    pytest.mark.connected,
    pytest.mark.skipif(bool(LACKING), reason=f"pods take {LACKING}"),
]
# In a process of its own, which has a network of its own.
RUN = """
import asyncio, json, sys
from pathlib import Path
from tools.images import kubelet as running_pods, pods, sandbox, servers
from tools.images.kubelet import Kubelet
from tools.images.volumes import PodError, Store

async def run(item, folder):
    sandbox.open_network()
    root = servers.nats_root(folder / "root")
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "c2VjcmV0"}}
    store = Store([secret, {"kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}])
    (folder / "pods").mkdir()
    kubelet = Kubelet(folder / "pods", lambda name: root, [], [])
    pod = pods.pod(item, store, {}, sandbox.address())
    running = kubelet.admit(pod, "10.244.0.99")
    try:
        print(await kubelet.complete(running, pod.containers[0]))
        kubelet.check()
    except PodError as error:
        print("PodError", error)
    finally:
        await kubelet.close()

running_pods.PATIENCE = float(sys.argv[3])
asyncio.run(run(json.loads(sys.argv[1]), Path(sys.argv[2])))
"""
# A kubelet makes one dollar of two.
LOOK = """
echo "pid $$$$"; id -u; id -g; id -G; hostname; cat /keys/key; stat -Lc '%a %u %g' /keys/key /claim
grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; tail -n 1 /etc/hosts; echo "$GIVEN"
touch /x 2>&1; touch /tmp/x && touch /claim/x && echo written; touch /keys/x 2>&1; cat /proc/1/comm
ip -4 -o addr show dev eth0 | grep -o '10.244[^ ]*'; kill -PIPE $$$$; echo after the signal
"""


def manifest(script, **changed):
    confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "one", "image": "x", "command": ["sh", "-c", script], "securityContext": confined,
        "env": [{"name": "GIVEN", "value": "a $(b) 'c'"}], "resources": {"limits": {"memory": "48Mi"}},
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"}, {"name": "keys", "mountPath": "/keys"}, {"name": "claim", "mountPath": "/claim"},
        ],
    }  # fmt: skip
    volumes = [
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": "keys", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
    ]
    spec = {
        "automountServiceAccountToken": False, "restartPolicy": "Never", "containers": [container], "volumes": volumes,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65531, "fsGroup": 65530},
    }  # fmt: skip
    return {"kind": "Pod", "metadata": {"name": "pod"}, "spec": spec | changed}


@pytest.fixture
def run(tmp_path):
    # Not below pytest's own folder, through which no other user may pass.
    folder = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    folder.chmod(0o755)

    trials = []

    def started(item, patience=30, *, wait=True):
        command = ["unshare", "--net", sys.executable, "-c", RUN, json.dumps(item), str(folder), str(patience)]
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
        if not wait:
            trials.append(subprocess.Popen(command, cwd=ROOT, env=env))
            return trials[-1]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=env, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    yield started
    for trial in trials:
        trial.kill()
        trial.wait()
    shutil.rmtree(folder)


@pytest.fixture
def limits():
    """Of memory are held here: in a container that may make namespaces, its control groups may still be closed to it."""
    group = cgroups.make(f"lilitong-{os.getpid()}-limits", 48 << 20)
    if group is None:
        pytest.skip("this machine lets nobody make control groups with a limit of memory")
    group.remove()


def test_a_container_is_and_has_what_its_manifest_says_and_nothing_else(run):
    said = run(manifest(LOOK)).splitlines()
    assert said[:5] == ["pid 1", "65532", "65531", "65531 65530", "pod"]
    assert said[5:7] == ["secret440 0 65530", "2770 0 65530"]
    assert said[7:10] == ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"]
    assert said[10:12] == ["10.244.0.99\tpod", "a $(b) 'c'"]
    assert "Read-only file system" in said[12]
    assert said[13] == "written"
    assert "Read-only file system" in said[14]
    assert said[15:] == [
        "sh",
        "10.244.0.99/24",
        "after the signal",
    ]  # as process 1 it takes no signal that it has no use for


def test_a_container_that_takes_more_memory_than_it_may_is_an_error(run, limits):
    assert "was killed for want of memory" in run(manifest("head -c 200m /dev/zero | tail; exit $?"))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "pod one ended with 3"),
        ("head -c 3m /dev/zero >/tmp/much", "pod would be evicted: tmp holds more than it may"),
    ],
)
def test_what_a_kubelet_would_not_let_pass_is_an_error(run, script, said):
    assert said in run(manifest(script))


def test_without_an_fs_group_a_secret_cannot_be_read(run):
    item = manifest("cat /keys/key")
    del item["spec"]["securityContext"]["fsGroup"]
    assert "Permission denied" in run(item)


def entered(pid):
    try:
        return "\nUid:\t65532\t" in Path(f"/proc/{pid}/status").read_text()
    except OSError:  # a step before it, and gone
        return False


def held(pid, seconds=20.0):
    """Control group of the container that the trial with this id started, once it is what it is to be."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for folder in (cgroups.BASE / "memory", cgroups.BASE):
            group = folder / f"lilitong-{pid}-pod-one"
            if group.exists() and any(map(entered, (group / "cgroup.procs").read_text().split())):
                return group
        time.sleep(0.05)
    raise AssertionError("it does not start")


def gone(group, seconds=5.0):
    until = time.monotonic() + seconds
    while group.exists() and (group / "cgroup.procs").read_text():
        assert time.monotonic() < until, "it lives on"
        time.sleep(0.05)


def test_a_container_goes_with_the_trial_however_that_ends(run, limits):
    trial = run(manifest("sleep 60"), wait=False)
    group = held(trial.pid)
    trial.kill()
    trial.wait()
    gone(group)
    group.rmdir()


def test_a_container_that_takes_too_long_is_taken_down(run, limits):
    trial = run(manifest("sleep 60"), patience=3, wait=False)
    group = held(trial.pid)
    assert trial.wait(30) == 0
    assert not group.exists()
