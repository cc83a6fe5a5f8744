"""Values that contradict each other are refused with one sentence; what is told of values is current."""

import json
import re

import pytest

from tools.chart import rendering, table

pytestmark = pytest.mark.feature("X11")

PRODUCTION = rendering.CHART / "ci/cnpg-values.yaml"
EXTERNAL = rendering.CHART / "ci/external-values.yaml"

REFUSED = {
    "quarantine cannot have several replicas, because its volume is for one node": (None, "services.quarantine.replicas=2"),
    "venue cannot have several replicas, because its volume is for one node": (None, "services.venue.replicas=2"),
    "set services.quarantine.vault.volume.accessMode": (None, "services.quarantine.autoscaling.enabled=true"),
    "minReplicas is above maxReplicas": (None, "services.gateway.autoscaling.enabled=true,services.gateway.autoscaling.minReplicas=9"),
    "would scale at 70 percent of a core, which it never reaches": (None, "services.gateway.autoscaling.enabled=true,services.gateway.resources.limits.cpu=500m"),
    "would undo each other at every upgrade": (None, "services.gateway.autoscaling.enabled=true,services.gateway.replicas=3"),
    "tls.mode off is for profile quickstart only": (PRODUCTION, "tls.mode=off"),
    "postgres.mode quickstart is one pod without a replica or backup": (PRODUCTION, "postgres.mode=quickstart"),
    "set auth.issuer and auth.jwksUrl": (PRODUCTION, "auth.jwksUrl="),
    "auth.jwksUrl is set without auth.issuer": (None, "auth.jwksUrl=https://a.example/jwks"),
    "set services.venue.keys.existingSecret": (PRODUCTION, "services.venue.keys.existingSecret="),
    "set services.quarantine.keys.existingSecret": (PRODUCTION, "services.quarantine.keys.existingSecret="),
    "set eventTraceKey.existingSecret": (PRODUCTION, "eventTraceKey.existingSecret="),
    "goes into the QR code of every printed paper": (PRODUCTION, "services.venue.settings.verification_url=http://localhost:8080/v/{verification_id}"),
    "alerts would lead to example.org": (PRODUCTION, "observability.runbookBase=https://example.org/lilitong/docs/runbooks"),
    "a Service's name begins with a letter": (None, "fullnameOverride=2nd-district"),
    "nats.quickstart.volume.limit, 1800MB, is more than its size, 1Gi": (None, "nats.quickstart.volume.size=1Gi"),
    "which ReadWriteOncePod does not allow": (rendering.CHART / "ci/backup-values.yaml", "services.quarantine.vault.volume.accessMode=ReadWriteOncePod"),
    "would start a real policy in production": (PRODUCTION, "rehearsal.startPolicy=true"),
    "helm test cannot make tokens of your issuer": (PRODUCTION, "rehearsal.tokensSecret="),
    "postgres.mode external needs postgres.existingSecrets.venue": (EXTERNAL, "postgres.existingSecrets.venue="),
    "postgres.external.prepare needs existingSecret": (EXTERNAL, "postgres.external.prepare.existingSecret="),
    "postgres.external.prepare belongs to postgres.mode external": (None, "postgres.external.prepare.enabled=true"),
    "migrations.mode hook is for postgres.mode external only": (None, "migrations.mode=hook"),
    "synchronousReplicas must be below instances": (PRODUCTION, "postgres.cnpg.instances=1"),
    "postgres.cnpg.backup needs destinationPath": (PRODUCTION, "postgres.cnpg.backup.destinationPath="),
    "nats.mode external needs nats.external.url": (EXTERNAL, "nats.external.url="),
    "nats.mode external needs nats.existingSecrets.admin": (EXTERNAL, "nats.existingSecrets.admin="),
    "nats.streamReplicas is above nats.quickstart.replicas": (None, "nats.streamReplicas=3"),
    "lets any pod in as a server": (None, "nats.quickstart.replicas=3,networkPolicy.enabled=false"),
    "needs tls.certManager.issuerRef.name": (None, "tls.mode=certManager"),
    "tls.mode existing needs tls.existingSecrets.venue": (None, "tls.mode=existing"),
    "tls.mode existing needs tls.existingSecrets.rehearsal": (EXTERNAL, "tls.existingSecrets.rehearsal="),
    "tls.mode existing needs tls.existingSecrets.nats": (rendering.CHART / "ci/gateway-api-values.yaml", "tls.existingSecrets.nats="),
    "without cert-manager profile production needs workloadIdentity": (EXTERNAL, "workloadIdentity.existingSecrets.venue="),
    "ingress.gateway needs a host": (None, "ingress.gateway.enabled=true"),
    "gatewayApi needs parentRefs": (None, "gatewayApi.enabled=true"),
    "gatewayApi needs scannerHostnames when TLS is on": (rendering.CHART / "ci/gateway-api-values.yaml", "gatewayApi.scannerHostnames=null"),
    "gatewayApi.gateway.create needs className": (None, "gatewayApi.enabled=true,gatewayApi.gateway.create=true"),
    "cut the services off from auth.jwksUrl": (PRODUCTION, "networkPolicy.peers.issuer=null"),
    "cut the services off from the trace collector": (None, "settings.trace_exporter=otlp:http://c:4317"),
    "cut venue off from its object store": (None, "services.venue.photos.url=s3://photos"),
    "cut the services off from the external Postgres": (EXTERNAL, "networkPolicy.peers.postgres=null"),
    "cut the services off from the external NATS": (EXTERNAL, "networkPolicy.peers.nats=null"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_contradictory_values_are_refused_with_one_sentence(sentence):
    file, settings = REFUSED[sentence]
    with pytest.raises(rendering.HelmError) as refused:
        rendering.render(rendering.CHART, *([file] if file else []), settings=[settings])
    assert sentence in str(refused.value)


def test_every_refusal_of_the_chart_has_a_case_here():
    text = (rendering.CHART / "templates/_validate.tpl").read_text()
    assert text.count("append $.contradictions") == len(REFUSED) - 2  # the first three are one


def test_all_contradictions_are_told_at_once():
    with pytest.raises(rendering.HelmError, match="things contradict each other:") as refused:
        rendering.render(settings=["profile=production", "backup.restore=latest"])
    told = [line for line in str(refused.value).splitlines() if line.startswith("- ")]
    assert f" {len(told)} things" in str(refused.value)
    for part in ("tls.mode off", "postgres.mode quickstart", "auth.issuer", "venue.keys", "quarantine.keys", "eventTraceKey", "verification_url", "rehearsal.startPolicy", "backup.restore needs"):  # fmt: skip
        assert sum(part in line for line in told) == 1, part


@pytest.mark.parametrize("name", ["2024-spring", "lishi.district"])
def test_a_release_whose_name_makes_no_name_of_a_service_is_refused(name):
    with pytest.raises(rendering.HelmError, match="begins with a letter"):
        rendering.render(release=name)
    assert rendering.render(release=name, settings=["fullnameOverride=lishi"])


def test_a_volume_of_one_pod_is_replaced_as_one_of_one_node_is():
    objects = rendering.render(settings=["services.quarantine.vault.volume.accessMode=ReadWriteOncePod"])
    (item,) = [one for one in objects if rendering.named(one) == "Deployment/lilitong-quarantine"]
    assert item["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    "setting",
    [
        "backup.keepDays=31", "profile=demo", "services.venue.replica=2", "settings.log_level=LOUD", "nats.quickstart.replicas=2", "typo=1",
        "networkPolicy.peers.backends=everybody", "services.venue.settings.poolsize=3", "images.digests.venue=latest",
    ],
)  # fmt: skip
def test_what_the_schema_does_not_know_is_refused(setting):
    with pytest.raises(rendering.HelmError, match="don't meet the specifications"):
        rendering.render(settings=[setting])


@pytest.mark.parametrize("limit", ["1", "701m", "2", "1.5"])
def test_a_limit_of_cpu_above_the_mark_lets_a_service_scale(limit):
    assert rendering.render(settings=["services.gateway.autoscaling.enabled=true", f"services.gateway.resources.limits.cpu={limit}"])  # fmt: skip


@pytest.mark.parametrize("size", ["20G", "500M", "2Ti"])
def test_sizes_are_kubernetes_own(size):
    values = f"postgres: {{quickstart: {{volume: {{size: {size}}}}}}}\nnats: {{quickstart: {{volume: {{size: {size}, limit: 400MB}}}}}}"
    asked = [
        claim["spec"]["resources"]["requests"]["storage"]
        for item in rendering.render(values=values)
        for claim in item.get("spec", {}).get("volumeClaimTemplates", [])
    ]
    assert asked == [size, size]


def test_the_table_of_values_is_current():
    assert table.stale() == []


def test_the_table_tells_what_stands_above_a_value():
    told = list(table.rows("# not told\na: 1\n# -- Told\n# in two lines.\nb:\n  # -- Inner.\n  c: [x]\n"))
    assert told == [("b", '{"c": ["x"]}', "Told in two lines."), ("b.c", '["x"]', "Inner.")]


def told_settings():
    """(page, value) of each `--set` that a page tells its reader to use."""
    pages = [*(rendering.ROOT / "docs").rglob("*.md"), *rendering.CHART.glob("*.md"), rendering.ROOT / "README.md"]
    for page in pages:
        for match in re.finditer(r"--set(?:-string|-file)?[ =]([A-Za-z_][\w.]*)(?:=|\b)", page.read_text()):
            yield str(page.relative_to(rendering.ROOT)), match[1]


def known(schema, path):
    """Whether a value of that path may be set."""
    for part in path.split("."):
        if "$ref" in schema or schema.get("additionalProperties", True) is not False:
            return True
        if part not in schema.get("properties", {}):
            return False
        schema = schema["properties"][part]
    return True


def test_pages_tell_only_of_values_that_there_are():
    schema = json.loads((rendering.CHART / "values.schema.json").read_text())
    told = list(told_settings())
    assert told
    assert [(page, path) for page, path in told if not known(schema, path)] == []


def test_large_numbers_are_written_as_numbers(of):
    gateway = next(item for item in of("quickstart") if rendering.named(item) == "Deployment/lilitong-gateway")
    env = {entry["name"]: entry.get("value") for entry in rendering.containers(gateway)[0]["env"]}
    assert (
        env["GATEWAY_BODY_LIMIT"],
        env["GATEWAY_CHECK_IN_RATE"],
        env["GATEWAY_ACCESS_LOG"],
    ) == ("1048576", "20000", "true")
    assert env["GATEWAY_HOT_TRACE_RATIO"] == "0.01"
