"""Visitors for P3: residents with today's pass from the real quarantine service, at venues of the real register."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from uuid import uuid4

import orjson
from devstack.api import Json
from devstack.demo.people import households
from devstack.demo.places import FENGSHAN, venues
from devstack.district import District
from devstack.phone import Phone
from passes.days import local_day

VENUES = 1000
_SEAM_HOURS = 1


@dataclass(slots=True)
class Crowd:
    """Phones that have not checked in yet, and the venues' printed codes, the busiest first."""

    phones: list[Phone]
    codes: list[str]
    _random: random.Random

    def visits(self, count: int, at: datetime) -> list[tuple[str, str]]:
        """(credential, venue code) of `count` people who were never asked for before; each presentation signed at `at`."""
        if count > len(self.phones):
            raise ValueError(f"{count} people are wanted, {len(self.phones)} are left")
        taken, self.phones = self.phones[:count], self.phones[count:]
        places = self._random.choices(self.codes, cum_weights=list(accumulate(popularity(len(self.codes)))), k=count)
        return [(phone.check_in(code, at), code) for phone, code in zip(taken, places, strict=True)]


def popularity(places: int) -> list[float]:
    """How much more a place is visited than others: the square root of Zipf's law, so that many are visited at all."""
    return [1.0 / (rank**0.5) for rank in range(1, places + 1)]


def away_from_midnight(now: datetime) -> timedelta:
    """What the services' clocks are to be moved by, so that no local day ends while we measure."""
    late = local_day(now) != local_day(now + timedelta(hours=_SEAM_HOURS))
    return -timedelta(hours=2 * _SEAM_HOURS) if late else timedelta()


async def crowd(district: District, people: int) -> Crowd:
    """Registers venues and at least so many people, and fetches a pass of today for each."""
    registered = await district.register_venues(venues(FENGSHAN, VENUES))
    homes = _homes(people)
    await district.register_households(homes)
    phones = [Phone(member["resident_id"]) for home in homes for member in home["residents"]][:people]
    await district.issue_phones(phones, [local_day(district.now())])
    return Crowd(phones, [venue["zones"][0]["code"] for venue in registered], random.Random("P3"))


def _homes(people: int) -> list[Json]:
    homes, found = [], 0
    for home in households(people):
        homes.append(home)
        found += len(home["residents"])
        if found >= people:
            break
    return homes


def request(host: str, token: str, visit: tuple[str, str]) -> bytes:
    """The bytes of a check-in as an app's backend sends it, under a key of its own."""
    credential, code = visit
    body = orjson.dumps({"credential": credential, "venue_code": code})
    head = (
        f"POST /v1/check-ins HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
        f"idempotency-key: {uuid4()}\r\ncontent-type: application/json\r\naccept: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def requests(host: str, token: str, visits: Sequence[tuple[str, str]]) -> list[bytes]:
    return [request(host, token, visit) for visit in visits]
