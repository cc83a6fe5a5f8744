"""Every route of the API, by resource."""

from gateway.operations import Operation
from gateway.routes import (
    applications,
    cases,
    check_ins,
    checkpoints,
    documents,
    drills,
    enforcement,
    households,
    imports,
    inspections,
    interviews,
    obligations,
    passes,
    policies,
    restrictions,
    spot_checks,
    venues,
)

OPERATIONS: tuple[Operation, ...] = (
    *check_ins.OPERATIONS,
    *households.OPERATIONS,
    *passes.OPERATIONS,
    *policies.OPERATIONS,
    *cases.OPERATIONS,
    *interviews.OPERATIONS,
    *restrictions.OPERATIONS,
    *drills.OPERATIONS,
    *venues.OPERATIONS,
    *applications.OPERATIONS,
    *imports.OPERATIONS,
    *inspections.OPERATIONS,
    *enforcement.OPERATIONS,
    *documents.OPERATIONS,
    *obligations.OPERATIONS,
    *spot_checks.OPERATIONS,
    *checkpoints.OPERATIONS,
)
