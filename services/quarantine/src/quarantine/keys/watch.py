"""What is exported about keys: how many days have one, and since when each use's newest key signs."""

from contextlib import suppress
from datetime import date, timedelta
from typing import Final

import asyncpg
from chassis.key_versions import MADE
from passes.errors import KeyMissingError
from passes.vault import DAYS_AHEAD, KeyVault
from prometheus_client import Gauge

from quarantine.keys import store

DAY_KEYS: Final = Gauge(
    "lilitong_day_keys_ahead", "Days after today, without a gap, whose day key exists; 8 when all is well."
)


def day_keys(vault: KeyVault, today: date) -> None:
    """Looks how far the day keys reach. May block on the disk."""
    ahead = 0
    with suppress(KeyMissingError):
        while ahead < DAYS_AHEAD:
            vault.day_key(today + timedelta(days=ahead + 1))
            ahead += 1
    DAY_KEYS.set(ahead)


async def signing_keys(pool: asyncpg.Pool) -> None:
    """Looks how old the signing keys are."""
    async with pool.acquire() as conn:
        for use, made_at in (await store.newest(conn)).items():
            MADE.labels(use.value).set(made_at.timestamp())
