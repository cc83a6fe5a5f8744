"""The workspace as the images see it."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Neither is installed: the scripts below tools/, and this folder's own.
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from tools.images import workspace  # noqa: E402


@pytest.fixture(scope="session")
def members():
    """Every package of the workspace by its name."""
    return workspace.packages()
