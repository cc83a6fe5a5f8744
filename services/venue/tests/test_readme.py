"""The README names every setting, so that nobody has to read code to run the service."""

from pathlib import Path

import pytest
from venue.settings import VenueSettings

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.mark.feature("X11")
def test_every_setting_is_in_the_readme():
    text = README.read_text("utf-8")
    assert [name for name in VenueSettings.model_fields if f"`VENUE_{name.upper()}`" not in text] == []
