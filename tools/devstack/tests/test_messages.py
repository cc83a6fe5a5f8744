"""What goes wrong before anything runs is said in one sentence that names the fix."""

import ast
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from devstack import __main__, cli, leaflet, processes, stack
from devstack.lock import alone
from devstack.processes import DevstackError
from devstack.tokens import Minter

pytestmark = pytest.mark.feature("X11")


def said(capsys, *arguments):
    code = cli.run(arguments)
    out = capsys.readouterr()
    assert "Traceback" not in out.err
    assert out.err.count("\n") == 1
    return code, out.err


@pytest.mark.parametrize("version", [(2, 7), (3, 8), (3, 10)])
def test_an_old_python_is_told_the_newer_one_to_use(version):
    assert "make setup PYTHON=python3.11" in __main__.lacking(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 14), (4, 0)])
def test_a_new_python_is_fine(version):
    assert __main__.lacking(version) == ""


def test_an_old_python_can_read_the_file_that_says_so():
    ast.parse(Path(__main__.__file__).read_text(), feature_version=(3, 6))


def test_a_missing_package_names_make_setup(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "devstack.cli", None)
    assert __main__.main() == 1
    assert "make setup" in capsys.readouterr().err


def test_a_full_disk_is_said_before_anything_starts(monkeypatch, capsys, tmp_path):
    usage = SimpleNamespace(free=9 * 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    code, text = said(capsys, "loop", "--state", str(tmp_path))
    assert code == 1
    assert "900 MB are free" in text
    assert "make room" in text
    assert not (tmp_path / "system").exists()


def test_a_taken_port_is_named(capsys, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = said(capsys, "loop", "--state", str(tmp_path), "--port", str(port))
    assert code == 1
    assert f"port {port} for the gateway is taken" in text
    assert not list((tmp_path / "system").glob("**/*.pid"))


def test_a_state_folder_that_cannot_be_made_is_named(capsys, tmp_path):
    (tmp_path / "file").touch()
    code, text = said(capsys, "loop", "--state", str(tmp_path / "file" / "below"))
    assert code == 1
    assert "--state" in text


def test_a_second_run_names_the_first_one_and_leaves_it_alone(capsys, tmp_path):
    with alone(tmp_path):
        code, text = said(capsys, "run", "--state", str(tmp_path))
        assert code == 1
        assert f"already running (process {os.getpid()}); stop it with Ctrl-C there" in text
    with alone(tmp_path):
        assert (tmp_path / "lock").read_text().strip() == str(os.getpid())


def test_a_lock_ends_with_its_holder_however_it_ends(tmp_path):
    program = f"import time, pathlib; from devstack.lock import alone\nwith alone(pathlib.Path({str(tmp_path)!r})):\n print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=_environment()) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DevstackError, match=str(holder.pid)), alone(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    with alone(tmp_path):
        pass


def test_a_fresh_start_ends_what_a_killed_run_left_and_keeps_its_logs(tmp_path):
    system = tmp_path / "system"
    (system / "logs").mkdir(parents=True)
    (system / "logs" / "venue.log").write_text("the last words")
    (system / "nats").mkdir()
    left = [processes.spawn(["sleep", "60"], log=tmp_path / "log") for _ in range(2)]
    processes.record(system / "venue.pid", left[0])
    processes.record(system / "nats" / "nats.pid", left[1])
    cli.make_room(tmp_path)
    assert [processes.started_at(pid) for pid in left] == [None, None]
    assert not system.exists()
    assert (tmp_path / "logs-of-the-run-before" / "venue.log").read_text() == "the last words"


def test_a_process_that_only_has_the_number_of_a_former_one_is_left_alone(tmp_path):
    other = processes.spawn(["sleep", "60"], log=tmp_path / "log")
    try:
        (tmp_path / "venue.pid").write_text(f"{other} 12345\n")
        stack.end_leftovers(tmp_path)
        assert processes.started_at(other) is not None
        assert not (tmp_path / "venue.pid").exists()
    finally:
        processes.end(other)


def test_nothing_else_in_the_state_folder_is_touched_by_a_fresh_start(tmp_path):
    (tmp_path / "features.json").write_text("{}")
    (tmp_path / "system" / "vault").mkdir(parents=True)
    cli.make_room(tmp_path)
    assert (tmp_path / "features.json").read_text() == "{}"
    assert not (tmp_path / "system").exists()


def test_a_phone_can_be_shown_only_of_a_running_demo(capsys, tmp_path):
    code, text = said(capsys, "show", "ill", "--state", str(tmp_path))
    assert code == 1
    assert "make run" in text


def test_files_with_secrets_are_their_owners_only(tmp_path):
    leaflet.private_text(tmp_path / "token", "secret")
    Minter(tmp_path / "tokens")
    modes = [path.stat().st_mode & 0o077 for path in (tmp_path / "token", tmp_path / "tokens" / "issuer.jwk")]
    assert modes == [0, 0]


def test_ending_a_process_waits_until_all_its_threads_are_gone(tmp_path):
    program = "import threading, time\nfor _ in range(20): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ntime.sleep(60)"
    pid = processes.spawn([sys.executable, "-c", program], log=tmp_path / "log")
    time.sleep(0.3)
    processes.end(pid)
    assert not Path(f"/proc/{pid}").exists()


def _environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
