"""Versions of a key: the newest is used, several are believed, so that what a former one made is good while it is still about.

Which versions there are stands in Postgres, the keys themselves come from a `Source`. A process keeps what it read and is asked
from memory; `load` takes changes over. Rules and why: docs/decisions/0031-versions-of-keys.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from prometheus_client import Gauge

from chassis.pool import Connection

_log = structlog.get_logger("chassis.key_versions")
FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
TAKEN_OVER: Final = timedelta(minutes=2)
"""After so long every replica knows of a new version and has its file: a mounted Secret is copied to the pods within a minute."""
MADE: Final = Gauge(
    "lilitong_signing_key_made_timestamp_seconds", "When the newest key of this use was made, Unix time.", ["use"]
)

K = TypeVar("K")


class KeyVersionError(Exception):
    """A version cannot be used, made or retired; the text is a sentence for the operator, without its full stop."""


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of a version. mark: 8 bytes that follow from the key. public_key: of keys that others verify by."""

    version: int
    mark: bytes
    public_key: bytes | None
    begins_at: datetime
    made_at: datetime
    retired_at: datetime | None = None


class Source(Protocol[K]):
    """Where the versions of one key come from."""

    @property
    def name(self) -> str: ...

    def file(self, version: int) -> str:
        """What the operator calls it."""

    def find(self, version: int) -> K | None:
        """The key of this version; None where it is not. Makes nothing. Raises, with a sentence, for one that is damaged."""

    def make(self, version: int) -> K:
        """As `find`, and made where it is not, if that is allowed here."""

    def mark(self, key: K) -> bytes: ...

    def public(self, key: K) -> bytes | None: ...


class Versions(Generic[K]):
    """One key's versions in this process. Until `take` is called as at a first start: version 1, made if it is not there."""

    def __init__(self, source: Source[K]) -> None:
        self.source = source
        self._rows: Sequence[Version] = ()
        self._held: dict[int, K] = {}
        self._current: tuple[int, K] | None = None

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def current(self) -> tuple[int, K]:
        """The version that is used now, and its key. Raises `KeyVersionError`, and what `source.make` does."""
        self._begin()
        if self._current is None:
            raise KeyVersionError(f"no version of {self.name} can be used")
        return self._current

    @property
    def believed(self) -> Mapping[int, K]:
        """Every version that is believed, the newest first; another object after a change."""
        self._begin()
        return self._held

    def get(self, version: int) -> K:
        """The key of this version. Raises `KeyVersionError` when it is retired, unknown, or not where it should be."""
        key = self.believed.get(version)
        if key is None:
            raise KeyVersionError(f"{self.source.file(version)} is not believed, or not here")
        return key

    def _begin(self) -> None:
        if not self._rows and not self._held:
            key = self.source.make(1)
            self._held, self._current = {1: key}, (1, key)

    def take(self, rows: Sequence[Version], now: datetime) -> list[str]:
        """Take this list over. What of it cannot be used is answered, a sentence each; the rest goes on."""
        before = self._held if self._rows else {}  # else it is none of a list, and nobody compared its mark
        held, wrong = {}, []
        for row in sorted(rows, key=lambda row: row.version, reverse=True):
            if row.retired_at is not None:
                continue
            try:
                held[row.version] = before[row.version] if row.version in before else self._found(row)
            except Exception as error:  # noqa: BLE001 - a damaged file keeps no other version, nor another key, from being taken over
                wrong.append(str(error))
        begun = [row.version for row in rows if row.version in held and row.begins_at <= now]
        # Where this clock is behind that of whoever retired the former ones, for which the next must have begun.
        if not begun and all(row.begins_at > now for row in rows if row.retired_at is None):
            begun = sorted(held)[:1]
        self._rows, self._held = rows, held
        self._current = (max(begun), held[max(begun)]) if begun else None
        if newest := [row.made_at for row in rows if row.retired_at is None]:
            MADE.labels(self.name).set(max(newest).timestamp())
        return wrong

    def _found(self, row: Version) -> K:
        key = self.source.find(row.version)
        if key is not None and self.source.mark(key) == row.mark:
            return key
        how = "is missing, and is" if key is None else "is another key than the one"
        raise KeyVersionError(f"{self.source.file(row.version)} {how} in use since {row.made_at:%Y-%m-%d}")


