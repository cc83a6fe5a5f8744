"""Small casts for tests and the story: people with phones, venues with codes, posts with scanners."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devstack.api import Json, encode
from devstack.demo.people import id_number
from devstack.demo.places import DISTRICT, FENGSHAN, community
from devstack.district import District, days_around
from devstack.phone import Phone

# Births before 1940 keep these people's numbers apart from the demo district's.
_PEOPLE = itertools.count(random.SystemRandom().randrange(10_000_000))
OLDEST, SPAN = date(1911, 1, 1), 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """A registered venue of one zone."""

    venue_id: str
    zone: int
    code: str
    operator: str
    name: str


@dataclass(frozen=True, slots=True)
class Gate:
    """A post with one enrolled scanner's identity."""

    post_id: str
    device_id: str
    key: ec.EllipticCurvePrivateKey


def resident(*, phone: bool = True) -> Json:
    """A synthetic person whose identification number no other call gave."""
    number = next(_PEOPLE) % (SPAN * 1000)
    return {
        "resident_id": str(uuid4()),
        "name": "演示居民",
        "id_number": id_number(OLDEST + timedelta(days=number % SPAN), number // SPAN),
        "phone": f"+8610{number:09d}" if phone else "",
    }


def place_in(district: District, number: int) -> str:
    """Area code of a synthetic community of the district."""
    township = FENGSHAN if district.area == DISTRICT else f"{district.area}001"
    return community(township, number)


def household(size: int = 1, *, area: str = community(FENGSHAN, 0), drill_id: str = "") -> Json:
    """A registration of a household of `size` people."""
    return {
        "request_id": str(uuid4()),
        "household_id": str(uuid4()),
        "area": area,
        "address": "演示小区1号",
        "residents": [resident() for _ in range(size)],
        "channel": "import",
        "drill_id": drill_id,
    }


async def people(district: District, count: int, *, drill_id: str = "", area: str = "") -> list[Phone]:
    """People who live alone, each with a phone that holds passes of today and tomorrow. `area`: of their homes."""
    homes = [household(area=area or place_in(district, 0), drill_id=drill_id) for _ in range(count)]
    await district.register_households(homes)
    phones = [Phone(home["residents"][0]["resident_id"]) for home in homes]
    await district.issue_phones(phones, days_around(district.now(), before=0))
    return phones


async def family(district: District, size: int, *, drill_id: str = "") -> list[Phone]:
    """One household; everybody has a phone, and the first one's pass shows the others too (up to five)."""
    home = household(size, drill_id=drill_id)
    await district.register_households([home])
    ids = [member["resident_id"] for member in home["residents"]]
    phones = [Phone(ids[0], tuple(ids[1:6])), *(Phone(member) for member in ids[1:])]
    await district.issue_phones(phones, days_around(district.now(), before=0))
    return phones


async def venue(
    district: District,
    *,
    category: str = "restaurant",
    drill_id: str = "",
    capacity: int = 60,
    operator: str = "",
    area: str = "",
) -> Place:
    """A new venue with one zone, in `area` or in one of the district's own.

    `operator`: the account that may check visitors in, one of its own unless given.
    """
    venue_id, operator = str(uuid4()), operator or f"operator-{uuid4().hex[:8]}"
    registration = {
        "request_id": str(uuid4()),
        "venue_id": venue_id,
        "name": "和顺饭店(演示)",
        "category": category,
        "area": area or place_in(district, 1),
        "address": "演示街1号",
        "zones": [{"name": "大厅", "capacity": capacity}],
        "operators": [operator],
        "drill_id": drill_id,
    }
    (stored,) = await district.register_venues([registration])
    zone = stored["zones"][0]
    return Place(venue_id, int(zone["zone"]), zone["code"], operator, stored["name"])


async def gate(district: District, *, level: str = "compound") -> Gate:
    """A new post and a device enrolled for it."""
    post_id, device_id = str(uuid4()), str(uuid4())
    lead = district.api("checkpoint_lead")
    await lead.post("/posts", {"post_id": post_id, "name": "演示卡口", "level": level, "area": place_in(district, 1)})
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    await lead.post(
        "/devices", {"device_id": device_id, "post_id": post_id, "public_key": encode(public), "label": "scanner"}
    )
    return Gate(post_id, device_id, key)


async def visit(district: District, place: Place, phones: Sequence[Phone], at: datetime | None = None) -> list[Json]:
    """Everybody is scanned in by the venue's staff, now (the phones' time may be given).

    Whoever comes twice within a second shows two presentations: the same one again would be a replay.
    """
    shown = [(phone.show(at) if at else phone.show_anew(district.now()), place.code) for phone in phones]
    return await district.check_in_many(shown, operator=place.operator)


async def confirm(district: District, index: Phone) -> tuple[str, Json]:
    """The whole way from a laboratory's result to the second approval; the case id and the last answer."""
    case_id, result_id = await district.suspect(index.resident_id)
    await district.approve(case_id, result_id, "approver-1")
    await district.impact(case_id)
    return case_id, await district.approve(case_id, result_id, "approver-2")


def new_id() -> str:
    """A client-made id."""
    return str(uuid4())


async def drill(district: District) -> str:
    """Starts a drill of the whole district; its id."""
    drill_id = f"drill-{uuid4().hex[:8]}"
    await district.api("command").post("/drills", {"drill_id": drill_id, "title": "演示演练", "area": district.area})
    return drill_id


async def admitted_by_card(district: District, place: Place, card: str, *, seconds: float = 15.0) -> Json:
    """Staff scan a paper card until the day's list knows it (a card is listed a moment after it was issued)."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = await district.check_in(card, place.code, operator=place.operator)
        if answer["outcome"] == "admitted" or asyncio.get_running_loop().time() > deadline:
            return answer
        await asyncio.sleep(0.1)


async def explained(district: District, resident_id: str, *, seconds: float = 15.0) -> Json:
    """What a restricted person is told; restrictions follow the approval within a moment."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = await district.api("app_backend").post("/restriction-explanations", {"resident_id": resident_id})
        if answer["explanations"] or asyncio.get_running_loop().time() > deadline:
            explanation: Json = answer["explanations"][0]
            return explanation
        await asyncio.sleep(0.05)
