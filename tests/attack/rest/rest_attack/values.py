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

from rest_attack import made
from rest_attack.things import Things

HOME = community(FENGSHAN, 0)
AREAS = (HOME, HOME, HOME, community(FENGSHAN, 1), f"{HOME}001", "141102002", "141102")
_BACK = {
    "specimen_at": 3600, "given_at": 7200, "scanned_at": 40, "left_at": 5, "effective_from": -7200, "inspected_at": 600,
    "served_at": 600, "begun_at": 300, "arrived_at": 3600, "taken_at": 1800, "tested_at": 600, "performed_at": 900,
    "distributed_at": 300, "ends_at": -86400,
}  # fmt: skip
# Fields that name things of another name's pool.
_SAME_AS = {
    "subject_id": "venue_id", "kept_venue_id": "venue_id", "from_venue_id": "premises_id", "to_venue_id": "venue_id",
    "reinspects": "measure_id",
}  # fmt: skip
_OFTEN_EMPTY = {"drill_id": 0.9, "reinspects": 0.8, "to_venue_id": 0.8}
# Names that mean something else elsewhere.
_ONLY = {"rules": "POST /v1/policies"}
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
            "obligation_ids": lambda: [things.pick("obligation_id", random) or fresh_uuid(random)],
            "team_ids": lambda: [things.pick("team_id", random) or fresh_uuid(random)],
            "home_community": lambda: random.choice(AREAS[-2:]),
            "photo_sha256": lambda: encode(secrets.token_bytes(32)),
            "proof_sha256": lambda: encode(secrets.token_bytes(32)),
            "contribution": lambda: encode(secrets.token_bytes(32)),
            "page_size": lambda: random.choice((1, 2, 50, 500)),
        }

    def of(self, name: str, about: str, role: str) -> Any:
        """A sensible value for a field, None when nothing better than the generated one is known."""
        random = self._random
        if name in made.fresh(about) and random.random() < 0.8:
            return f"drill-{random.getrandbits(48):x}" if name == "drill_id" else fresh_uuid(random)
        if _ONLY.get(name, about) != about:
            return None
        if "/drills" not in about and random.random() < _OFTEN_EMPTY.get(name, 0.0):
            return ""
        if name in _BACK:
            away = timedelta(seconds=_BACK[name] + random.randint(-60, 60))
            return (datetime.now(UTC) - away).isoformat()
        by_role = {"channel": _CHANNELS.get(role, "proxy"), "scanned_by_staff": role == "venue_operator"}
        if name in by_role:
            return by_role[name]
        make = self._makers.get(name)
        return make() if make is not None else self._things.pick(_SAME_AS.get(name, name), random)

    def table(self) -> bytes:
        """A file of venues, some of them already there, some rows unfit."""
        random = self._random
        rows = [
            f"店{random.randrange(300)},{random.choice(('餐饮', '超市', '无此类'))},{random.choice(AREAS)},演示街{random.randrange(9)}号"
            for _ in range(random.randrange(4))
        ]
        return "\n".join(["名称,类别,区划代码,地址", *rows]).encode(random.choice(("utf-8", "gb18030")))

    def presented(self, item: dict[str, Any]) -> None:
        """A check-in's venue code and a credential that is shown for it."""
        random = self._random
        code = self._things.pick("venue_code", random) or ""
        item["venue_code"] = code
        if random.random() < 0.1:
            item["credential"] = self._things.pick("card", random) or item["credential"]
        else:
            item["credential"] = self._things.shown("" if item.get("scanned_by_staff") else code, random)
