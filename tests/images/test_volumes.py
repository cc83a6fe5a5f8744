"""Volumes are laid out as a kubelet does it: who may read what, and links by which all files change at once."""

import base64
import os
import stat

import pytest

from tools.images import volumes
from tools.images.volumes import PodError, Store

KEY = base64.b64encode(b"secret").decode()
STORE = Store(
    [
        {"kind": "Secret", "metadata": {"name": "tls"}, "data": {"tls.key": KEY, "tls.crt": KEY}},
        {"kind": "Secret", "metadata": {"name": "other"}, "data": {"tls.crt": KEY}},
        {"kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"nats.conf": "port: 1"}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "vault"}},
    ]
)


def laid(spec, group):
    return {entry.path: entry for entry in volumes.entries(volumes.volume({"name": "v", **spec}, STORE), group)}


@pytest.mark.parametrize(
    ("mode", "group", "wanted"),
    [(0o440, 65532, 0o440), (0o400, 65532, 0o440), (0o644, 65532, 0o644), (0o440, None, 0o440), (0o400, None, 0o400)],
)
def test_a_secret_is_root_s_and_readable_by_the_pod_s_group_alone(mode, group, wanted):
    found = laid({"secret": {"secretName": "tls", "defaultMode": mode}}, group)
    key = found[f"{volumes.DATED}/tls.key"]
    assert (key.content, key.mode, key.group) == (b"secret", wanted, group or 0)


def test_files_are_links_to_a_dated_folder_that_is_swapped_as_a_whole():
    found = laid({"secret": {"secretName": "tls"}}, 65532)
    assert {path: entry.link for path, entry in found.items() if entry.link} == {
        "..data": volumes.DATED,
        "tls.key": "..data/tls.key",
        "tls.crt": "..data/tls.crt",
    }
    assert found[volumes.DATED].mode == 0o2755
    assert found[""].mode == 0o3777


def test_a_projected_volume_takes_its_items_by_other_names():
    part = {"secret": {"name": "other", "items": [{"key": "tls.crt", "path": "venue.crt", "mode": 0o400}]}}
    whole = {"configMap": {"name": "conf"}}
    found = laid({"projected": {"defaultMode": 0o440, "sources": [part, whole]}}, None)
    assert found[f"{volumes.DATED}/venue.crt"].mode == 0o400
    assert found[f"{volumes.DATED}/nats.conf"].content == b"port: 1"
    assert "tls.crt" not in found


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"secret": {"secretName": "none"}}, "there is no Secret none"),
        ({"secret": {"secretName": "tls", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}, "Secret tls has no ca.crt"),
        ({"secret": {"secretName": "tls", "items": [{"key": "tls.crt", "path": "a/b"}]}}, "folders within a volume"),
        ({"persistentVolumeClaim": {"claimName": "photos"}}, "there is no PersistentVolumeClaim photos"),
        ({"hostPath": {"path": "/"}}, "hostPath is not known here"),
        ({"emptyDir": {"medium": "Memory"}}, "a medium of its own"),
        ({"projected": {"sources": [{"serviceAccountToken": {}}]}}, "serviceAccountToken is not known here"),
    ],
)
def test_a_volume_with_which_a_pod_would_not_start_is_refused(spec, said):
    with pytest.raises(PodError, match=said):
        laid(spec, 65532)


def test_an_optional_secret_that_is_not_there_is_an_empty_folder():
    found = laid({"secret": {"secretName": "none", "optional": True}}, 65532)
    assert set(found) == {"", volumes.DATED, "..data"}


def test_a_claim_belongs_to_root_and_may_be_written_by_the_pod_s_group_alone():
    found = laid({"persistentVolumeClaim": {"claimName": "vault"}}, 65532)
    assert [(entry.path, oct(entry.mode), entry.group) for entry in found.values()] == [
        ("", "0o2770", 65532),
        ("lost+found", "0o2770", 65532),
    ]
    assert laid({"persistentVolumeClaim": {"claimName": "vault"}}, None)[""].mode == 0o700


def test_a_scratch_folder_is_anybody_s():
    assert laid({"emptyDir": {"sizeLimit": "16Mi"}}, 65532)[""].mode == 0o2777
    assert volumes.volume({"name": "v", "emptyDir": {"sizeLimit": "16Mi"}}, STORE).limit == 16 << 20


@pytest.fixture
def chowned(monkeypatch):
    found = {}
    monkeypatch.setattr(os, "chown", lambda path, user, group, **_: found.update({path.name: (user, group)}))
    return found


def test_what_was_planned_is_made(tmp_path, chowned):
    one = volumes.volume({"name": "v", "secret": {"secretName": "tls", "defaultMode": 0o440}}, STORE)
    volumes.lay(one, 65532, tmp_path / "deep" / "v")
    assert (tmp_path / "deep/v/tls.key").read_bytes() == b"secret"
    assert stat.S_IMODE((tmp_path / "deep/v/tls.key").stat().st_mode) == 0o440
    assert stat.S_IMODE((tmp_path / "deep/v").stat().st_mode) == 0o3777
    assert chowned["tls.key"] == (0, 65532)


def test_a_claim_keeps_what_pods_left_on_it(tmp_path, chowned):
    one = volumes.volume({"name": "v", "persistentVolumeClaim": {"claimName": "vault"}}, STORE)
    volumes.lay(one, 65532, tmp_path / "vault")
    (tmp_path / "vault/key").write_text("left")
    chowned.clear()
    volumes.lay(one, 65532, tmp_path / "vault")
    assert (tmp_path / "vault/key").read_text() == "left"
    assert chowned == {}


def test_what_a_volume_holds_is_counted(tmp_path):
    (tmp_path / "file").write_bytes(bytes(64 << 10))
    assert 64 << 10 <= volumes.held(tmp_path) < 80 << 10


@pytest.mark.parametrize(("text", "count"), [("512Mi", 512 << 20), ("1Gi", 1 << 30), ("64k", 64_000), ("7", 7)])
def test_quantities_are_read(text, count):
    assert volumes.quantity(text) == count
