"""The system runs with an account for each service on the broker, and never asks for more than the account may."""

import pytest
from chassis.events import Login
from devstack import broker

pytestmark = [pytest.mark.feature("X11"), pytest.mark.feature("X2")]


async def test_no_right_was_refused_to_a_service_so_far(stack):
    if stack.bus is None:
        pytest.skip("the broker was given, with accounts of its own")
    for service in ("venue", "checkpoint", "quarantine"):
        log = stack.log(service).read_text()
        assert "bus_connected" in log
        assert "permissions violation" not in log.lower()
    assert set(stack.bus.passwords) == set(broker.ACCOUNTS)
    assert stack.account("venue") == Login("venue", stack.secret("nats-venue"))
