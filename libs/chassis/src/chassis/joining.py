"""A service's place on the bus, as its settings say."""

from typing import Any

import asyncpg

from chassis import events, pool
from chassis.events import Bus
from chassis.run import Service
from chassis.settings import BrokerSettings, ServiceSettings, SettingsError

_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidPasswordError,
)


async def store_of(settings: ServiceSettings, **options: Any) -> asyncpg.Pool:
    """A pool of connections to the service's store; `options` as for `chassis.pool.create`.

    Raises `SettingsError` when the server refuses us; OSError while it cannot be reached.
    """
    try:
        return await pool.create(settings.store_url, **options)
    except _REFUSED as error:
        raise SettingsError(f"{settings.variable('database_url')} is refused by Postgres: {error}.") from None


def bus_of(service: Service, settings: ServiceSettings) -> Bus:
    """The connection to the broker, closed with the service; it may come later."""
    bus = events.connect(settings.nats_url, service.name, login=login_of(settings), authority=settings.nats_authority)
    service.closer("bus", bus.close)
    return bus


def login_of(settings: BrokerSettings) -> events.Login | None:
    """The account on the broker that the settings name."""
    return events.Login(settings.nats_user, settings.nats_password) if settings.nats_user else None
