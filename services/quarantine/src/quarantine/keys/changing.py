"""Changes of the key list: the first keys, rotation, revocation. Each tells the verifiers in its own transaction."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from chassis.clock import local_day
from chassis.events import Event, publish
from chassis.pool import Connection
from daysets.trust import Use, to_messages
from lilitong.quarantine.v1.keys_pb2 import VerificationKeysChanged
from passes.vault import KeyVault

from quarantine.keys import store
from quarantine.keys.model import FIRST, LAST, SigningKey, published, retired_at, signing
from quarantine.keys.ring import USES, genuine, public_of

SUBJECT: Final = "lilitong.quarantine.key.v1.changed"
AGGREGATE: Final = "verification-keys"

Seal = Callable[[], bytes]


class UnknownKeyError(Exception):
    """There is no such key, or it is revoked already."""


async def ensure(conn: Connection, vault: KeyVault, origin: str, now: datetime, seal: Seal) -> bool:
    """Make the first key of each use that has none; whether any was made. `origin` is the log's name.

    A first key counts from the beginning of time, so that nothing depends on whose clock was right on the first day.
    """
    await store.lock(conn)
    known = {key.use for key in await store.every(conn)}
    missing = [use for use in USES if use not in known]
    if missing:
        await store.insert(conn, [_made(vault, use, 1, FIRST, origin) for use in missing])
        await _announce(conn, vault, now, seal)
    return bool(missing)


async def rotate(conn: Connection, vault: KeyVault, use: Use, now: datetime, seal: Seal) -> SigningKey:
    """A new key, which signs from now on; the former ones end when nothing that they signed can be shown any more."""
    await store.lock(conn)
    key = await _next(conn, vault, use, now)
    await _announce(conn, vault, now, seal)
    return key


async def revoke(conn: Connection, vault: KeyVault, kid: bytes, now: datetime, seal: Seal) -> None:
    """Nothing that this key signed is believed any more. If it was the one that signs, a new one does from now on.

    Raises `UnknownKeyError`.
    """
    await store.lock(conn)
    keys = await store.every(conn)
    revoked = next((key for key in keys if key.kid == kid and key.revoked_at is None), None)
    if revoked is None:
        raise UnknownKeyError
    if signing(keys, revoked.use, now) == revoked:
        await _next(conn, vault, revoked.use, now)
    await store.revoke(conn, kid, now)
    await _announce(conn, vault, now, seal)


async def _next(conn: Connection, vault: KeyVault, use: Use, now: datetime) -> SigningKey:
    former = [key for key in await store.every(conn) if key.use is use]
    newest = max(former, key=lambda key: key.version)
    key = _made(vault, use, newest.version + 1, now, newest.origin)
    await store.insert(conn, [key])
    await store.retire(conn, use, key.version, retired_at(use, now))
    return key


def _made(vault: KeyVault, use: Use, version: int, not_before: datetime, origin: str) -> SigningKey:
    kid, public_key = public_of(vault, use, version)
    return SigningKey(
        kid=kid,
        use=use,
        version=version,
        public_key=public_key,
        not_before=not_before,
        not_after=LAST,
        origin=origin if use is Use.LOG else "",
    )


async def _announce(conn: Connection, vault: KeyVault, now: datetime, seal: Seal) -> None:
    keys = published(genuine(vault, await store.every(conn)), now)
    message = VerificationKeysChanged(keys=to_messages(keys))
    event = Event.of(message, subject=SUBJECT, aggregate=AGGREGATE, day=local_day(now))
    await publish(conn, [event], seal=seal)
