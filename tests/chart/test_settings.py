"""Every setting that a service reads is in the chart's values, or left out for a reason; and each service takes what it is given."""

import base64
from importlib import import_module
from typing import Annotated

import pytest
from chassis.settings import load
from pydantic import TypeAdapter

from tools.chart import rendering
from tools.chart.rules import SERVICES, component

pytestmark = pytest.mark.feature("X11")

DELIBERATELY_NOT = {
    "environment": "a release is production; devstack alone is another",
    "clock_file": "moves the clock, and is allowed in devstack alone",
    "workload_token_file": "devstack's own; a release signs with workload_key",
}
NOT_OF = {
    "gateway": {
        "workload_key": "it calls with the token of whoever calls it, never in its own name",
        "workload_trust": "no workload calls it",
    },
    "venue": {"workload_trust": "no workload calls it"},
    "checkpoint": {"workload_trust": "no workload calls it"},
    "quarantine": {"workload_key": "it calls nobody"},
}
OF_COMMANDS = {"owner_database_url", "owner_database_password", "wait_seconds"}
"""Read by `migrate` and `bus`, which are no settings of the service that serves."""


def settings_of(service):
    return getattr(import_module(f"{service}.settings"), f"{service.capitalize()}Settings")


def variables(objects, service):
    """Names, without the prefix, that containers of a service are given."""
    prefix = f"{service.upper()}_"
    given = {entry["name"] for item in objects for one in rendering.containers(item) for entry in one.get("env", [])}
    return {name.removeprefix(prefix).lower() for name in given if name.startswith(prefix)}


@pytest.mark.parametrize("service", SERVICES)
def test_each_setting_is_given_by_the_chart_or_left_out_for_a_reason(of, service):
    given = set.union(*(variables(of(name), service) for name in ("quickstart", "cnpg", "external")))
    fields = set(settings_of(service).model_fields)
    left_out = DELIBERATELY_NOT | NOT_OF[service]
    assert fields - given - left_out.keys() == set()
    assert given - fields - OF_COMMANDS == set()


@pytest.mark.parametrize("service", SERVICES)
def test_what_values_say_of_settings_is_known_to_the_service(service):
    values = rendering.parse((rendering.CHART / "values.yaml").read_text())[0]
    assert values["services"][service]["settings"].keys() <= settings_of(service).model_fields.keys()
    assert values["settings"].keys() <= settings_of(service).model_fields.keys()


PLACES = {"nats_url", "database_url", "trace_exporter", "listen", "metrics_listen", "health_listen"}


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_takes_the_addresses_that_a_profile_gives_it(objects, service):
    fields, prefix, taken = settings_of(service).model_fields, f"{service.upper()}_", set()
    for entry in (entry for item in objects for one in rendering.containers(item) for entry in one.get("env", [])):
        name = entry["name"].removeprefix(prefix).lower()
        if entry["name"].startswith(prefix) and "value" in entry and (name in PLACES or name.endswith("_target")):
            TypeAdapter(Annotated[fields[name].annotation, *fields[name].metadata]).validate_python(entry["value"])
            taken.add(name)
    assert {"listen", "metrics_listen"} <= taken


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_takes_what_quickstart_gives_it(of, service, monkeypatch, tmp_path):
    objects = of("quickstart")
    secrets = {item["metadata"]["name"]: item["data"] for item in objects if item["kind"] == "Secret"}
    item = next(one for one in objects if one["kind"] == "Deployment" and component(one) == service)
    spec = rendering.pod_spec(item)
    place(spec, secrets, tmp_path)
    for entry in spec["containers"][0]["env"]:
        if "value" in entry:
            value = entry["value"]
        else:
            chosen = entry["valueFrom"]["secretKeyRef"]
            value = base64.b64decode(secrets[chosen["name"]][chosen["key"]]).decode()
        for root in ("/etc/lilitong", "/var/lib/lilitong"):
            value = value.replace(root, f"{tmp_path}{root}") if value.startswith(root) else value
        monkeypatch.setenv(entry["name"], value)
    taken = load(settings_of(service))
    assert taken.issuer == "urn:lilitong:lilitong:lilitong"
    if service != "gateway":
        assert taken.store_url.startswith(f"postgresql://{service}:")
        assert taken.nats_user == service


def place(spec, secrets, folder):
    """What the kubelet would mount."""
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in spec["containers"][0]["volumeMounts"]:
        where = folder / mount["mountPath"].lstrip("/")
        where.mkdir(parents=True)
        volume = volumes[mount["name"]]
        sources = [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
        sources += [volume["secret"]] if "secret" in volume else []
        for source in sources:
            data = secrets[source.get("secretName") or source["name"]]
            for item in source.get("items") or [{"key": key, "path": key} for key in data]:
                (where / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))
