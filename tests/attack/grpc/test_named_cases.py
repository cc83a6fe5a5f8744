"""How many named cases there are, counted from the tables that the tests walk; a table cut short is noticed here."""

import access_table
import pytest
from attack_tools.bytes import BROKEN
from attack_tools.forger import FORGERIES, SCHEMES, STRANGERS
from attack_tools.showings import SHOWINGS

pytestmark = [pytest.mark.slow, pytest.mark.feature("S2"), pytest.mark.feature("R9")]
LEAST = 500


def test_there_are_at_least_five_hundred_named_credentials_that_nobody_accepts():
    """Cards, codes, devices, batches, day sets, requests' bytes and frames come on top."""
    tokens = len(access_table.SERVICES) * (len(FORGERIES) + len(STRANGERS) + len(SCHEMES))
    shown = 2 * len(SHOWINGS)
    print(f"{tokens} tokens, {shown} passes and presentations; {len(BROKEN)} kinds of broken bytes for each RPC")
    assert tokens + shown >= LEAST
