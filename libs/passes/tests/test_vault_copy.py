"""A vault's copy brings back what is needed for ever, and never a day that was promised to be forgotten."""

import io
import tarfile
from datetime import date, timedelta

import pytest
from passes.errors import KeyDestroyedError, VaultError
from passes.vault import DirectoryVault, roll
from passes.vault_copy import put, take

pytestmark = pytest.mark.feature("X5", "X11")
TODAY = date(2022, 3, 10)


@pytest.fixture
def vault(tmp_path):
    made = DirectoryVault(tmp_path / "vault", cache_seconds=0)
    roll(made, TODAY)
    made.signing_key("pass-1")
    made.ed25519_key("log-1")
    made.secret("kek")
    return made


def archive(**entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_keys_and_secrets_come_back_and_day_keys_are_in_no_archive(vault, tmp_path):
    data = take(tmp_path / "vault")
    for day in range(-14, 9):
        assert vault.day_key(TODAY + timedelta(days=day)) not in data
    assert put(tmp_path / "other", data) == 3
    other = DirectoryVault(tmp_path / "other", cache_seconds=0)
    assert other.secret("kek") == vault.secret("kek")
    assert other.signing_key("pass-1").private_numbers() == vault.signing_key("pass-1").private_numbers()
    assert other.ed25519_key("log-1").private_bytes_raw() == vault.ed25519_key("log-1").private_bytes_raw()


def test_a_destroyed_day_stays_destroyed_whichever_copy_is_older(vault, tmp_path):
    old = take(tmp_path / "vault")
    roll(vault, TODAY + timedelta(days=5))
    new = take(tmp_path / "vault")
    for order in ((old, new), (new, old)):
        folder = tmp_path / f"other-{order[0] is old}"
        for data in order:
            put(folder, data)
        other = DirectoryVault(folder, cache_seconds=0)
        with pytest.raises(KeyDestroyedError):
            other.ensure_days(TODAY - timedelta(days=10), TODAY)


def test_nothing_is_overwritten_and_nothing_is_written_when_something_differs(vault, tmp_path):
    data = take(tmp_path / "vault")
    assert put(tmp_path / "vault", data) == 0
    other = DirectoryVault(tmp_path / "other")
    other.secret("kek")
    with pytest.raises(VaultError, match=r"another secrets/kek\.bin"):
        put(tmp_path / "other", data)
    assert not (tmp_path / "other/keys/pass-1.pem").exists()


@pytest.mark.parametrize(
    "name", ["days/2022-03-10.key", "keys/../../evil.pem", "/keys/evil.pem", "keys/x.sh", "secrets/deep/x.bin"]
)
def test_an_archive_of_anything_else_is_refused(tmp_path, name):
    with pytest.raises(VaultError, match="no key or secret"):
        put(tmp_path / "vault", archive(**{name: b"x"}))
    assert not (tmp_path / "vault/keys").exists()


def test_what_is_no_archive_and_no_vault_is_said(tmp_path):
    with pytest.raises(VaultError, match="no archive"):
        put(tmp_path / "vault", b"not a tar")
    with pytest.raises(VaultError, match="no vault"):
        take(tmp_path)
