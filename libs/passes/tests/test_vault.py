import fcntl
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from passes import vault as vaults
from passes.errors import KeyDestroyedError, KeyMissingError, VaultError
from passes.vault import DirectoryVault, roll, window

pytestmark = pytest.mark.feature("X5")

TODAY = date(2022, 3, 15)
DAY = timedelta(days=1)


class Monotonic:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_keys_exist_from_fourteen_days_back_to_eight_ahead(tmp_path):
    vault = DirectoryVault(tmp_path)

    days = roll(vault, TODAY)

    assert (days.first, days.last) == (TODAY - 14 * DAY, TODAY + 8 * DAY)
    keys = {vault.day_key(days.first + n * DAY) for n in range(23)}
    assert len(keys) == 23
    assert {16} == {len(key) for key in keys}
    with pytest.raises(KeyMissingError):
        vault.day_key(days.last + DAY)
    with pytest.raises(KeyDestroyedError):
        vault.day_key(days.first - DAY)


def test_a_day_is_kept_for_fourteen_full_days_and_gone_on_the_fifteenth(tmp_path):
    vault = DirectoryVault(tmp_path)
    roll(vault, TODAY)
    key = vault.day_key(TODAY)

    roll(vault, TODAY + 14 * DAY)
    assert key == vault.day_key(TODAY)
    roll(vault, TODAY + 15 * DAY)
    with pytest.raises(KeyDestroyedError):
        vault.day_key(TODAY)


def test_rolling_twice_changes_nothing(tmp_path):
    vault = DirectoryVault(tmp_path)
    roll(vault, TODAY)
    before = {path.name: path.read_bytes() for path in (tmp_path / "days").glob("*.key")}

    roll(vault, TODAY)

    assert before == {path.name: path.read_bytes() for path in (tmp_path / "days").glob("*.key")}


def test_a_destroyed_day_is_never_made_again(tmp_path):
    vault = DirectoryVault(tmp_path)
    vault.ensure_days(TODAY, TODAY)

    assert vault.destroy_before(TODAY + DAY) == 1
    assert vault.destroy_before(TODAY + DAY) == 0
    for fresh in (vault, DirectoryVault(tmp_path)):
        with pytest.raises(KeyDestroyedError):
            fresh.ensure_days(TODAY, TODAY + DAY)
        with pytest.raises(KeyDestroyedError):
            fresh.day_key(TODAY)
    assert vault.ensure_days(TODAY + DAY, TODAY + DAY) == 1


def test_a_clock_that_goes_back_brings_no_key_back(tmp_path):
    vault = DirectoryVault(tmp_path)
    vault.destroy_before(TODAY)
    vault.destroy_before(TODAY - 5 * DAY)

    with pytest.raises(KeyDestroyedError):
        vault.ensure_days(TODAY - DAY, TODAY)


def test_destruction_overwrites_the_bytes_themselves(tmp_path):
    vault = DirectoryVault(tmp_path)
    vault.ensure_days(TODAY, TODAY)
    with (tmp_path / "days" / f"{TODAY}.key").open("rb") as still_open:
        vault.destroy_before(TODAY + DAY)

        assert bytes(16) == still_open.read()
    assert not list((tmp_path / "days").glob("*.key"))


def test_an_interrupted_destruction_is_already_in_force_and_is_finished_by_the_next(tmp_path, monkeypatch):
    vault = DirectoryVault(tmp_path)
    vault.ensure_days(TODAY, TODAY + DAY)

    def killed(_path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vaults.keyfiles, "destroy", killed)
        with pytest.raises(KeyboardInterrupt):
            vault.destroy_before(TODAY + DAY)
    with pytest.raises(KeyDestroyedError):
        DirectoryVault(tmp_path).day_key(TODAY)
    assert vault.destroy_before(TODAY + DAY) == 1


def test_another_process_stops_using_a_destroyed_key_within_the_cache_time(tmp_path):
    clock = Monotonic()
    reader, destroyer = DirectoryVault(tmp_path, cache_seconds=60, monotonic=clock), DirectoryVault(tmp_path)
    destroyer.ensure_days(TODAY, TODAY)
    reader.day_key(TODAY)
    destroyer.destroy_before(TODAY + DAY)

    clock.now = 60.0
    with pytest.raises(KeyDestroyedError):
        reader.day_key(TODAY)


