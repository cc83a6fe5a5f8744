"""Values that make a generated request a sensible one, and values that spoil a sensible one."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from access_matrix.world import new_key, new_number, point, public_key
from devstack.api import encode
from devstack.demo.places import FENGSHAN, community
from devstack.district import RULES
from passes.days import day_number, local_day

from rest_attack.things import Things

HOME = community(FENGSHAN, 0)
AREAS = (HOME, HOME, HOME, community(FENGSHAN, 1), f"{HOME}001", "141102002", "141102")
# The thing that a call makes: its id is the client's.
_MADE = {
    "POST /v1/households": {"household_id", "resident_id"},
    "POST /v1/household-batches": {"household_id", "resident_id"},
    "POST /v1/paper-cards": {"card_id"},
    "POST /v1/policies": {"policy_id"},
    "POST /v1/cases": {"case_id"},
    "POST /v1/lab-results": {"lab_result_id"},
    "POST /v1/restrictions": {"restriction_id"},
    "POST /v1/drills": {"drill_id"},
    "POST /v1/venues": {"venue_id"},
    "POST /v1/venue-batches": {"venue_id"},
    "POST /v1/posts": {"post_id"},
    "POST /v1/devices": {"device_id"},
}
_BACK = {"specimen_at": 3600, "given_at": 7200, "scanned_at": 40, "left_at": 5, "effective_from": -7200}
_CHANNELS = {"app_backend": "self", "registrar": "import"}
_PHONE_DAYS = 8

NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63, 1.5, 1e308, "", " ", "0", "\x00", "\u202e",
    "\ufeff", "a" * 300, "离" * 5000, "😀" * 40, "'; DROP TABLE visits; --", "${jndi:ldap://x/y}", "{{7*7}}", "%s%n%x",
    "<script>alert(1)</script>", "../../etc/passwd", "=cmd|' /C calc'!A0", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-14:00", "2022-02-30T00:00:00Z",
    "1969-12-31T23:59:59Z", "2022-03-10T23:59:60Z", [], {}, [[]], [None], {"": ""},
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "AAAA", "_" * 44,
)  # fmt: skip


def fresh_uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


class Values:
    """Sensible values by field name. `random` decides everything that need not be secret or fresh."""

    def __init__(self, things: Things, random: Random) -> None:
        self._things, self._random = things, random
        self._makers: dict[str, Callable[[], Any]] = {
            "area": lambda: random.choice(AREAS),
            "id_number": lambda: things.pick("id_number", random) if random.random() < 0.2 else new_number(),
            "day": lambda: day_number(local_day(datetime.now(UTC))) + random.choice((0, 0, 0, 1, 2, 7, 8, -1)),
            "phone_key": lambda: encode(point(new_key())),
            "public_key": lambda: encode(public_key(new_key())),
            "evidence_sha256": lambda: encode(secrets.token_bytes(32)),
            "rules": lambda: dict(RULES),
            "operators": lambda: [random.choice(things.operators)],
            "request_id": lambda: fresh_uuid(random),
            "idempotency_key": lambda: fresh_uuid(random),
            "companion_ids": lambda: list(random.choice(things.phones).companions[:2]),
            "page_token": lambda: things.pick("page_token", random) if random.random() < 0.4 else "",
            "late": lambda: random.random() < 0.2,
            "page_size": lambda: random.choice((1, 2, 50, 500)),
        }

    def of(self, name: str, about: str, role: str) -> Any:
        """A sensible value for a field, None when nothing better than the generated one is known."""
        random = self._random
        if name in _MADE.get(about, ()) and random.random() < 0.8:
            return f"drill-{random.getrandbits(48):x}" if name == "drill_id" else fresh_uuid(random)
        if name == "drill_id" and "/drills" not in about:
            return "" if random.random() < 0.9 else self._things.pick(name, random)
        if name in _BACK:
            away = timedelta(seconds=_BACK[name] + random.randint(-60, 60))
            return (datetime.now(UTC) - away).isoformat()
        if name == "channel":
            return _CHANNELS.get(role, "proxy")
        if name == "scanned_by_staff":
            return role == "venue_operator"
        make = self._makers.get(name)
        return make() if make is not None else self._things.pick(name, random)

    def presented(self, item: dict[str, Any]) -> None:
        """A check-in's venue code and a credential that is shown for it."""
        random = self._random
        code = self._things.pick("venue_code", random) or ""
        item["venue_code"] = code
        if random.random() < 0.1:
            item["credential"] = self._things.pick("card", random) or item["credential"]
        else:
            item["credential"] = self._things.shown("" if item.get("scanned_by_staff") else code, random)
