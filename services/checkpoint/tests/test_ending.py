"""What the service gives its parts for their end."""

import pytest
from chassis import pool as pools

pytestmark = [pytest.mark.connected, pytest.mark.feature("X11")]


async def test_a_pool_has_the_time_in_which_a_stuck_connection_is_cut_off(own_world):
    [(service, *_)] = own_world.services
    limits = {closer.name: closer.limit for closer in service._closers if "pool" in closer.name}
    assert limits.keys() == {"pool", "scans_pool"}
    assert min(limits.values()) > pools.CLOSE_SECONDS
