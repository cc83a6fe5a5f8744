"""When a signing key signs, and how long what it signed is believed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from chassis.clock import day_start, local_day
from daysets.trust import Key, Use

FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
PASS_DAYS: Final = 7
"""Passes are made for today and this many days after."""
_LATE: Final = timedelta(hours=72)
"""How late what was signed by, or sealed to, a key may still arrive (architecture: late items are taken up to 72 h)."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The public side of one key. kid: 8 bytes. public_key: SubjectPublicKeyInfo, DER. origin: the log's name, for log keys."""

    kid: bytes
    use: Use
    version: int
    public_key: bytes
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None = None
    origin: str = ""

    def publish(self) -> Key:
        """As verifiers are told of it."""
        return Key(
            kid=self.kid,
            use=self.use,
            public_key=self.public_key,
            not_before=self.not_before,
            not_after=self.not_after,
            revoked=self.revoked_at is not None,
            origin=self.origin,
        )


def vault_name(use: Use, version: int) -> str:
    """Under what name the vault keeps the private key."""
    return f"{use.value.replace('_', '-')}-{version}"


def retired_at(use: Use, now: datetime) -> datetime:
    """Until when a key is believed that is replaced now: as long as something it signed may still be shown or uploaded."""
    if use in (Use.PASS, Use.DRILL_PASS):
        return day_start(local_day(now) + timedelta(days=PASS_DAYS + 1)) + _LATE
    # Day sets reach two days ahead; personal details may have been sealed offline.
    return day_start(local_day(now) + timedelta(days=3)) + _LATE


def signing(keys: Iterable[SigningKey], use: Use, at: datetime) -> SigningKey | None:
    """The key that signs at that time: the newest of those that had begun by then and are not revoked."""
    begun = [key for key in keys if key.use is use and key.revoked_at is None and key.not_before <= at]
    return max(begun, key=lambda key: key.version, default=None)


def published(keys: Iterable[SigningKey], now: datetime) -> list[Key]:
    """What verifiers are told: every key that has not expired, revoked ones marked; in one order."""
    known = [key.publish() for key in keys if key.not_after > now]
    return sorted(known, key=lambda key: (key.use, key.not_before, key.kid))
