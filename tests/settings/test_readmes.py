"""A service's README names every setting, so that nobody has to read code to run it, and none that there is not."""

import re
from pathlib import Path

import pytest
from checkpoint.settings import CheckpointSettings
from gateway.settings import GatewaySettings
from quarantine.settings import QuarantineSettings
from venue.settings import VenueSettings

SERVICES = Path(__file__).resolve().parents[2] / "services"
KINDS = [CheckpointSettings, GatewaySettings, QuarantineSettings, VenueSettings]


@pytest.mark.feature("X11")
@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_names_the_settings_that_there_are(kind):
    prefix = kind.model_config["env_prefix"]
    text = (SERVICES / prefix[:-1].lower() / "README.md").read_text("utf-8")
    _, _, table = text.partition("| variable | meaning | default |")
    rows = "\n".join(line.split("|")[1] for line in table.partition("\n\n")[0].splitlines()[2:])
    named = set(re.findall(rf"`{prefix}([A-Z_]+)`", rows))
    assert {name.upper() for name in kind.model_fields} == named
