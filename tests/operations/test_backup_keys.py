"""Copies of the keys: complete but for day keys, readable by one who is not here, and by nobody else."""

import io
import tarfile
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from passes import vault_copy
from passes.vault import DirectoryVault, roll
from quarantine.backup import keys
from quarantine.backup.__main__ import arguments, main
from quarantine.backup.folders import BackupError
from quarantine.backup.keys import KEK

pytestmark = pytest.mark.feature("X11", "X5")
TODAY = date(2026, 11, 26)
NOW = datetime(2026, 11, 26, 2, 15, tzinfo=UTC)


def pem(key):
    return key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo).decode()


def secret_pem(key, password=None):
    how = forms.BestAvailableEncryption(password) if password else forms.NoEncryption()
    return key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, how)


@pytest.fixture
def recipient():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def vault(tmp_path):
    path = tmp_path / "vault"
    made = DirectoryVault(path)
    roll(made, TODAY)
    made.secret(KEK)
    made.signing_key("pass-1")
    return path


@pytest.fixture
def provided(tmp_path):
    """As the kubelet mounts a Secret: its files are links into a folder that begins with dots."""
    folder = tmp_path / "provided/venue-keys"
    (folder / "..data").mkdir(parents=True)
    (folder / "..data/spot-checks.bin").write_bytes(b"s" * 32)
    (folder / "spot-checks.bin").symlink_to("..data/spot-checks.bin")
    return {"venue-keys": folder}


def test_only_its_recipient_opens_a_copy_and_a_new_vault_made_of_it_has_the_same_keys(
    vault, provided, recipient, tmp_path
):
    sealed = keys.seal(vault, provided, pem(recipient))
    with pytest.raises(BackupError, match="another key"):
        keys.unpack(sealed, ec.generate_private_key(ec.SECP256R1()), tmp_path / "thief")
    assert keys.unpack(sealed, recipient, tmp_path / "opened") == [keys.VAULT, "venue-keys/spot-checks.bin"]
    vault_copy.put(tmp_path / "new", (tmp_path / "opened" / keys.VAULT).read_bytes())
    before, after = DirectoryVault(vault), DirectoryVault(tmp_path / "new")
    assert after.secret(KEK) == before.secret(KEK)
    assert after.signing_key("pass-1").private_numbers() == before.signing_key("pass-1").private_numbers()
    with pytest.raises(BackupError, match="not empty"):
        keys.unpack(sealed, recipient, tmp_path / "opened")


def test_no_day_key_is_in_a_copy_neither_by_name_nor_by_content(vault, recipient, tmp_path):
    keys.unpack(keys.seal(vault, {}, pem(recipient)), recipient, tmp_path / "opened")
    data = (tmp_path / "opened" / keys.VAULT).read_bytes()
    days = [path.read_bytes() for path in (vault / "days").glob("*.key")]
    assert len(days) == 23
    assert not [key for key in days if key in data]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert {name for name in archive.getnames() if name.startswith("days")} <= {vault_copy.LIMIT}


@pytest.mark.parametrize("kind", ["ed25519", "p384", "private", "text"])
def test_a_recipient_that_is_not_a_p256_public_key_is_refused(vault, recipient, kind):
    other = {
        "ed25519": lambda: pem(ed25519.Ed25519PrivateKey.generate()),
        "p384": lambda: pem(ec.generate_private_key(ec.SECP384R1())),
        "private": lambda: secret_pem(recipient).decode(),
        "text": lambda: "somebody",
    }[kind]
    with pytest.raises(BackupError, match=r"recipient is (no|a private)"):
        keys.seal(vault, {}, other())


def test_without_the_key_that_wraps_all_others_there_is_no_copy_wherever_it_should_be(vault, provided, recipient):
    (vault / "secrets" / f"{KEK}.bin").unlink()
    with pytest.raises(BackupError, match="without it nobody's record can be read"):
        keys.seal(vault, provided, pem(recipient))
    (provided["venue-keys"] / f"{KEK}.bin").write_bytes(b"k" * 32)
    assert keys.seal(vault, provided, pem(recipient))


@pytest.mark.parametrize("where", ["vault", "provided"])
def test_a_later_version_of_the_key_that_wraps_all_others_is_enough_where_the_first_is_retired(
    vault, provided, recipient, where
):
    (vault / "secrets" / f"{KEK}.bin").unlink()
    folder = vault / "secrets" if where == "vault" else provided["venue-keys"]
    (folder / f"{KEK}-old.bin").write_bytes(b"k" * 32)
    with pytest.raises(BackupError, match="without it nobody's record can be read"):
        keys.seal(vault, provided, pem(recipient))
    (folder / f"{KEK}-2.bin").write_bytes(b"k" * 32)
    assert keys.seal(vault, provided, pem(recipient))


def test_the_pods_step_writes_a_copy_for_its_owner_alone_and_deletes_what_is_old(vault, provided, recipient, tmp_path):
    volume = tmp_path / "volume"
    volume.mkdir()
    for age in (40, 20):
        keys.save(b"old", volume, 365, NOW - timedelta(days=age))
    environment = {
        "BACKUP_VAULT": str(vault), "BACKUP_PROVIDED": str(provided["venue-keys"].parent), "BACKUP_FOLDER": str(volume),
        "BACKUP_KEEP_DAYS": "36500", "BACKUP_RECIPIENT": pem(recipient),
    }  # fmt: skip
    assert main(arguments().parse_args(["seal"]), environment) == 0
    newest = keys.copies(volume)[-1]
    assert newest.stat().st_mode & 0o777 == 0o600
    (tmp_path / "key.pem").write_bytes(secret_pem(recipient))
    opening = arguments().parse_args(["open", str(tmp_path / "key.pem"), str(newest), str(tmp_path / "opened")])
    assert main(opening, {}) == 0
    keys.save(b"new", volume, 30, NOW)
    assert f"{NOW - timedelta(days=40):%Y-%m-%d}" not in {path.name[:10] for path in keys.copies(volume)}
    assert len(keys.copies(volume)) == 3


def test_a_key_with_a_password_asks_for_it(recipient):
    guarded = secret_pem(recipient, b"word")
    with pytest.raises(TypeError):
        keys.private_key(guarded, None)
    with pytest.raises(BackupError, match="password is another"):
        keys.private_key(guarded, b"other")
    assert keys.private_key(guarded, b"word").private_numbers() == recipient.private_numbers()
