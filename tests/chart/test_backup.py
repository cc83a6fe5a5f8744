"""What is backed up and by whom: pods that see the database or the keys and never both, runs that never overlap, values that fit."""

import copy

import pytest

from tools.chart import rendering
from tools.chart.__main__ import check
from tools.chart.policies import allowed
from tools.chart.rules import component
from tools.chart.validating import problems

pytestmark = pytest.mark.feature("X11", "R10")
EXTERNAL, CNPG = (rendering.CHART / f"ci/{name}-values.yaml" for name in ("external", "cnpg"))
BACKUP = rendering.CHART / "ci/backup-values.yaml"
TRAP = "backup: {enabled: true, keys: {enabled: true, recipient: '-----BEGIN PUBLIC KEY-----\n-----BEGIN EC PRIVATE KEY-----'}}"

REFUSED = {
    "with postgres.mode cnpg set postgres.cnpg.backup instead": (CNPG, "backup: {enabled: true}"),
    "needs backup.existingSecret with postgres.mode external": (EXTERNAL, "backup: {enabled: true}"),
    "backup.restore needs backup.enabled": (None, "backup: {restore: latest}"),
    "set backup.keys.recipient to a P-256 public key": (None, "backup: {keys: {enabled: true}}"),
    "holds a private key": (None, TRAP),
    "backup.keys.restoreSecret needs backup.keys.enabled": (None, "backup: {keys: {restoreSecret: copy}}"),
    "are the same claim": (BACKUP, "backup: {volume: {existingClaim: a}, keys: {volume: {existingClaim: a}}}"),
    "is the vault's claim": (BACKUP, "backup: {volume: {existingClaim: lilitong-quarantine-vault}}"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_backup_that_contradicts_itself_is_refused_with_one_sentence(sentence):
    file, values = REFUSED[sentence]
    with pytest.raises(rendering.HelmError) as refused:
        rendering.render(rendering.CHART, *([file] if file else []), values=values)
    assert sentence in str(refused.value).splitlines()[0]


@pytest.mark.parametrize(
    "values",
    [
        "backup: {keys: {volume: {existingClaim: lilitong-backup}}}",
        "backup: {volume: {existingClaim: lilitong-backup-keys}}",
    ],
)
def test_a_claim_that_the_release_makes_for_the_one_is_not_given_to_the_other(values):
    with pytest.raises(rendering.HelmError, match="are the same claim"):
        rendering.render(rendering.CHART, BACKUP, values=values)


def test_every_refusal_about_data_has_a_case():
    text = (rendering.CHART / "templates/_validate_data.tpl").read_text()
    recovery = (rendering.ROOT / "tests/chart/test_recovery.py").read_text().partition("REFUSED = {")[2].partition("}  #")[0]  # fmt: skip
    assert text.count("append $.contradictions") == len(REFUSED) + recovery.count('\n    "')


@pytest.mark.parametrize(
    "setting", ["backup.schedule=daily", "backup.restore=yesterday", "backup.keepDays=0", "backup.keep=3"]
)
def test_values_of_another_form_are_refused(setting):
    with pytest.raises(rendering.HelmError, match="don't meet the specifications"):
        rendering.render(settings=["backup.enabled=true", setting])


def jobs(objects):
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == "CronJob"}


def seen(item):
    """Secrets and claims that a pod sees, as mounts or as variables."""
    spec = rendering.pod_spec(item)
    found = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    found |= {volume["persistentVolumeClaim"]["claimName"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume}  # fmt: skip
    variables = [entry for one in rendering.containers(item) for entry in one["env"]]
    return found | {entry["valueFrom"]["secretKeyRef"]["name"] for entry in variables if "valueFrom" in entry}


def test_who_sees_the_database_sees_no_key_and_who_sees_keys_no_database(of):
    made = jobs(of("backup"))
    assert seen(made["lilitong-backup"]) == {"lilitong-postgres", "lilitong-backup"}
    assert seen(made["lilitong-backup-keys"]) == {"lilitong-quarantine-vault", "lilitong-venue-keys", "lilitong-event-trace-key", "lilitong-backup-keys"}  # fmt: skip
    flows = {flow for flow in allowed(of("backup")) if flow[0].startswith("backup")}
    assert flows == {("backup", "postgres", 5432)}
    assert ("outside", "nats", 7777) in allowed(of("backup"))


def test_provided_keys_are_copied_too_and_the_pod_goes_where_the_vault_can_be_mounted():
    recipient = rendering.parse(BACKUP.read_text())[0]["backup"]["keys"]
    objects = rendering.render(rendering.CHART, CNPG, values=str({"backup": {"keys": recipient}}))
    (item,) = jobs(objects).values()  # with cnpg the operator saves the database
    assert {"lilitong-quarantine-keys", "lilitong-venue-keys"} <= seen(item)
    assert "affinity" not in rendering.pod_spec(item)  # its volume is shared there
    alone = rendering.pod_spec(jobs(rendering.render(rendering.CHART, BACKUP))["lilitong-backup-keys"])
    (term,) = alone["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "quarantine"


def test_runs_never_overlap_end_in_time_and_are_not_tried_again_at_once(of):
    for item in jobs(of("backup")).values():
        assert item["spec"]["concurrencyPolicy"] == "Forbid"
        job = item["spec"]["jobTemplate"]["spec"]
        assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (0, 21600)
        assert rendering.pod_spec(item)["restartPolicy"] == "Never"


def test_a_nights_job_is_found_by_its_component_as_runbooks_look_for_it(of):
    found = jobs(of("backup"))
    for name in ("backup", "backup-keys"):
        template = found[f"lilitong-{name}"]["spec"]["jobTemplate"]
        assert template["metadata"]["labels"]["app.kubernetes.io/component"] == name
        assert template["metadata"]["labels"]["app.kubernetes.io/instance"] == "lilitong"


def test_each_volume_is_mounted_at_once_by_a_pod_placed_as_those_of_the_nights(of):
    """Or it would stay unbound, and `helm install --wait` would wait for it until the night."""
    objects = of("backup")
    claims = {item["metadata"]["name"] for item in objects if item["kind"] == "PersistentVolumeClaim"}
    mounted = {name for item in objects if item["kind"] != "CronJob" and rendering.pod_spec(item) for name in claims if name in str(rendering.pod_spec(item)["volumes"])}  # fmt: skip
    assert claims == mounted
    first = next(item for item in objects if item["metadata"]["name"].startswith("lilitong-backup-keys-volume"))
    nightly = rendering.pod_spec(jobs(objects)["lilitong-backup-keys"])
    assert rendering.pod_spec(first)["affinity"] == nightly["affinity"]


def test_a_restore_is_a_job_of_its_own_that_nobody_gets_by_accident(of):
    assert not [item for item in of("backup") if "restore" in item["metadata"]["name"]]
    name = "2026-11-25T023000Z"
    objects = rendering.render(rendering.CHART, BACKUP, settings=[f"backup.restore={name}"])
    (item,) = [one for one in objects if "restore" in one["metadata"]["name"]]
    assert [one["name"] for one in rendering.containers(item)] == ["ready", "fill", "check"]
    assert all(mount["readOnly"] for one in rendering.containers(item) for mount in one["volumeMounts"] if mount["name"] == "backups")  # fmt: skip
    assert component(item) == "backup"


def test_the_vault_is_written_by_its_restore_alone_which_needs_no_pod_of_quarantine(of):
    nightly = rendering.containers(jobs(of("backup"))["lilitong-backup-keys"])[0]
    assert {mount["mountPath"] for mount in nightly["volumeMounts"] if not mount.get("readOnly")} == {"/tmp", "/var/lib/lilitong/backups"}  # fmt: skip
    objects = rendering.render(rendering.CHART, BACKUP, settings=["backup.keys.restoreSecret=copy"])
    (item,) = [one for one in objects if one["metadata"]["name"] == "lilitong-restore-keys"]
    assert seen(item) == {"copy", "lilitong-quarantine-vault"}
    assert "affinity" not in rendering.pod_spec(item)
    assert check(objects) == []


def test_external_databases_are_dumped_by_a_role_and_a_client_of_their_own():
    values = (
        "backup: {enabled: true, existingSecret: reader, client: {image: registry.example.org/postgres, tag: '17'}}"
    )
    objects = rendering.render(rendering.CHART, EXTERNAL, values=values)
    item = jobs(objects)["lilitong-backup"]
    count, dump = rendering.containers(item)
    assert dump["image"] == "registry.example.org/postgres:17"
    assert {"reader", "postgres-ca", "lilitong-backup"} == seen(item)
    assert ("backup", "outside", 5432) in allowed(objects)
    assert "registry.example.org/lilitong/quarantine" in count["image"]


def test_the_rules_look_into_cron_jobs_too(of):
    objects = copy.deepcopy(of("backup"))
    item = jobs(objects)["lilitong-backup"]
    del rendering.pod_spec(item)["securityContext"]
    del rendering.containers(item)[1]["resources"]
    item["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"] = {"app.kubernetes.io/component": "backup"}
    found = check(objects)
    for said in ("may run as root", "container dump, has no requests", "pods of backup are open for Egress"):
        assert any(said in problem for problem in found), (said, found)
    item["spec"]["concurrencyPolice"] = "Forbid"
    assert len(problems([item], rendering.VERSIONS[0])) == 1
