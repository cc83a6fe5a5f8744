"""A service's place on the bus, as its settings say."""

from typing import Any, Final

import asyncpg

from chassis import events, pool
from chassis.events import Bus
from chassis.run import Service
from chassis.settings import BrokerSettings, ServiceSettings, SettingsError
from chassis.waiting import patiently

START_SECONDS: Final = 60.0
"""How long a start waits for Postgres, within what the chart's startup probe allows."""

_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidPasswordError,
)


async def store_of(settings: ServiceSettings, *, wait: float = START_SECONDS, **options: Any) -> asyncpg.Pool:
    """A pool of connections to the service's store; `options` as for `chassis.pool.create`.

    A server that starts beside us is waited for. Raises `SettingsError` when it refuses us, `NotInTimeError` when it cannot be
    reached within `wait` seconds.
    """

    async def once() -> asyncpg.Pool:
        try:
            return await pool.create(settings.store_url, **options)
        except _REFUSED as error:
            raise SettingsError(f"{settings.variable('database_url')} is refused by Postgres: {error}.") from None
        except ValueError as error:  # an option in its query that there is not
            raise SettingsError(f"{settings.variable('database_url')} is wrong: {error}.") from None

    return await patiently("Postgres", once, wait)


def bus_of(service: Service, settings: ServiceSettings) -> Bus:
    """The connection to the broker, closed with the service; it may come later."""
    bus = events.connect(settings.nats_url, service.name, login=login_of(settings), authority=settings.nats_authority)
    service.closer("bus", bus.close)
    return bus


def login_of(settings: BrokerSettings) -> events.Login | None:
    """The account on the broker that the settings name."""
    return events.Login(settings.nats_user, settings.nats_password) if settings.nats_user else None
