"""The key vault: day keys that are really destroyed, and named secrets and signing keys that are created once.

Day keys are never in Postgres, so that neither a dump nor a backup of the database can turn tags into people after
the day has left the window. `KeyVault` is what services ask for; `DirectoryVault` is the one of devstack and of a
mounted volume.
"""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from passes import keyfiles
from passes.errors import KeyDestroyedError, KeyMissingError, VaultError
from passes.tags import KEY_BYTES

DAYS_AHEAD: Final = 8
DAYS_KEPT: Final = 14
MAX_CACHE_SECONDS: Final = 60.0
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class KeyVault(Protocol):
    """What a service may ask of a vault.

    Calls may block on a disk or a network; day keys are answered from memory for up to 60 s.
    """

    def day_key(self, day: date) -> bytes:
        """The day's 16-byte key; KeyDestroyedError, or KeyMissingError when it was never made."""

    def ensure_days(self, first: date, last: date) -> int:
        """Make the keys missing in first..last, both included; how many were made.

        KeyDestroyedError if any of them is destroyed.
        """

    def destroy_before(self, day: date) -> int:
        """Destroy all keys of days before `day` for good, and refuse these days for ever; how many were there.

        Idempotent.
        """

    def secret(self, name: str, size: int = 32) -> bytes:
        """The random secret of that name and size in bytes, made at its first use."""

    def signing_key(self, name: str) -> EllipticCurvePrivateKey:
        """The P-256 key of that name, made at its first use."""

    def ed25519_key(self, name: str) -> Ed25519PrivateKey:
        """The Ed25519 key of that name, made at its first use."""

    def has(self, file: str) -> bool:
        """Whether `<name>.bin` or `<name>.pem` is there, provided or made before. Makes nothing."""


@dataclass(frozen=True, slots=True)
class KeyWindow:
    """The local days whose keys may exist, both ends included."""

    first: date
    last: date


def window(today: date) -> KeyWindow:
    """Product rule X5: keys exist eight days ahead, and for 14 full days plus the current one."""
    return KeyWindow(today - timedelta(days=DAYS_KEPT), today + timedelta(days=DAYS_AHEAD))


def roll(vault: KeyVault, today: date) -> KeyWindow:
    """Bring the vault to the window of `today`: destroy first, so that a full disk cannot delay destruction.

    Idempotent.
    """
    days = window(today)
    vault.destroy_before(days.first)
    vault.ensure_days(days.first, days.last)
    return days


