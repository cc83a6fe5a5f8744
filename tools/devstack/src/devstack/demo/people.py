"""Synthetic households and residents of the demo district."""

import random
from datetime import date, timedelta
from uuid import uuid5

from devstack.api import Json
from devstack.demo.places import DISTRICT, NAMESPACE, community, townships

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = (
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "强",
    "磊",
    "洋",
    "艳",
    "勇",
    "军",
    "杰",
    "娟",
    "涛",
    "明",
    "超",
    "秀英",
    "霞",
    "平",
    "刚",
)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK = "10X98765432"


def id_number(born: date, sequence: int) -> str:
    """An identification number with a valid check character (GB 11643-1999). `sequence`: 0 to 999."""
    body = f"{DISTRICT}{born:%Y%m%d}{sequence:03d}"
    return body + CHECK[sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11]


def households(count: int, drill_id: str = "") -> list[Json]:
    """Registrations of `count` synthetic households of one to five people, the same on every call."""
    random_ = random.Random(f"households/{drill_id}")
    places = [township.code for township in townships()]
    registrations, person = [], 0
    first = 500 if drill_id else 0  # drill people's numbers do not collide with the others'
    for number in range(count):
        key = f"{drill_id}/{number}"
        residents = []
        for member in range(random_.choice((1, 2, 2, 3, 3, 3, 4, 5))):
            born = date(1940, 1, 1) + timedelta(days=person * 13 % 29000)
            phone = f"+86100{person:08d}" if member == 0 or random_.random() < 0.6 else ""
            residents.append(
                {
                    "resident_id": str(uuid5(NAMESPACE, f"resident/{key}/{member}")),
                    "name": f"{random_.choice(SURNAMES)}{random_.choice(GIVEN)}(演示)",
                    "id_number": id_number(born, first + person // 29000 + person % 400),
                    "phone": phone,
                }
            )
            person += 1
        registrations.append(
            {
                "request_id": str(uuid5(NAMESPACE, f"request/household/{key}")),
                "household_id": str(uuid5(NAMESPACE, f"household/{key}")),
                "area": community(places[number % len(places)], number),
                "address": f"演示小区{number + 1}号",
                "residents": residents,
                "channel": "import",
                "drill_id": drill_id,
            }
        )
    return registrations
