"""A service's modules can be imported with what its lock names and nothing else: no tool of development is leant on."""

import subprocess
import sys
import textwrap

import pytest

from tools.images.workspace import IMAGES, ROOT, locked, needs

PROBE = """
import importlib, json, pkgutil, sys
from importlib.metadata import distributions
allowed, package = set(json.loads(sys.argv[1])), sys.argv[2]
owners = {}
for one in distributions():
    name = one.metadata["Name"].lower().replace("_", "-")
    tops = {path.parts[0].split(".")[0] for path in one.files or [] if path.suffix in (".py", ".so")}
    for top in tops:
        owners.setdefault(top, set()).add(name)

class Fence:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if owners.get(top) and not owners[top] & allowed and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"{name} of {owners[top]} is in no lock of this image", name=name)

sys.meta_path.insert(0, Fence())
found = importlib.import_module(package)
for module in pkgutil.walk_packages(found.__path__, f"{package}."):
    importlib.import_module(module.name)
print(len(sys.modules))
"""


def imported(image, allowed):
    import json

    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PROBE), json.dumps(sorted(allowed)), image],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_s_lock_suffices_for_every_module_of_its_own(image):
    done = imported(image, set(locked(image)) | {member.name for member in needs(image)[0]})
    assert done.returncode == 0, done.stderr[-800:]


def test_a_missing_package_would_be_seen():
    done = imported("venue", (set(locked("venue")) | {member.name for member in needs("venue")[0]}) - {"obstore"})
    assert "obstore" in done.stderr
    assert done.returncode == 1
