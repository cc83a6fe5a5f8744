"""Every rendering holds the rules, and a chart that breaks one is found out."""

import copy
import re
import shutil

import pytest

from tools.chart import __main__ as making
from tools.chart import policies, rendering
from tools.chart.__main__ import MORE_RULES, check
from tools.chart.rules import RULES, said_as_meant
from tools.chart.validating import problems

pytestmark = pytest.mark.feature("X11")


@pytest.mark.parametrize("rule", [*RULES, *MORE_RULES], ids=lambda rule: rule.__name__)
def test_every_rendering_holds(rule, objects):
    assert rule(objects) == []


@pytest.mark.parametrize("name", ["lilitong", "d", "district-" * 5 + "abcdefgh"])  # 53 characters are helm's most
def test_whatever_the_release_is_called_its_objects_fit(name):
    objects = rendering.render(
        rendering.CHART,
        rendering.CHART / "ci/external-values.yaml",
        values="nats: {mode: quickstart}\ntls: {existingSecrets: {nats: nats-tls}}",
        release=name,
    )
    assert check(objects) == []
    assert problems(objects, rendering.VERSIONS[0]) == []


@pytest.mark.parametrize("version", rendering.VERSIONS)
def test_every_object_is_valid_for_every_version(of, profile, version):
    assert problems(of(profile, version), version) == []


def test_before_1_30_there_is_no_sleep_before_the_end_and_nothing_else_changes():
    early, late = (rendering.render(version=version) for version in ("1.27", "1.37"))
    deployments = [item for item in early if item["kind"] == "Deployment"]
    assert all("lifecycle" not in item["spec"]["template"]["spec"]["containers"][0] for item in deployments)
    assert [rendering.named(item) for item in early] == [rendering.named(item) for item in late]
    assert problems(early, "1.27") == []


BROKEN = {
    # what is taken away: (template, pattern, replacement, what must be said)
    "probes": ("deployments.yaml", r'\{\{- include "lilitong.probes" \$both \| nindent 10 \}\}', "", "has no startupProbe"),
    "readiness as liveness": ("_pods.tpl", r"service: liveness", 'service: ""', "liveness apart from readiness"),
    "pod security": ("_pods.tpl", r'securityContext:\n  \{\{- include "lilitong.podSecurity".*\n', "", "may run as root"),
    "container security": ("_pods.tpl", r"readOnlyRootFilesystem: true\n", "", "may write to its root"),
    "capabilities": ("_pods.tpl", r"capabilities: \{drop: \[ALL\]\}", "capabilities: {}", "keeps capabilities"),
    "seccomp": ("_pods.tpl", r"seccompProfile: \{type: RuntimeDefault\}\n", "", "no seccomp profile"),
    "account token": ("_pods.tpl", r"automountServiceAccountToken: false\n", "", "token of the Kubernetes API"),
    "default deny of what comes in": ("networkpolicies.yaml", r"policyTypes: \[Ingress, Egress\]", "policyTypes: [Egress]", "open for Ingress"),
    "policies of one end": ("networkpolicies.yaml", r"(?s)  egress:\n    \{\{- range \$flow := \$out \}\}.*?\{\{- end \}\}\n", "", "at one end only"),
    "names": ("networkpolicies.yaml", r"\$policy\.dns\.ports", "(list 5300)", "cannot resolve names"),
    "limits": ("deployments.yaml", r" +resources:\n +\{\{- toYaml \$values.resources.*\n", "", "no limit of memory"),
    "grace": ("deployments.yaml", r'\{\{ include "lilitong.grace" \$ \}\}', "30", "killed before it has drained"),
    "spread": ("deployments.yaml", r'list "kubernetes.io/hostname" "topology.kubernetes.io/zone"', "list", "may lie on one node"),
    "a volume of the node": ("_pods.tpl", r"emptyDir: \{sizeLimit: 64Mi\}", "hostPath: {path: /tmp}", "a path of its node"),
    "a secret in a ConfigMap": ("configmaps.yaml", r"  nats.conf: \|", '  key: {{ genPrivateKey "ecdsa" | quote }}\n  nats.conf: |', "tells a secret"),
    "a password as a variable": ("_pods.tpl", r"- \{name: HOME, value: /tmp\}", "- {name: VENUE_NATS_PASSWORD, value: x}", "is a plain value"),
    "the port that a Service wants": ("deployments.yaml", r"name: metrics, containerPort", "name: metric, containerPort", "which has none"),
}  # fmt: skip