def test_a_cached_key_is_answered_without_the_disk(tmp_path):
    vault = DirectoryVault(tmp_path, monotonic=Monotonic())
    vault.ensure_days(TODAY, TODAY)
    key = vault.day_key(TODAY)
    (tmp_path / "days" / f"{TODAY}.key").unlink()

    assert key == vault.day_key(TODAY)


def test_a_cache_longer_than_a_minute_is_refused(tmp_path):
    with pytest.raises(ValueError, match="within 60 s"):
        DirectoryVault(tmp_path, cache_seconds=61)


def test_a_damaged_key_is_refused_rather_than_used(tmp_path):
    vault = DirectoryVault(tmp_path)
    vault.ensure_days(TODAY, TODAY)
    (tmp_path / "days" / f"{TODAY}.key").write_bytes(b"short")

    with pytest.raises(VaultError):
        vault.day_key(TODAY)


ONE_OF_MANY = """
import pathlib, sys, time
from datetime import date, timedelta
from passes.vault import DirectoryVault
folder = pathlib.Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
vault = DirectoryVault(folder)
first = date.fromisoformat(sys.argv[2])
vault.ensure_days(first, first + timedelta(days=20))
for number in range(21):
    print(vault.day_key(first + timedelta(days=number)).hex())
print(vault.secret("kek").hex(), vault.signing_key("issuer").private_numbers().private_value)
"""


