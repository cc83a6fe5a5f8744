"""The workspace as the images see it: tools/images is a folder of scripts, not a package."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tools/images"), str(Path(__file__).parent)]

import workspace  # noqa: E402


@pytest.fixture(scope="session")
def members():
    """Every package of the workspace by its name."""
    return workspace.packages()
