"""A service's place on the bus, as its settings say."""

from chassis import events
from chassis.events import Bus
from chassis.run import Service
from chassis.settings import BrokerSettings, ServiceSettings


def bus_of(service: Service, settings: ServiceSettings) -> Bus:
    """The connection to the broker, closed with the service; it may come later."""
    bus = events.connect(settings.nats_url, service.name, login=login_of(settings), authority=settings.nats_authority)
    service.closer("bus", bus.close)
    return bus


def login_of(settings: BrokerSettings) -> events.Login | None:
    """The account on the broker that the settings name."""
    return events.Login(settings.nats_user, settings.nats_password) if settings.nats_user else None
