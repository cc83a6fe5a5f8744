"""What calls make under ids that the client chooses, and where that is stored."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Made:
    """`table` with its schema; `where`: which of its rows are of this kind; `column` holds what the request's `field` says."""

    table: str
    field: str
    column: str = ""
    where: str = "true"

    @property
    def key(self) -> tuple[str, str]:
        """What is compared as one set: rows of one kind, whichever call made them."""
        return self.table, self.where

    @property
    def select(self) -> str:
        """Every stored id of this kind."""
        return f"SELECT {self.column or self.field} FROM {self.table} WHERE {self.where}"


def _fact(kind: int, field: str) -> Made:
    return Made("venue.ladder_facts", field, "fact_id", f"kind = {kind}")


_VENUE, _INSPECTION = Made("venue.venues", "venue_id"), Made("venue.inspections", "inspection_id")
_HOUSEHOLD, _SUSPENSION = Made("quarantine.households", "household_id"), Made("venue.suspensions", "suspension_id")
MADE: Mapping[str, Made] = {
    "POST /v1/households": _HOUSEHOLD,
    "POST /v1/household-batches": _HOUSEHOLD,
    "POST /v1/paper-cards": Made("quarantine.paper_cards", "card_id"),
    "POST /v1/policies": Made("quarantine.policies", "policy_id"),
    "POST /v1/cases": Made("quarantine.cases", "case_id"),
    "POST /v1/lab-results": Made("quarantine.lab_results", "lab_result_id"),
    "POST /v1/restrictions": Made("quarantine.restriction_proposals", "restriction_id"),
    "POST /v1/drills": Made("quarantine.drills", "drill_id"),
    "POST /v1/posts": Made("checkpoint.posts", "post_id"),
    "POST /v1/devices": Made("checkpoint.devices", "device_id"),
    "POST /v1/venues": _VENUE,
    "POST /v1/venue-batches": _VENUE,
    "POST /v1/venue-applications/{application_id}/approvals": Made("venue.venues", "application_id", "venue_id"),
    "POST /v1/venue-applications": Made("venue.applications", "application_id"),
    "POST /v1/venue-imports": Made("venue.imports", "import_id"),
    "POST /v1/inspections": _INSPECTION,
    "POST /v1/inspection-batches": _INSPECTION,
    "POST /v1/ladder-policies": Made("venue.ladder_policies", "policy_id"),
    "POST /v1/measures/{measure_id}/rectifications": _fact(2, "rectification_id"),
    "POST /v1/measures/{measure_id}/suspensions": _SUSPENSION,
    "POST /v1/suspension-extensions/{extension_id}/approvals": _SUSPENSION,
    "POST /v1/measures/{measure_id}/suspension-extensions": _fact(4, "extension_id"),
    "POST /v1/measures/{measure_id}/lifts": _fact(5, "lift_id"),
    "POST /v1/measures/{measure_id}/appeals": _fact(7, "appeal_id"),
    "POST /v1/obligation-templates": Made("venue.obligation_templates", "template_id"),
    "POST /v1/importing-premises": Made("venue.importing_premises", "venue_id"),
    "POST /v1/lots": Made("venue.lots", "lot_id"),
    "POST /v1/lots/{lot_id}/samples": Made("venue.lot_samples", "sample_id"),
    "POST /v1/lots/{lot_id}/disinfections": Made("venue.lot_disinfections", "disinfection_id"),
    "POST /v1/lots/{lot_id}/release": Made("venue.lot_releases", "release_id"),
    "POST /v1/lots/{lot_id}/distributions": Made("venue.lot_distributions", "distribution_id"),
    "POST /v1/supervision-teams": Made("venue.supervision_teams", "team_id"),
    "POST /v1/supervision-teams/{team_id}/inspectors": Made("venue.spot_check_inspectors", "inspector_id"),
    "POST /v1/spot-checks": Made("venue.spot_checks", "draw_id"),
    "POST /v1/exports": Made("venue.exports", "export_id"),
}
# What else calls make under ids of the client's. It is not compared: a laboratory's result proposes a recall too, and a decision is
# one only with the voice of a second person.
_ALSO = {
    "POST /v1/households": {"resident_id"},
    "POST /v1/household-batches": {"resident_id"},
    "POST /v1/lots/{lot_id}/recall-proposals": {"proposal_id"},
    "POST /v1/recall-proposals/{proposal_id}/decisions": {"decision_id"},
}
# Made of something that is there already, so not under a fresh id.
_CHOSEN = {"POST /v1/importing-premises", "POST /v1/venue-applications/{application_id}/approvals"}


def fresh(about: str) -> frozenset[str]:
    """The fields of a call that are to hold an id that nothing has yet."""
    made = MADE.get(about)
    own = {made.field} if made is not None and about not in _CHOSEN else set()
    return frozenset(own | _ALSO.get(about, set()))
