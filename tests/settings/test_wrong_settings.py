"""A missing or wrong setting stops a service at the start, with one sentence that names the variable and shows no value."""

import base64
from importlib import import_module

import pytest
from chassis.settings import SettingsError, load
from devstack.certificates import Authority

pytestmark = pytest.mark.feature("X11")
SERVICES = {
    "venue": "VenueSettings",
    "checkpoint": "CheckpointSettings",
    "quarantine": "QuarantineSettings",
    "gateway": "GatewaySettings",
}
SECRET = "hunter2"
FREE = {"nats_password", "database_password"}  # any text; wrong ones are the server's to refuse


def kind(service):
    return getattr(import_module(f"{service}.settings"), SERVICES[service])


FIELDS = [(service, name) for service in SERVICES for name in kind(service).model_fields]


@pytest.fixture
def good(tmp_path, monkeypatch):
    """Everything that is required, for a service; an environment of its own."""
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    pair = Authority(tmp_path / "ours", "ours").issue("server")

    def told(service, **changes):
        values = {
            "jwks": str(tmp_path / "jwks.json"),
            "issuer": "https://issuer.example",
            "database_url": f"postgresql://{service}:{SECRET}@127.0.0.1/x",
            "nats_url": "nats://127.0.0.1:4222",
            "event_trace_key": base64.b64encode(bytes(32)).decode(),
            "vault": str(tmp_path / "vault"),
            "quarantine_target": "127.0.0.1:1",
            "venue_target": "127.0.0.1:2",
            "checkpoint_target": "127.0.0.1:3",
            "tls_certificate": str(pair.certificate),
            "tls_key": str(pair.key),
        } | changes
        for name, value in values.items():
            if value is None:
                monkeypatch.delenv(f"{service}_{name}".upper(), raising=False)
            else:
                monkeypatch.setenv(f"{service}_{name}".upper(), value)
        return kind(service)

    return told


def complaint(kind):
    with pytest.raises(SettingsError) as caught:
        load(kind)
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert SECRET not in said
    assert "pattern" not in said  # for a person
    return said


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_required_is_enough(good, service):
    load(good(service))


@pytest.mark.parametrize(
    ("service", "name"), [each for each in FIELDS if kind(each[0]).model_fields[each[1]].is_required()]
)
def test_a_setting_that_is_missing_is_named(good, service, name):
    assert complaint(good(service, **{name: None})) == f"{service.upper()}_{name.upper()} is missing."


# What no such setting may be: a text with a space and a line break is neither a number, an address, a name nor a file's.
@pytest.mark.parametrize(("service", "name"), [each for each in FIELDS if each[1] not in FREE | {"vault"}])
def test_a_setting_that_is_wrong_is_named_and_not_quoted(good, service, name):
    wrong = "" if name in {"issuer", "audience", "poster_body"} else f"/{SECRET} \n:x"
    if name == "database_url":
        wrong = f"mysql://{SECRET}"
    said = complaint(good(service, **{name: wrong}))
    assert f"{service.upper()}_{name.upper()}" in said


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen", "0.0.0.0:99999"),
        ("metrics_listen", "0.0.0.0:70000"),
        ("jwks", "/no/such/file"),
        ("workload_key", "/no/such/file"),
        ("workload_trust", "/no/such/folder"),
        ("tls_authority", "/no/such/file"),
    ],
)
def test_files_that_are_not_there_and_ports_that_cannot_be_are_told(good, service, name, value):
    assert f"{service}_{name}".upper() in complaint(good(service, **{name: value}))


NOWHERE = [
    ("listen", "0.0.0.0"),
    ("listen", "[::1:50051"),
    ("listen", "nats://h:4222,ws://h:1"),
    ("metrics_listen", ":9464"),
    ("health_listen", "probes"),
    ("quarantine_target", "http://quarantine:50051"),
    ("venue_target", "venue"),
    ("checkpoint_target", "dns:///checkpoint"),
    ("jwks", "https://"),
    ("jwks", "http://["),
    ("trace_exporter", "otlp:collector"),
    ("trace_exporter", "otlp:collector:99999"),
    ("trace_exporter", "otlp:nats://collector:4317"),
    ("nats_url", "nats://"),
    ("nats_url", "nats://h:99999"),
    ("nats_url", "nats://h:4222,"),
    ("nats_url", "nats://h:4222,ws://h:80"),
    ("nats_url", "nats://[::1"),
    ("database_url", "postgresql://"),
    ("database_url", "postgresql://u@h x/y"),
    ("database_url", "postgresql://u@h:99999/x"),
    ("database_url", "postgresql://u@[::1/x"),
    ("database_url", f"postgresql://u:{SECRET}/@h/x"),
]


