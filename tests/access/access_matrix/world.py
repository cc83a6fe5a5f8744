"""The things that the calls are about: one of each, in one community."""

import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from devstack.demo.people import id_number
from devstack.demo.places import FENGSHAN, community

HOME = community(FENGSHAN, 0)
"""Where everything lies: 141102002001."""

_PEOPLE = itertools.count(secrets.randbelow(5_000_000))


def new_id() -> str:
    return str(uuid4())


def new_number() -> str:
    """An identification number that no other call gave."""
    person = next(_PEOPLE)
    return id_number(date(1890, 1, 2) + timedelta(days=person % 7000), person // 7000 % 1000)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """As devices are enrolled: SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """As passes are bound: the compressed point."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """Ids of things, each in the state in which its one call succeeds. Unless they are given, they exist nowhere.

    `resident_id` and what follows up to `task_id` are people of HOME or lead to them; the `…ing` cases, restrictions,
    zones, devices and measures are for the call that changes them. `shown`: a fresh presentation of the resident's phone,
    for the given venue code or, without one, for a person who scans.
    """

    household_id: str = field(default_factory=new_id)
    resident_id: str = field(default_factory=new_id)
    id_number: str = field(default_factory=new_number)
    suspect_id: str = field(default_factory=new_id)
    card_id: str = field(default_factory=new_id)
    case_id: str = field(default_factory=new_id)
    approving_case_id: str = field(default_factory=new_id)
    approving_result_id: str = field(default_factory=new_id)
    closing_case_id: str = field(default_factory=new_id)
    restriction_id: str = field(default_factory=new_id)
    restricted_id: str = field(default_factory=new_id)
    lifting_id: str = field(default_factory=new_id)
    lift_proposed_id: str = field(default_factory=new_id)
    evidence_id: str = field(default_factory=new_id)
    proposal_id: str = field(default_factory=new_id)
    task_id: str = field(default_factory=new_id)
    drill_id: str = "drill-of-nobody"
    policy_id: str = field(default_factory=new_id)
    venue_id: str = field(default_factory=new_id)
    operator: str = "operator-of-nothing"
    officer: str = "officer-of-nothing"
    export_id: str = field(default_factory=new_id)
    code_task_id: str = field(default_factory=new_id)
    zone: int = 1
    replacing_zone: int = 2
    revoking_zone: int = 3
    screen_zone: int = 4
    venue_code: str = "LLV1:NOTHING"
    visit_id: str = "0123456789abcdef"
    inspector: str = "inspector-of-nothing"
    inspection_id: str = field(default_factory=new_id)
    photo: bytes = b"\x89PNG\r\n\x1a\nnothing"
    stored_photo: bytes = b"\x89PNG\r\n\x1a\nnothing"
    ladder_policy_id: str = field(default_factory=new_id)
    rectifying_id: str = field(default_factory=new_id)
    suspending_id: str = field(default_factory=new_id)
    suspended_id: str = field(default_factory=new_id)
    suspension_id: str = field(default_factory=new_id)
    extension_id: str = field(default_factory=new_id)
    lift_ready_id: str = field(default_factory=new_id)
    lift_id: str = field(default_factory=new_id)
    appealing_id: str = field(default_factory=new_id)
    appeal_id: str = field(default_factory=new_id)
    growing_id: str = field(default_factory=new_id)
    closing_id: str = field(default_factory=new_id)
    approving_application_id: str = field(default_factory=new_id)
    returning_application_id: str = field(default_factory=new_id)
    import_id: str = field(default_factory=new_id)
    candidate_id: str = field(default_factory=new_id)
    letter_draft_id: str = field(default_factory=new_id)
    obligation_id: str = field(default_factory=new_id)
    team_id: str = field(default_factory=new_id)
    growing_team_id: str = field(default_factory=new_id)
    draw_id: str = field(default_factory=new_id)
    drawing_id: str = field(default_factory=new_id)
    ended_draw_id: str = field(default_factory=new_id)
    spot_inspection_id: str = field(default_factory=new_id)
    cold_store_id: str = field(default_factory=new_id)
    premises_id: str = field(default_factory=new_id)
    lot_id: str = field(default_factory=new_id)
    lot_sample_id: str = field(default_factory=new_id)
    releasing_lot_id: str = field(default_factory=new_id)
    released_lot_id: str = field(default_factory=new_id)
    recall_proposal_id: str = field(default_factory=new_id)
    recall_id: str = field(default_factory=new_id)
    post_id: str = field(default_factory=new_id)
    device_id: str = field(default_factory=new_id)
    device_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key, repr=False)
    revoking_device_id: str = field(default_factory=new_id)
    shown: Callable[[str], str] = lambda _code: "LLT1:NOTHING"

    def subject(self, role: str) -> str:
        """The account of that role that the world knows by name; "" where anybody will do."""
        return {"venue_operator": self.operator, "inspector": self.inspector, "venue_officer": self.officer}.get(
            role, ""
        )
