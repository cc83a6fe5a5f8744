"""The keys that a dump is worth nothing without, sealed to somebody who is not here.

Of the vault goes what `passes.vault_copy` takes, so no day key; beside it the keys that were provided. The recipient's private
half is kept off line, so whoever steals these copies, with or without a dump, has nothing to read it by.
"""

import io
import re
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from passes import vault_copy
from passes.errors import SealError, VaultError
from passes.sealing import seal_to, unseal

from quarantine.backup import folders
from quarantine.backup.folders import BackupError
from quarantine.people.wrapping import KEK

VAULT: Final = "quarantine-vault.tar"
"""The vault's part in the archive, as `python -m passes.vault_copy put` takes it."""
SUFFIX: Final = ".keys"
_BOUND_TO: Final = b"lilitong/backup-keys/1"


def seal(vault: Path, provided: Mapping[str, Path], recipient: str) -> bytes:
    """The sealed archive.

    Args:
        vault: quarantine's vault.
        provided: label → folder of a mounted Secret; each file becomes <label>/<file>.
        recipient: P-256 public key in PEM.

    Raises:
        BackupError: no such key, no vault, or none with the key that wraps all people's keys.

    """
    key = public_key(recipient)
    try:
        copy = vault_copy.take(vault)
    except VaultError as error:
        raise BackupError(str(error)) from None
    files = {f"{label}/{path.name}": path.read_bytes() for label, folder in provided.items() for path in _files(folder)}
    kek = re.compile(rf"(?:.*/)?{KEK}(?:-[0-9]+)?\.bin")
    if not any(kek.fullmatch(name) for name in [*files, *(path.name for path in (vault / "secrets").glob("*.bin"))]):
        raise BackupError(f"{KEK}.bin is neither in the vault nor provided: without it nobody's record can be read")
    return seal_to(key, _archive({VAULT: copy} | files), _BOUND_TO)


def public_key(pem: str) -> EllipticCurvePublicKey:
    """The recipient. Raises `BackupError`; a private key is refused, for it must not be where the copies are."""
    if "PRIVATE KEY" in pem:
        raise BackupError("the recipient is a private key: give its public half, and keep this one off line")
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise BackupError("the recipient is no public key in PEM") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise BackupError("the recipient is no P-256 key")
    return key


def private_key(pem: bytes, password: bytes | None) -> EllipticCurvePrivateKey:
    """The recipient's other half. Raises `BackupError`; TypeError when it has a password and none is given."""
    try:
        key = load_pem_private_key(pem, password)
    except ValueError:
        raise BackupError("this is no private key in PEM, or the password is another") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise BackupError("this is no P-256 key")
    return key


def save(sealed: bytes, volume: Path, keep_days: int, now: datetime) -> Path:
    """Write a sealed archive under its moment; what is older than `keep_days` is deleted, never the newest."""
    path = volume / f"{folders.name_of(now)}{SUFFIX}"
    draft = path.with_suffix(".part")
    draft.touch(mode=0o600)
    draft.write_bytes(sealed)
    folders.settle(draft)
    draft.replace(path)
    for old in folders.outdated(
        copies(volume), lambda one: folders.moment_of(one.stem), keep_days, now.astimezone(UTC)
    ):
        old.unlink()
    return path


def copies(volume: Path) -> list[Path]:
    """Every sealed archive, oldest first."""
    return sorted(one for one in volume.glob(f"*{SUFFIX}") if folders.moment_of(one.stem))


def unpack(sealed: bytes, key: EllipticCurvePrivateKey, folder: Path) -> list[str]:
    """Open an archive into an empty folder that nobody else reads; the names in it. Raises `BackupError`."""
    try:
        data = unseal(key, sealed, _BOUND_TO)
    except SealError as error:
        raise BackupError(f"the copy cannot be opened: {error}") from None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
        return archive.getnames()


def _files(folder: Path) -> list[Path]:
    """Of a mounted Secret, whose own bookkeeping begins with dots."""
    return [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