@pytest.mark.parametrize(
    ("service", "name", "value"),
    [(service, *each) for service in SERVICES for each in NOWHERE if (service, each[0]) in FIELDS],
)
def test_what_leads_nowhere_is_told_with_what_was_expected(good, service, name, value):
    said = complaint(good(service, **{name: value}))
    assert said.startswith(f"{service.upper()}_{name.upper()} is wrong: ")
    assert "must be " in said or "past 65535" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen", "[::]:50051"),
        ("quarantine_target", "dns:///quarantine-headless:50051"),
        ("quarantine_target", "ipv4:127.0.0.1:1,127.0.0.1:2"),
        ("nats_url", "tls://u:p@a:4222,nats://b"),
        ("database_url", "postgresql://u:p%2Fw@a:5432,[::1]:5433,c/x?sslmode=disable"),
        ("database_url", "postgresql://u@/x?host=/run/postgresql"),
        ("trace_exporter", "otlp:collector:4317"),
        ("trace_exporter", "otlp:http://collector.observability:4317"),
        ("trace_exporter", "otlp:https://collector:4317/"),
        ("jwks", "https://issuer.example/jwks.json"),
        ("metrics_listen", ""),
    ],
)
def test_what_leads_somewhere_is_taken(good, name, value):
    assert getattr(load(good("venue", **{name: value})), name) == value


@pytest.mark.parametrize(
    ("service", "name"), [each for each in FIELDS if each[1] in {"vault", "vault_provided", "workload_trust"}]
)
def test_an_empty_folder_is_not_the_one_that_the_process_was_started_in(good, service, name):
    assert complaint(good(service, **{name: ""})) == f"{service}_{name} is wrong: must not be empty.".replace(
        f"{service}_{name}", f"{service}_{name}".upper()
    )
    if name != "vault":
        assert "there is no such folder" in complaint(good(service, **{name: "x" * 9000}))


@pytest.mark.parametrize("service", SERVICES)
def test_a_set_of_keys_that_is_none_is_told(good, service, tmp_path):
    (tmp_path / "jwks.json").write_text(f"<html>{SECRET}")
    assert (
        complaint(good(service)) == f"{service.upper()}_JWKS is wrong: the file holds neither a JWKS nor certificates."
    )


@pytest.mark.parametrize("service", ["venue", "checkpoint", "quarantine"])
def test_half_of_mutual_tls_is_told_instead_of_speaking_in_the_clear(good, service, tmp_path):
    authority = str(tmp_path / "ours" / "ours.pem")
    load(good(service, tls_authority=authority))
    said = complaint(good(service, tls_authority=authority, tls_certificate=None, tls_key=None))
    assert said.startswith(f"{service.upper()}_TLS_AUTHORITY needs {service.upper()}_TLS_CERTIFICATE and ")
    said = complaint(good(service, nats_authority=authority, nats_url="ws://h:80"))
    assert said.startswith(f"{service.upper()}_NATS_AUTHORITY needs a {service.upper()}_NATS_URL ")


@pytest.mark.parametrize("service", SERVICES)
def test_a_certificate_without_its_key_is_told(good, service):
    for half in ("tls_certificate", "tls_key"):
        assert "belong together" in complaint(good(service, **{half: None}))


@pytest.mark.parametrize("service", SERVICES)
def test_a_key_of_another_certificate_is_told(good, service, tmp_path):
    other = Authority(tmp_path / "others", "others").issue("other")
    said = complaint(good(service, tls_key=str(other.key)))
    assert "they do not belong together" in said
    assert f"{service.upper()}_TLS_KEY" in said


@pytest.mark.parametrize("service", SERVICES)
def test_a_workload_key_of_another_kind_is_told(good, service, tmp_path):
    (tmp_path / "odd.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n")
    assert f"{service.upper()}_WORKLOAD_KEY is wrong" in complaint(
        good(service, workload_key=str(tmp_path / "odd.pem"))
    )


@pytest.mark.parametrize("service", ["venue", "checkpoint", "quarantine"])
def test_a_broker_account_is_whole_or_none(good, service):
    for one in ({"nats_user": "venue"}, {"nats_password": SECRET}):
        said = complaint(good(service, **({"nats_user": None, "nats_password": None} | one)))
        assert said == f"{service.upper()}_NATS_USER and {service.upper()}_NATS_PASSWORD belong together."
