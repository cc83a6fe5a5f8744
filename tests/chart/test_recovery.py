"""A Cluster made from a backup: from an archive, a moment of it, or snapshots; what contradicts itself is refused."""

import pytest

from tools.chart import rendering
from tools.chart.__main__ import check
from tools.chart.validating import problems

pytestmark = pytest.mark.feature("X11", "R10")
CNPG = rendering.CHART / "ci/cnpg-values.yaml"
ON = "postgres.cnpg.recovery.enabled=true"
ELSEWHERE = "postgres.cnpg.backup.serverName=lilitong-postgres-2"
STORE = "postgres.cnpg.backup.enabled=false,postgres.cnpg.backup.destinationPath="
SNAPSHOT = "postgres.cnpg.recovery.volumeSnapshots.storage=data"

REFUSED = {
    "belongs to postgres.mode cnpg": (None, ON),
    "needs something to recover from": (CNPG, f"{ON},{STORE}"),
    "needs recovery.credentialsSecret": (CNPG, f"{ON},{STORE},postgres.cnpg.backup.credentialsSecret=,postgres.cnpg.recovery.destinationPath=s3://old"),
    "set postgres.cnpg.backup.serverName to a new name, e.g. lilitong-postgres-2": (CNPG, ON),
    "targetTime needs the WAL archive": (CNPG, f"{ON},{STORE},{SNAPSHOT},postgres.cnpg.recovery.volumeSnapshots.walStorage=wal,postgres.cnpg.recovery.targetTime=2026-11-25T02:30:00Z"),
    "has both backupId and volumeSnapshots": (CNPG, f"{ON},{ELSEWHERE},{SNAPSHOT},postgres.cnpg.recovery.volumeSnapshots.walStorage=wal,postgres.cnpg.recovery.backupId=20261125T023000"),
    "walStorage goes with walVolume": (CNPG, f"{ON},{ELSEWHERE},{SNAPSHOT}"),
}  # fmt: skip


def cluster(objects):
    return next(item["spec"] for item in objects if item["kind"] == "Cluster")


def recovered(*settings):
    objects = rendering.render(rendering.CHART, CNPG, settings=[ON, *settings])
    for version in rendering.VERSIONS:
        assert problems(objects, version) == []
    assert check(objects) == []
    return objects


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_recovery_that_contradicts_itself_is_refused_with_one_sentence(sentence):
    file, settings = REFUSED[sentence]
    with pytest.raises(rendering.HelmError) as refused:
        rendering.render(rendering.CHART, *([file] if file else []), settings=[settings])
    assert sentence in str(refused.value).splitlines()[0]


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-25", "2026-11-25T02:30:00"])
def test_a_moment_without_its_offset_from_utc_is_refused(moment):
    with pytest.raises(rendering.HelmError, match="don't meet the specifications"):
        rendering.render(rendering.CHART, CNPG, settings=[ON, ELSEWHERE, f"postgres.cnpg.recovery.targetTime={moment}"])


def test_it_reads_where_the_lost_cluster_archived_and_archives_beside_it(of):
    objects = of("recovery")
    made = cluster(objects)
    assert made["bootstrap"] == {"recovery": {"database": "lilitong", "owner": "lilitong", "source": "recovery", "recoveryTarget": {"targetTime": "2026-11-25T02:30:00+08:00"}}}  # fmt: skip
    (source,) = made["externalClusters"]
    assert source["plugin"]["parameters"] == {
        "barmanObjectName": "lilitong-postgres-recovery",
        "serverName": "lilitong-postgres",
    }
    (archiver,) = made["plugins"]
    assert archiver["parameters"] == {"barmanObjectName": "lilitong-postgres", "serverName": "lilitong-postgres-2"}
    stores = {item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "ObjectStore"}
    assert stores.keys() == {"lilitong-postgres", "lilitong-postgres-recovery"}
    paths = {store["configuration"]["destinationPath"] for store in stores.values()}
    assert len(paths) == 1
    assert "retentionPolicy" not in stores["lilitong-postgres-recovery"]  # who recovers deletes nothing


def test_roles_are_not_made_anew_and_their_passwords_are_those_of_the_secrets(of):
    before, after = cluster(of("cnpg")), cluster(of("recovery"))
    assert "initdb" not in after["bootstrap"]
    assert after["managed"] == before["managed"]
    assert len(after["managed"]["roles"]) == 6
    assert all(role["login"] and role["passwordSecret"]["name"] for role in after["managed"]["roles"])


def test_snapshots_alone_need_no_archive_and_with_one_a_moment_may_be_named():
    pair = [SNAPSHOT, "postgres.cnpg.recovery.volumeSnapshots.walStorage=wal"]
    alone = cluster(recovered(STORE, *pair))
    assert "externalClusters" not in alone
    assert alone["bootstrap"]["recovery"]["volumeSnapshots"] == {
        part: {"name": name, "kind": "VolumeSnapshot", "apiGroup": "snapshot.storage.k8s.io"}
        for part, name in (("storage", "data"), ("walStorage", "wal"))
    }
    both = cluster(recovered(ELSEWHERE, *pair, "postgres.cnpg.recovery.targetTime=2026-11-25T02:30:00Z"))
    assert both["bootstrap"]["recovery"].keys() == {"database", "owner", "source", "volumeSnapshots", "recoveryTarget"}


def test_another_store_is_read_with_its_own_credentials():
    settings = (
        "destinationPath=s3://old/lishi",
        "credentialsSecret=old",
        "serverName=lishi",
        "backupId=20261125T023000",
    )
    objects = recovered(*(f"postgres.cnpg.recovery.{setting}" for setting in settings))
    store = next(item for item in objects if item["metadata"]["name"] == "lilitong-postgres-recovery")
    assert store["spec"]["configuration"]["destinationPath"] == "s3://old/lishi"
    assert store["spec"]["configuration"]["s3Credentials"]["accessKeyId"]["name"] == "old"
    assert cluster(objects)["bootstrap"]["recovery"]["recoveryTarget"] == {"backupID": "20261125T023000"}


def test_the_one_command_of_a_recovery_makes_the_cluster_and_nothing_that_would_run_on_it():
    made = rendering.parse(
        rendering.helm(
            "template", "lilitong", str(rendering.CHART), "--values", str(rendering.CHART / "ci/recovery-values.yaml"),
            "--show-only", "templates/cnpg.yaml",
        )
    )  # fmt: skip
    assert {item["kind"] for item in made} == {"Cluster", "ObjectStore", "ScheduledBackup"}