class DirectoryVault:
    """A vault in a directory, safe for several processes, and for several machines on a file system that can lock and link.

    Layout: days/<date>.key, days/destroyed-before, secrets/<name>.bin, keys/<name>.pem. `provided` is a folder that is only
    read, such as a mounted secret, with files <name>.bin and <name>.pem: what is there is used, and is not made. A vault
    whose every key is provided needs no folder to write to. Raises `VaultError` when `path` can be written but not locked.
    """

    def __init__(
        self,
        path: Path,
        *,
        provided: Path | None = None,
        cache_seconds: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= cache_seconds <= MAX_CACHE_SECONDS:
            raise ValueError("destruction must take effect in running processes within 60 s")
        self._days, self._secrets, self._keys = path / "days", path / "secrets", path / "keys"
        self._provided = provided
        self._unwritable = ""
        try:
            for folder in (path, self._days, self._secrets, self._keys):
                keyfiles.make_folder(folder)
            keyfiles.try_out(path)
        except OSError as error:
            # Enough if everything is provided; the first key that is not will be missed by name.
            if provided is None:
                raise VaultError(f"the vault's folder {path} cannot be written: {error.strerror}") from None
            self._unwritable = str(error.strerror)
        self._cache_seconds = cache_seconds
        self._monotonic = monotonic
        self._cache: dict[date, tuple[bytes, float]] = {}

    def day_key(self, day: date) -> bytes:
        now = self._monotonic()
        if (held := self._cache.get(day)) and now < held[1]:
            return held[0]
        self._cache.pop(day, None)
        try:
            key: bytes | None = self._day_file(day).read_bytes()
        except FileNotFoundError:
            key = None
        # After the read, because destruction moves the limit before it overwrites: bytes read too late are never used.
        if day < self._limit():
            raise KeyDestroyedError("the key of this day is destroyed")
        if key is None:
            raise KeyMissingError("no key was made for this day")
        if len(key) != KEY_BYTES:
            raise VaultError("a day key in the vault is damaged")
        self._cache[day] = (key, now + self._cache_seconds)
        return key

    def ensure_days(self, first: date, last: date) -> int:
        with keyfiles.exclusive(self._days):
            keyfiles.remove_unfinished(self._days)
            if first < self._limit():
                raise KeyDestroyedError("a destroyed day gets no second key")
            span = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
            return sum(keyfiles.create_once(self._day_file(day), secrets.token_bytes(KEY_BYTES)) for day in span)

    def destroy_before(self, day: date) -> int:
        with keyfiles.exclusive(self._days):
            keyfiles.remove_unfinished(self._days)
            limit = max(day, self._limit())
            if limit != self._limit():
                keyfiles.replace(self._days / "destroyed-before", limit.isoformat().encode())
            doomed = [path for path in self._days.glob("*.key") if date.fromisoformat(path.stem) < limit]
            for path in doomed:
                keyfiles.destroy(path)
        # list() first: other threads read and fill this cache meanwhile.
        for held in [held for held in list(self._cache) if held < limit]:
            self._cache.pop(held, None)
        return len(doomed)

    def secret(self, name: str, size: int = 32) -> bytes:
        value = self._named(self._secrets, name, "bin", lambda: secrets.token_bytes(size))
        if len(value) != size:
            raise VaultError(f"{name}.bin exists with another size than {size} bytes")
        return value

    def signing_key(self, name: str) -> EllipticCurvePrivateKey:
        key = _loaded(name, self._named(self._keys, name, "pem", lambda: _pem(generate_private_key(SECP256R1()))))
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise VaultError(f"{name}.pem exists with another type of key")
        return key

    def ed25519_key(self, name: str) -> Ed25519PrivateKey:
        key = _loaded(name, self._named(self._keys, name, "pem", lambda: _pem(Ed25519PrivateKey.generate())))
        if not isinstance(key, Ed25519PrivateKey):
            raise VaultError(f"{name}.pem exists with another type of key")
        return key

    def has(self, file: str) -> bool:
        if self._provided is not None and (self._provided / file).exists():
            return True
        try:
            return ((self._secrets if file.endswith(".bin") else self._keys) / file).exists()
        except PermissionError:  # of a folder that is not ours to enter, as where every key is provided
            return False

    def _named(self, folder: Path, name: str, suffix: str, make: Callable[[], bytes]) -> bytes:
        if not _NAME.fullmatch(name):
            raise ValueError("a name is lower case letters, digits and hyphens")
        file = f"{name}.{suffix}"
        if self._provided is not None and (given := self._provided / file).exists():
            return _content(given)
        path = folder / file
        if not path.exists():
            try:
                with keyfiles.exclusive(folder):
                    keyfiles.remove_unfinished(folder)
                    keyfiles.create_once(path, make())
            except OSError as error:
                why = self._unwritable or error.strerror
                raise VaultError(f"{file} is neither provided nor can it be made: {why}") from None
        return _content(path)

    def _day_file(self, day: date) -> Path:
        return self._days / f"{day.isoformat()}.key"

    def _limit(self) -> date:
        """First day that is not destroyed."""
        try:
            return date.fromisoformat((self._days / "destroyed-before").read_text())
        except FileNotFoundError:
            return date.min


def _content(path: Path) -> bytes:
    """Of a named key. A mounted file may belong to somebody else, or be a folder where its source was not there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise VaultError(f"{path.name} cannot be read: {error.strerror}") from None


def _loaded(name: str, pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise VaultError(f"{name}.pem is no private key in PEM without a password") from None


def _pem(key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
