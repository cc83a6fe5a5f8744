"""Every endpoint has a rule, a reason where it has no area, and a sample; found from the contracts, without a socket."""

from dataclasses import replace

import access_table
import pytest
from access_matrix.samples import SAMPLES, request_for
from access_matrix.world import World
from chassis.access import NOWHERE, allow
from chassis.rpc.validation import validate
from gateway.api import Opened, build_api, rules
from gateway.hot import CheckIns
from gateway.records import Records
from gateway.verification import Verifications
from lilitong.venue.v1 import venue_pb2
from venue.register.rpc import VenueServicer

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


def test_the_gateways_application_has_the_routes_of_the_table_with_their_rules(catalog):
    hot = object.__new__(CheckIns)  # routes are looked at, not called
    found = rules(build_api(None, None, hot, Opened(object.__new__(Verifications), object.__new__(Records))))
    routes = {f"{one.operation.verb} {one.operation.path}": one for one in catalog.endpoints.values() if one.operation}
    open_to_all = {name for name in access_table.OPEN if " " in name}
    assert {name for name, rule in found.items() if rule.anonymous} == open_to_all
    assert found.keys() == routes.keys() | open_to_all
    for name, endpoint in routes.items():
        assert (found[name].roles, found[name].area, found[name].purpose) == (
            endpoint.rule.roles,
            endpoint.rule.area,
            endpoint.rule.purpose,
        )


class TestWhatIsForgottenIsNamed:
    """The build fails with a sentence about the endpoint at fault."""

    PATH = "/lilitong.venue.v1.VenueService/GetVenue"

    def test_a_method_without_a_rule(self, monkeypatch):
        async def open_door(self, request, context): ...

        monkeypatch.setattr(VenueServicer, "GetVenue", open_door)
        faults = access_table.collect().faults
        assert f"{self.PATH} has no access rule: put @allow(…) on it." in faults
        assert f"GET /v1/venues/{{venue_id}} leads to {self.PATH}, which has no rule." in faults

    def test_a_method_that_nothing_implements(self, monkeypatch):
        monkeypatch.delattr(VenueServicer, "GetVenue")
        assert f"{self.PATH} is in the contract but nothing implements it." in access_table.collect().faults

    def test_a_rule_without_area_that_does_not_say_why(self, monkeypatch):
        @allow(roles={"venue_oficer"}, workloads={"venu"}, area=NOWHERE)
        async def anywhere(self, request, context): ...

        monkeypatch.setattr(VenueServicer, "GetVenue", anywhere)
        assert access_table.collect().faults == (
            f"{self.PATH} admits the role venue_oficer, which nobody has.",
            f"{self.PATH} admits the service venu, which does not exist.",
            f"{self.PATH} has no area and NO_AREA does not say why.",
            f"GET /v1/venues/{{venue_id}} has another rule than {self.PATH}.",
        )

    def test_a_reason_that_has_outlived_its_rule(self, monkeypatch):
        monkeypatch.setattr(access_table, "NO_AREA", {**access_table.NO_AREA, self.PATH: "why not"})
        assert access_table.collect().faults == (
            f"NO_AREA gives a reason for {self.PATH}, which has an area or is gone.",
        )

    def test_a_route_that_admits_more_than_the_service_behind_it(self, monkeypatch):
        first, *others = access_table.OPERATIONS
        wider = replace(first, rule=replace(first.rule, roles=first.rule.roles | {"auditor"}, devices=True))
        monkeypatch.setattr(access_table, "OPERATIONS", (wider, *others))
        name = f"{first.verb} {first.path}"
        assert access_table.collect().faults == (
            f"{name} admits others than people.",
            f"{name} has another rule than {first.rpc.path}.",
        )

    def test_a_second_route_of_one_method(self, monkeypatch):
        monkeypatch.setattr(access_table, "OPERATIONS", (*access_table.OPERATIONS, access_table.OPERATIONS[0]))
        path = access_table.OPERATIONS[0].rpc.path
        assert access_table.collect().faults == (f"{path} has two routes; tests/access walks one route of each.",)

    def test_a_request_type_without_a_sample(self, monkeypatch):
        monkeypatch.delitem(SAMPLES, venue_pb2.GetVenueRequest)
        with pytest.raises(AssertionError, match=r"lilitong\.venue\.v1\.GetVenueRequest has no sample"):
            request_for(venue_pb2.GetVenueRequest, World())
