"""Each image's lock: the versions that were tested, by hash, from no particular registry, without tools of development."""

import re

import pytest
from packaging.requirements import Requirement

from tools.images.workspace import IMAGES, ROOT, locked, needs

LOCKS = ROOT / "requirements"
HASHED = re.compile(r"^[a-z0-9-]+==[^\\\n]*\\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", re.MULTILINE)


def development_only():
    text = (LOCKS / "dev.in").read_text().partition("# dev and test only")[2]
    return set(re.findall(r"^([a-z0-9-]+)", text, re.MULTILINE)) | {
        "grpcio-tools",
        "buf-bin",
        "mypy-protobuf",
        "pip",
        "setuptools",
    }


@pytest.mark.parametrize("image", [*IMAGES, "build"])
def test_a_lock_names_the_versions_that_were_tested(image):
    tested = locked("dev")
    assert {name: version for name, version in locked(image).items() if tested.get(name) != version} == {}


@pytest.mark.parametrize("image", [*IMAGES, "build"])
def test_every_pin_has_its_hashes_and_no_line_an_address(image):
    text = (LOCKS / f"{image}.txt").read_text()
    assert len(HASHED.findall(text)) == len(locked(image)) > 0
    assert re.findall(r"https?:|index-url|find-links|file:|@", text) == []


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_gets_no_tool_of_development(image):
    assert set(locked(image)) & development_only() == set()


@pytest.mark.parametrize("image", IMAGES)
def test_a_lock_holds_what_the_image_s_packages_declare_within_their_bounds(image):
    pins = locked(image)
    for wanted in map(Requirement, map(str, needs(image)[1])):
        assert wanted.name in pins, f"{wanted} is not locked: run `make lock`"
        assert wanted.specifier.contains(pins[wanted.name]), f"{wanted} is not {pins[wanted.name]}: run `make lock`"
