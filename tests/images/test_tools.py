"""The tools that build and try the images: what they would find wrong they say, and what they start has no rights."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tools.images import build, cgroups, engines, sheet
from tools.images.contents import Seen
from tools.images.workspace import IMAGES, ROOT, Requirement, locked, needs, share

DOCKERFILE = (ROOT / engines.DOCKERFILE).read_text()
SOUND = Seen(
    65532, 65532, [], "0" * 16, True, ["/tmp"], [], [], ["asyncpg", "lilitong-venue"], [], ["dbmate", "service"]
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"uid": 0}, "runs as root"),
        ({"groups": [0]}, "runs as root"),
        ({"capabilities": "00000000a80425fb"}, "has capabilities"),
        ({"read_only": False}, "has a writable root"),
        ({"writable": ["/tmp", "/opt/lilitong"]}, "may write in"),
        ({"writable": []}, "may write in"),
        ({"programs": ["gcc"]}, "has the programs"),
        ({"modules": ["pip"]}, "has the modules"),
        ({"distributions": ["fastapi"]}, "not its own"),
        ({"altered": ["asyncpg/pool.py"]}, "not those of its packages"),
        ({"launched": ["typst"]}, "launches"),
    ],
)
def test_an_image_that_holds_or_may_too_much_is_complained_of(change, said):
    assert SOUND.complaint("venue") == ""
    assert said in replace(SOUND, **change).complaint("venue")


def test_other_engines_look_into_it_without_rights_and_within_a_limit(monkeypatch):
    monkeypatch.setenv("VERSION", "7")
    command = engines.Engine("docker", "p/").command("venue", ["migrate"], "python")
    wanted = {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", f"--memory={256 << 20}"}
    assert wanted <= set(command)
    assert command[-2:] == ["p/venue:7", "migrate"]
    assert command[command.index("--entrypoint") + 1] == "python"
    assert not any(part.startswith("--user") for part in command)


@pytest.mark.parametrize(
    ("engine", "root", "said"),
    [("docker", False, "take root"), ("docker", True, "take unshare, "), ("buildah", False, "")],
)
def test_where_pods_cannot_be_run_it_says_so(monkeypatch, capsys, engine, root, said):
    looked = []

    async def inspected(once, say):
        looked.append(engine)

    monkeypatch.setenv("BUILD", "0")
    monkeypatch.setattr(build.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(build, "find", lambda prefix: engines.Engine(engine, "p/"))
    monkeypatch.setattr(build, "inspected", inspected)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    assert build.main() == (0 if said else 1)
    assert looked == ([engine] if said else [])
    out, error = capsys.readouterr()
    assert said in out
    assert ("not run: the chart's pods" in out) is bool(said)
    assert ("takes root" in error) is not bool(said)


def test_an_engine_that_does_not_work_is_refused(monkeypatch):
    monkeypatch.setenv("ENGINE", "kaniko")
    with pytest.raises(engines.EngineError, match="ENGINE=kaniko does not work here"):
        engines.find("p/")


def test_without_an_engine_it_fails_and_says_what_was_not_done(monkeypatch, capsys):
    monkeypatch.delenv("ENGINE", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert build.main() == 1
    assert "no image was built, measured or started" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "count"), [("230 MB", 230_000_000), ("1.5 GB", 1_500_000_000), ("12 B", 12)])
def test_sizes_of_buildah_are_read(text, count):
    assert engines._bytes(text) == count


@pytest.mark.parametrize("version", [1, 2])
def test_a_control_group_tells_its_peak_and_its_kills(tmp_path, version):
    group = cgroups.Group(tmp_path, version)
    (tmp_path / ("memory.peak" if version == 2 else "memory.max_usage_in_bytes")).write_text("4096\n")
    (tmp_path / ("memory.events" if version == 2 else "memory.oom_control")).write_text("low 0\noom_kill 2\n")
    (tmp_path / "cgroup.procs").write_text("7\n9\n")
    assert (group.peak(), group.killed(), group.members()) == (4096, 2, [7, 9])


@pytest.mark.parametrize("version", [1, 2])
def test_where_memory_cannot_be_limited_no_group_is_left(monkeypatch, tmp_path, version):
    def refuse(path, text):
        raise PermissionError

    (tmp_path / "memory").mkdir()
    if version == 2:
        (tmp_path / "cgroup.controllers").touch()
    monkeypatch.setattr(cgroups, "BASE", tmp_path)
    monkeypatch.setattr(Path, "write_text", refuse)
    assert cgroups.make("x", 1) is None
    assert not list(tmp_path.rglob("x"))


TOLD_TO_END = """
import asyncio, sys
from tools.images import engines, trial

