"""The chart's renderings, each made once. The checks live in tools/chart, which is a folder of scripts and not installed."""

import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Last, or folders of the root would hide packages of the same name.
sys.path += [str(Path(__file__).parent), str(ROOT)]

from tools.chart import rendering  # noqa: E402


@cache
def rendered(name: str, version: str):
    path = rendering.CHART / "ci" / f"{name}-values.yaml"
    return rendering.render(rendering.CHART, path, version=version)


FILES = [path.name.removesuffix("-values.yaml") for path in rendering.values_files()]


@pytest.fixture(params=FILES)
def profile(request):
    """The name of each values file in ci/, one after the other."""
    return request.param


@pytest.fixture
def objects(profile):
    """What the chart makes of it."""
    return rendered(profile, rendering.VERSIONS[-1])


@pytest.fixture
def of():
    """`of("cnpg")`: the objects of one values file."""
    return lambda name, version=rendering.VERSIONS[-1]: rendered(name, version)
