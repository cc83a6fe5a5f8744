"""Every endpoint has a rule, a reason where it has no area, and a sample; found from the contracts, without a socket."""

import access_table
import pytest
from access_matrix.samples import SAMPLES, request_for
from access_matrix.world import World
from chassis.rpc.validation import validate

pytestmark = pytest.mark.feature("X2")


def test_every_rpc_and_route_has_a_rule(catalog):
    assert not catalog.faults
    assert len(catalog.endpoints) > 40


def test_every_request_type_has_a_sample_and_none_is_left_over(catalog):
    wanted = {one.request for one in catalog.endpoints.values()}
    missing = [f"{kind.DESCRIPTOR.full_name} has no sample" for kind in wanted - SAMPLES.keys()]
    left = [f"{kind.DESCRIPTOR.full_name} has a sample but no RPC takes it" for kind in SAMPLES.keys() - wanted]
    assert not missing + left


def test_every_sample_is_valid_by_its_contract_for_every_role_that_may_send_it(catalog):
    world = World()
    for endpoint in catalog.endpoints.values():
        for role in endpoint.rule.roles or {""}:
            validate(request_for(endpoint.request, world, role))


def test_the_table_in_the_docs_is_current(catalog):
    assert access_table.PAGE.read_text(encoding="utf-8") == access_table.render(catalog)