async def run(engine, profiles):
    with trial.workplace() as folder:
        print(folder, flush=True)
        await asyncio.sleep(30)

engines.Engine.close = lambda engine: print("closed", flush=True)
trial.find, trial.run = lambda prefix: engines.Engine("buildah", prefix), run
sys.exit(trial.main())
"""


def test_a_trial_that_is_told_to_end_takes_away_what_it_made():
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    with subprocess.Popen([sys.executable, "-c", TOLD_TO_END], stdout=subprocess.PIPE, text=True, env=env) as trial:
        folder = Path(trial.stdout.readline().strip())
        assert folder.is_dir()
        trial.terminate()
        assert trial.stdout.read() == "closed\n"
    assert trial.returncode == 128 + signal.SIGTERM
    assert not folder.exists()


def test_root_without_the_right_to_make_namespaces_lacks_it(monkeypatch):
    monkeypatch.setattr(build.os, "geteuid", lambda: 0)
    monkeypatch.setattr(build.shutil, "which", lambda name: name)
    for code, said in ((0, ""), (1, "the right to make namespaces (CAP_SYS_ADMIN)")):
        monkeypatch.setattr(build.subprocess, "run", lambda *_, code=code, **__: subprocess.CompletedProcess([], code))
        assert build.lacking() == said


def test_the_last_stage_is_not_root_and_needs_no_shell_to_start():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == ["65532:65532"]
    assert re.findall(r"^ENTRYPOINT (.+)$", last, re.MULTILINE) == ['["/opt/lilitong/venv/bin/service"]']
    assert not re.search(r"PIP_|secret|pip install", last)


def test_both_bases_can_be_given_and_no_index_is_named():
    assert re.findall(r"^FROM \$\{(\w+)\}", DOCKERFILE, re.MULTILINE) == ["BUILD_IMAGE", "BASE_IMAGE"]
    assert DOCKERFILE.rpartition("\nFROM ")[2].startswith("scratch\n")
    assert "http" not in DOCKERFILE + (ROOT / "deploy/images/install.sh").read_text()


def test_what_the_dockerfile_copies_exists_and_reaches_the_build():
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for source in re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists(), source
        assert any(line.startswith(f"!{source.rstrip('/')}") for line in sent), source


@pytest.mark.parametrize("image", IMAGES)
def test_all_packages_of_an_image_are_copied_into_its_build(image):
    copied = re.findall(r"^COPY (?!--from)(\S+?)/? ", DOCKERFILE, re.MULTILINE)
    for member in needs(image)[0]:
        assert any(f"{member.folder}/".startswith(f"{source}/") for source in copied), member.folder


@pytest.mark.parametrize("service", ["venue", "checkpoint", "quarantine"])
def test_an_image_holds_the_sql_of_its_schema(service, tmp_path):
    from importlib import import_module

    share(service, tmp_path)
    folders = import_module(f"{service}.schema").migration_dirs(tmp_path)
    assert all(list(folder.glob("*.sql")) for folder in folders)
    assert {path.relative_to(tmp_path).parts[1] for path in tmp_path.glob("services/*")} == {service}


def test_images_without_a_schema_hold_no_sql(tmp_path):
    assert [share(image, tmp_path) for image in ("gateway", "rehearsal")] == [[], []]


def test_the_page_that_images_draw_shows_both_fonts():
    import contextlib
    import io

    def digest(code):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code, {})
        return said.getvalue()

    whole = digest(sheet.CODE)
    for font in ("Noto Serif SC", "Noto Sans SC"):
        assert font in sheet.CODE
        assert digest(sheet.CODE.replace(font, "Libertinus Serif")) != whole


def test_a_requirement_that_cannot_be_read_is_an_error():
    assert str(Requirement.parse("Some_Name[b,a] >=1, <2")) == "some-name[a,b]>=1,<2"
    with pytest.raises(ValueError, match="not a requirement"):
        Requirement.parse("@ nowhere")


def test_the_lock_of_the_build_holds_the_builder_of_every_member(members):
    import tomllib

    builders = {
        name
        for one in members.values()
        for name in tomllib.loads((ROOT / one.folder / "pyproject.toml").read_text())["build-system"]["requires"]
    }
    assert builders <= set(locked("build"))