async def lock(conn: Connection) -> None:
    """Replicas and commands that change the list do so one after another, until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.key_versions'))")


async def every(conn: Connection, name: str) -> list[Version]:
    """All versions that there ever were, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT version, mark, public_key, begins_at, made_at, retired_at
        FROM key_versions WHERE name = $1 ORDER BY version
        """,
        name,
    )
    return [Version(**row) for row in rows]


async def waiting(conn: Connection, name: str, now: datetime) -> Version | None:
    """The newest version, if it is not used yet: what is made anew before that would have to be made anew once more."""
    known = [one for one in await every(conn, name) if one.retired_at is None]
    return known[-1] if known and known[-1].begins_at > now else None


async def ensure(conn: Connection, keys: Sequence[Versions[Any]], now: datetime) -> None:
    """At the start: note the first version of each key that has none, and take the list over.

    Raises `KeyVersionError` when a version that is believed is missing, or is another key than it was.
    """
    await lock(conn)
    for key in keys:
        if not await every(conn, key.name):
            await _insert(conn, key, 1, key.source.make(1), FIRST)
        for sentence in key.take(await every(conn, key.name), now):
            raise KeyVersionError(f"{sentence}: put it back, for what it made cannot be read or believed without it")


async def load(conn: Connection, keys: Sequence[Versions[Any]], now: datetime) -> None:
    """Take the lists over as they stand; what cannot be used is logged at every turn."""
    for key in keys:
        for sentence in key.take(await every(conn, key.name), now):
            _log.error("key_version_unusable", key=key.name, why=sentence)


async def rotate(conn: Connection, key: Versions[K], now: datetime, *, begins_after: timedelta = TAKEN_OVER) -> Version:
    """A new version, used from `begins_after` on; the former ones stay believed until they are retired."""
    await lock(conn)
    known = await every(conn, key.name)
    if not known:
        raise KeyVersionError(f"{key.name} has no first version: start the service once")
    version = known[-1].version + 1
    await _insert(conn, key, version, key.source.make(version), now + begins_after)
    return (await every(conn, key.name))[-1]


async def retire(conn: Connection, key: Versions[Any], version: int, now: datetime) -> None:
    """Nothing of this version is believed any more. The caller sees in the same transaction that nothing needs it.

    Raises `KeyVersionError` for one that is unknown, retired already, or in use because no newer one has begun.
    """
    await lock(conn)
    known = {one.version: one for one in await every(conn, key.name) if one.retired_at is None}
    if version not in known:
        raise KeyVersionError(
            f"there is no version {version} of {key.name}, or it is retired already; `list` shows them"
        )
    if not any(one.version > version and one.begins_at <= now for one in known.values()):
        raise KeyVersionError(f"{key.name} {version} is in use: no newer version has begun")
    await conn.execute(
        "UPDATE key_versions SET retired_at = $3 WHERE name = $1 AND version = $2 AND retired_at IS NULL",
        key.name,
        version,
        now,
    )


async def hold(conn: Connection, name: str, versions: Sequence[int]) -> bool:
    """Whether none of these is retired; until the transaction ends, none will be."""
    rows = await conn.fetch(
        "SELECT retired_at FROM key_versions WHERE name = $1 AND version = ANY ($2::integer[]) FOR SHARE",
        name,
        list(versions),
    )
    return all(row["retired_at"] is None for row in rows)


def line(name: str, one: Version, now: datetime) -> str:
    """A version as the operator's `list` shows it."""
    if one.retired_at is not None:
        state = f"retired {one.retired_at:%Y-%m-%d %H:%M}Z"
    elif one.begins_at > now:
        state = f"from {one.begins_at:%Y-%m-%d %H:%M:%S}Z"
    else:
        state = "believed"
    return f"{one.mark.hex()}  {name:<10}  {one.version:>3}  {state}"


async def _insert(conn: Connection, key: Versions[K], version: int, made: K, begins_at: datetime) -> None:
    await conn.execute(
        "INSERT INTO key_versions (name, version, mark, public_key, begins_at) VALUES ($1, $2, $3, $4, $5)",
        key.name,
        version,
        key.source.mark(made),
        key.source.public(made),
        begins_at,
    )