def test_processes_that_start_together_agree_on_every_key(tmp_path):
    source = str(Path(vaults.__file__).parents[1])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_MANY, str(tmp_path), TODAY.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": source},
        )
        for _ in range(4)
    ]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        answers = [worker.communicate(timeout=60)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()

    assert len(answers[0].split()) == 23
    assert {answers[0]} == set(answers)
    assert not list(tmp_path.rglob(".new-*"))


def test_drafts_of_a_killed_process_are_removed_without_harming_the_key(tmp_path):
    vault = DirectoryVault(tmp_path)
    vault.ensure_days(TODAY, TODAY)
    key = vault.day_key(TODAY)
    os.link(tmp_path / "days" / f"{TODAY}.key", tmp_path / "days" / ".new-0123")

    vault.ensure_days(TODAY, TODAY + DAY)

    assert not (tmp_path / "days" / ".new-0123").exists()
    assert key == DirectoryVault(tmp_path).day_key(TODAY)


def test_named_secrets_are_made_once_and_readable_by_the_owner_only(tmp_path):
    vault = DirectoryVault(tmp_path / "vault")
    secret = vault.secret("blind-index", 32)

    assert (32, secret) == (len(secret), DirectoryVault(tmp_path / "vault").secret("blind-index", 32))
    assert secret != vault.secret("kek", 32)
    with pytest.raises(VaultError):
        vault.secret("kek", 16)
    vault.signing_key("issuer")
    vault.ensure_days(TODAY, TODAY)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert {0o600} == modes
    assert {0o700} == {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_dir()}


def test_signing_keys_are_made_once_and_keep_their_type(tmp_path):
    vault = DirectoryVault(tmp_path)
    issuer, log = vault.signing_key("issuer"), vault.ed25519_key("log")

    assert issuer.private_numbers() == DirectoryVault(tmp_path).signing_key("issuer").private_numbers()
    assert log.private_bytes_raw() == DirectoryVault(tmp_path).ed25519_key("log").private_bytes_raw()
    with pytest.raises(VaultError):
        vault.signing_key("log")
    with pytest.raises(VaultError):
        vault.ed25519_key("issuer")


@pytest.mark.parametrize("name", ["", "../up", "UPPER", "a/b", ".hidden", "x" * 41])
def test_names_cannot_leave_the_vault(tmp_path, name):
    with pytest.raises(ValueError, match="a name is"):
        DirectoryVault(tmp_path).secret(name)


def test_the_window_of_a_day_is_a_product_rule():
    assert (date(2022, 2, 14), date(2022, 3, 8)) == (window(date(2022, 2, 28)).first, window(date(2022, 2, 28)).last)


def mounted(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder as Kubernetes mounts a Secret: names are links into a dated folder, which is swapped as a whole."""
    dated = folder / "..2026_11_25"
    dated.mkdir(parents=True)
    for name, content in files.items():
        (dated / name).write_bytes(content)
        (folder / name).symlink_to(Path("..data") / name)
    (folder / "..data").symlink_to(dated.name)
    for path in (*dated.iterdir(), dated, folder):
        path.chmod(0o440 if path.is_file() else 0o555)
    return folder


@pytest.fixture
def key_pem() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )


def test_a_provided_key_goes_before_one_that_would_be_made(tmp_path, key_pem):
    provided = mounted(tmp_path / "secret", {"venue-code.pem": key_pem, "venue-screens.bin": bytes(range(32))})
    replicas = [DirectoryVault(tmp_path / name, provided=provided) for name in ("one", "two")]
    wanted = load_pem_private_key(key_pem, None).private_numbers()
    assert [wanted] * 2 == [vault.signing_key("venue-code").private_numbers() for vault in replicas]
    assert [bytes(range(32))] * 2 == [vault.secret("venue-screens") for vault in replicas]
    assert list(tmp_path.rglob("keys/*")) + list(tmp_path.rglob("secrets/*")) == []
    assert replicas[0].secret("other") != replicas[1].secret("other")


def test_a_vault_whose_keys_are_all_provided_writes_nothing_and_names_the_one_that_is_missing(tmp_path, key_pem):
    provided = mounted(tmp_path / "secret", {"venue-code.pem": key_pem})
    program = (
        "import sys, pathlib; from passes.vault import DirectoryVault, VaultError\n"
        "folder = pathlib.Path(sys.argv[1]); vault = DirectoryVault(folder, provided=folder)\n"
        "vault.signing_key('venue-code')\n"
        "try: vault.secret('venue-screens')\n"
        "except VaultError as error: print(error)\n"
    )
    answer = subprocess.run(
        [*unprivileged(), sys.executable, "-c", program, str(provided)],
        env=os.environ | {"PYTHONPATH": str(Path(vaults.__file__).parents[1])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.stdout == "venue-screens.bin is neither provided nor can it be made: Permission denied\n", (
        answer.stderr
    )
    assert {"..data", "..2026_11_25", "venue-code.pem"} == {path.name for path in provided.iterdir()}


def test_what_lies_in_a_folder_that_cannot_be_entered_is_not_there(tmp_path, key_pem):
    provided = mounted(tmp_path / "secret", {"venue-code.pem": key_pem})
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = (
        "import sys, pathlib; from passes.vault import DirectoryVault\n"
        "closed, provided = map(pathlib.Path, sys.argv[1:]); vault = DirectoryVault(closed / 'vault', provided=provided)\n"
        "print(vault.has('venue-code.pem'), vault.has('venue-screens.bin'))\n"
    )
    answer = subprocess.run(
        [*unprivileged(), sys.executable, "-c", program, str(closed), str(provided)],
        env=os.environ | {"PYTHONPATH": str(Path(vaults.__file__).parents[1])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.stdout == "True False\n", answer.stderr


def unprivileged() -> list[str]:
    """To root no folder is read-only."""
    if os.geteuid() != 0:
        return []
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", "--reuid=65532", "--regid=65532", "--clear-groups", *reading]


@pytest.mark.parametrize(
    ("content", "said"), [(b"no key", "is no private key in PEM"), (None, "exists with another type of key")]
)
def test_a_provided_key_that_is_none_is_told_by_its_file(tmp_path, content, said, key_pem):
    provided = mounted(tmp_path / "secret", {"log.pem": key_pem if content is None else content})
    with pytest.raises(VaultError, match=f"log.pem {said}"):
        DirectoryVault(tmp_path / "vault", provided=provided).ed25519_key("log")
    provided = mounted(tmp_path / "short", {"kek.bin": b"short"})
    with pytest.raises(VaultError, match="exists with another size"):
        DirectoryVault(tmp_path / "vault", provided=provided).secret("kek")


@pytest.mark.parametrize("call", ["link", "flock"])
def test_a_file_system_that_cannot_lock_or_link_is_refused_before_two_replicas_could_make_two_keys(
    tmp_path, monkeypatch, call
):
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr({"link": os, "flock": fcntl}[call], call, refuse)
    with pytest.raises(VaultError, match=r"cannot lock and link files \(Operation not supported\)"):
        DirectoryVault(tmp_path / "vault")
    assert list(tmp_path.rglob(".new-*")) == []


@pytest.mark.case("bad input")
def test_a_key_that_is_there_and_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    provided = tmp_path / "provided"
    (provided / "people-kek.bin").mkdir(parents=True)
    vault = DirectoryVault(tmp_path / "vault", provided=provided)
    with pytest.raises(VaultError, match=r"^people-kek\.bin cannot be read: Is a directory$"):
        vault.secret("people-kek")
    (tmp_path / "vault/keys/venue-code.pem").mkdir()
    with pytest.raises(VaultError, match=r"^venue-code\.pem cannot be read: Is a directory$"):
        vault.signing_key("venue-code")