@pytest.mark.parametrize(("word", "said"), [("kill $$", "of which one arrives"), ("echo $(POD_NAME)", "replaced by a variable")])  # fmt: skip
def test_a_command_that_kubernetes_would_change_is_found_out(of, word, said):
    item = next(one for one in of("quickstart") if rendering.named(one) == "StatefulSet/lilitong-nats")
    changed = copy.deepcopy(item)
    rendering.containers(changed)[0]["command"] = ["sh", "-c", word]
    assert said_as_meant([item]) == []
    (problem,) = said_as_meant([changed])
    assert said in problem


def broken(tmp_path, template, pattern, replacement):
    chart = tmp_path / "chart"
    shutil.copytree(rendering.CHART, chart)
    path = chart / "templates" / template
    changed, count = re.subn(pattern, lambda _: replacement, path.read_text())
    assert count > 0, "the pattern finds nothing to break"
    path.write_text(changed)
    return rendering.render(chart)


@pytest.mark.parametrize("what", BROKEN)
def test_a_chart_without_it_is_found_out(tmp_path, what):
    template, pattern, replacement, said = BROKEN[what]
    objects = broken(tmp_path, template, pattern, replacement)
    found = [*check(objects), *problems(objects, rendering.VERSIONS[-1])]
    assert any(said in problem for problem in found), found


def test_make_chart_ends_with_1_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    template, pattern, replacement, said = BROKEN["probes"]
    broken(tmp_path, template, pattern, replacement)
    monkeypatch.setattr(making, "CHART", tmp_path / "chart")
    monkeypatch.setattr(making, "values_files", lambda: [tmp_path / "chart/ci/quickstart-values.yaml"])
    assert making.main([]) == 1
    told = capsys.readouterr().out
    assert said in told
    assert "objects of" in told


def test_a_chart_without_policies_is_found_out_where_they_are_not_turned_off(tmp_path):
    shutil.copytree(rendering.CHART, tmp_path / "chart")
    (tmp_path / "chart/templates/networkpolicies.yaml").unlink()
    objects = rendering.render(tmp_path / "chart")
    assert policies.absent(objects, {}) == ["there are no network policies"]
    assert policies.absent(objects, {"networkPolicy": {"enabled": False}}) == []


@pytest.mark.parametrize(("field", "value"), [("replicaz", 1), ("replicas", "two")])
def test_an_unknown_or_mistyped_field_is_no_valid_object(of, field, value):
    item = next(item for item in of("quickstart") if item["kind"] == "Deployment")
    wrong = item | {"spec": item["spec"] | {field: value}}
    assert len(problems([wrong], rendering.VERSIONS[0])) == 1


def test_a_field_that_a_custom_resource_does_not_have_is_found_out(of):
    item = next(item for item in of("cnpg") if item["kind"] == "Cluster")
    assert len(problems([item | {"spec": item["spec"] | {"instanses": 3}}], rendering.VERSIONS[0])) == 1


def test_where_the_namespace_gives_uids_no_pod_asks_for_one_and_none_is_root():
    pods = [
        (rendering.named(item), rendering.pod_spec(item))
        for item in rendering.render(settings=["podSecurity.fixedIds=false"])
        if rendering.pod_spec(item) is not None
    ]
    assert len(pods) > 8
    for name, spec in pods:
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & spec["securityContext"].keys(), name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert all(
            "runAsUser" not in one["securityContext"] for one in rendering.containers({"kind": "Pod", "spec": spec})
        )
