import base64

import pytest
from chassis.settings import ServiceSettings, SettingsError, load, load_or_exit
from pydantic_settings import SettingsConfigDict


class VenueSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="VENUE_")


GOOD = {
    "VENUE_DATABASE_URL": "postgresql://venue:hunter2@localhost/x",
    "VENUE_NATS_URL": "nats://localhost",
    "VENUE_JWKS": "https://issuer.example/jwks.json",
    "VENUE_ISSUER": "https://issuer.example",
    "VENUE_EVENT_TRACE_KEY": base64.b64encode(bytes(32)).decode(),
}


@pytest.fixture
def good(monkeypatch):
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_settings_come_from_prefixed_variables(good):
    settings = load(VenueSettings)
    assert settings.event_trace_key == bytes(32)
    assert settings.environment == "production"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_one_sentence_naming_the_variable(good, monkeypatch, name):
    monkeypatch.delenv(name)
    with pytest.raises(SettingsError) as caught:
        load(VenueSettings)
    assert str(caught.value) == f"{name} is missing."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VENUE_LISTEN", "nowhere"),
        ("VENUE_TRACE_RATIO", "2"),
        ("VENUE_LOG_LEVEL", "LOUD"),
        ("VENUE_DATABASE_URL", "mysql://hunter2"),
        ("VENUE_EVENT_TRACE_KEY", "hunter2"),
        ("VENUE_TRACE_EXPORTER", "smoke"),
        ("VENUE_CLOCK_FILE", "/tmp/x"),
        ("VENUE_TLS_KEY", "/tmp/x"),
    ],
)
def test_a_wrong_setting_stops_the_service_with_one_line_and_code_2(good, monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        load_or_exit(VenueSettings)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert name in said
    assert said.count("\n") == 1
    assert "hunter2" not in said
