"""The README names every setting, so that nobody has to read code to run the gateway."""

from pathlib import Path

import pytest
from gateway.settings import GatewaySettings

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.mark.feature("X11")
def test_every_setting_is_in_the_readme():
    text = README.read_text("utf-8")
    assert [name for name in GatewaySettings.model_fields if f"`GATEWAY_{name.upper()}`" not in text] == []
