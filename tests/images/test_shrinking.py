"""What makes images small takes nothing away that runs: shared objects still load, no module that is imported is left out."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.images import runtime, shrink
from tools.images.workspace import IMAGES, ROOT

LOADED = """
import importlib, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
    importlib.import_module(module.name)
if sys.argv[1] == "venue":
    import typst
sys.stderr.write(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("image", IMAGES)
def test_the_runtime_holds_every_module_that_an_image_s_packages_import(image):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED, image], capture_output=True, text=True, check=True, cwd=ROOT
    )
    left_out = (runtime.UNUSED | runtime.UNUSED_EXTENSIONS) - runtime.USED.get(image, set())
    assert {name.partition(".")[0] for name in json.loads(done.stderr)} & left_out == set()


def test_what_only_the_rehearsal_needs_is_in_its_runtime_alone():
    top = str(Path(os.__file__).parent)
    found = {
        image: {os.path.relpath(path, top) for path in runtime.library(top, image)} for image in ("venue", "rehearsal")
    }
    assert "sqlite3/__init__.py" in found["rehearsal"] - found["venue"]
    assert {"asyncio/base_events.py", "encodings/gb18030.py", "ssl.py"} <= found["venue"]
    assert not any(
        path.startswith(("ensurepip/", "test/", "config-")) or path.endswith(".pyc") for path in found["venue"]
    )


def test_a_file_is_brought_with_every_link_on_the_way_to_it(tmp_path):
    root, target = tmp_path / "root", tmp_path / "target"
    (root / "usr/lib").mkdir(parents=True)
    target.mkdir()
    (root / "usr/lib/libc.so.6.1").write_text("c")
    (root / "usr/lib/libc.so.6.1").chmod(0o751)
    (root / "usr/lib/libc.so.6").symlink_to("libc.so.6.1")
    (root / "lib").symlink_to("usr/lib")
    (root / "lib64").symlink_to(root / "lib")
    gathering = runtime.Gathering(target)
    gathering.bring(f"{root}/lib64/libc.so.6")
    gathering.bring(f"{root}/none")
    copy = target / root.relative_to("/")
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*")) == [
        "lib", "lib64", "usr", "usr/lib", "usr/lib/libc.so.6", "usr/lib/libc.so.6.1",
    ]  # fmt: skip
    assert (copy / "lib64").readlink() == root / "lib"
    assert (copy / "usr/lib/libc.so.6.1").stat().st_mode & 0o777 == 0o751
    assert gathering.files == {f"{root}/usr/lib/libc.so.6.1"}


def test_libraries_of_a_program_are_found_with_its_loader():
    found = {Path(path).name for path in runtime.needed([shutil.which("sleep")])}
    assert "libc.so.6" in found
    assert any(name.startswith("ld-linux") for name in found)


def test_times_of_what_was_made_are_the_same_in_every_build_and_of_files_their_own(tmp_path):
    (tmp_path / "status.d").mkdir()
    (tmp_path / "status.d/libc6").write_text("Package: libc6")
    (tmp_path / "file").write_text("x")
    os.utime(tmp_path / "file", (7, 7))
    (tmp_path / "link").symlink_to("file")
    runtime.fix_times(tmp_path)
    times = {path.name: path.lstat().st_mtime for path in tmp_path.rglob("*")}
    assert times == {"status.d": 0, "libc6": 0, "file": 7, "link": 0}


def extension(name):
    return Path(importlib.util.find_spec(name).origin)


@pytest.mark.parametrize("name", ["uvloop.loop", "asyncpg.protocol.protocol"])
def test_a_shared_object_that_was_cut_is_smaller_and_loads(tmp_path, name):
    copy = tmp_path / extension(name).name
    shutil.copy(extension(name), copy)
    before = copy.stat().st_size
    assert shrink.cut(copy) == before - copy.stat().st_size > 1 << 20
    assert shrink.cut(copy) == 0
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print(open('/proc/self/maps').read().count(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 3


@pytest.mark.parametrize("content", [b"", b"no object", b"\x7fELF\x01\x01 of 32 bits"])
def test_what_is_no_shared_object_stays_as_it_is(tmp_path, content):
    path = tmp_path / "x.so"
    path.write_bytes(content)
    shrink.cut_all(tmp_path)
    assert path.read_bytes() == content


def test_bytecode_is_made_of_what_is_imported_and_found_there(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("import colorsys\n")
    (tmp_path / "pack/inner.py").write_text("VALUE = 1\n")
    env = os.environ | {"PYTHONPATH": str(tmp_path), "SERVICE": "pack"}
    code = [str(Path(shrink.__file__)), "bytecode", str(tmp_path / "made")]
    subprocess.run([sys.executable, *code], check=True, env=env)
    made = {path.name.partition(".")[0] for path in (tmp_path / "made").rglob("*.pyc")}
    assert {"inner", "colorsys", "runpy"} <= made
    assert "turtle" not in made
    assert not list((tmp_path / "pack").rglob("*.pyc"))
    # What lies there is trusted, so it is what runs, whatever became of the source.
    (tmp_path / "pack/inner.py").write_text("VALUE = 2\n")
    env |= {"PYTHONPYCACHEPREFIX": str(tmp_path / "made"), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run(
        [sys.executable, "-c", "import pack.inner; print(pack.inner.VALUE)"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "1"


def test_the_image_looks_for_bytecode_where_it_is_made():
    text = (ROOT / "deploy/images/Dockerfile").read_text()
    assert "PYTHONPYCACHEPREFIX=/opt/lilitong/bytecode " in text
    assert '"/build/shrink.py", "bytecode", "/opt/lilitong/bytecode"]' in text
