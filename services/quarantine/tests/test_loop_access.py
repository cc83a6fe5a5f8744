"""Who may call what, held against the list agreed; a rule that changes has to be changed here as well."""

import pytest
from chassis.access import NOWHERE, RESOURCE, rules_of
from quarantine.cases.contact_rpc import ContactRpc
from quarantine.cases.rpc import CaseRpc
from quarantine.daysets.rpc import DaySetRpc
from quarantine.drills.rpc import DrillRpc
from quarantine.policy.rpc import PolicyRpc
from quarantine.restrictions.rpc import RestrictionRpc

READERS = "approver auditor command policy_editor tracer"
EXPECTED = {
    "DraftPolicy": ("policy_editor", NOWHERE, False),
    "ApprovePolicy": ("approver", NOWHERE, False),
    "GetPolicy": (READERS, NOWHERE, False),
    "GetActivePolicy": (READERS, NOWHERE, False),
    "OpenCase": ("tracer", RESOURCE, False),
    "RecordLabResult": ("laboratory", RESOURCE, False),
    "ApproveCase": ("approver", RESOURCE, False),
    "GetCaseImpact": ("approver command", RESOURCE, False),
    "GetCase": ("approver command tracer", RESOURCE, False),
    "ListCases": ("approver command tracer", "area", False),
    "CloseCase": ("approver", RESOURCE, False),
    "ListContacts": ("tracer", RESOURCE, True),
    "ListInterviewTasks": ("tracer", "area", False),
    "CompleteInterviewTask": ("tracer", RESOURCE, False),
    "ProposeRestriction": ("tracer", RESOURCE, False),
    "ApproveRestriction": ("approver", RESOURCE, False),
    "ProposeLift": ("approver tracer", RESOURCE, False),
    "ApproveLift": ("approver", RESOURCE, False),
    "GetRestriction": ("approver tracer", RESOURCE, True),
    "ExplainRestriction": ("app_backend checkpoint_lead grid_worker", RESOURCE, False),
    "StartDrill": ("command", "area", False),
    "EndDrill": ("command", RESOURCE, False),
}


@pytest.mark.feature("X2")
def test_every_method_has_exactly_the_rule_agreed() -> None:
    found = {
        name: (" ".join(sorted(rule.roles)), rule.area, rule.purpose)
        for servicer in (PolicyRpc, CaseRpc, ContactRpc, RestrictionRpc, DrillRpc)
        for name, rule in rules_of(servicer).items()
    }
    assert found == EXPECTED


@pytest.mark.feature("X2")
def test_the_lists_go_to_the_two_services_that_verify_and_to_no_person() -> None:
    rules = rules_of(DaySetRpc)
    assert {name: (rule.workloads, rule.roles) for name, rule in rules.items()} == {
        "ListDaySetSegments": (frozenset({"venue", "checkpoint"}), frozenset())
    }
