"""Who plays which part in the demo: the same people at the same places on every run."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from devstack.api import Json
from devstack.demo.people import households
from devstack.demo.places import operator, venues
from devstack.phone import Phone

HOUSEHOLDS = 600
PHONES = 760
HOURS_AGO = (26, 20, 4, 2)
"""When the district's people go out, and the later case among them: hours before the laboratory's result."""
ASK_AT = 2
"""At which of those times some visitors come in ways that prove too little (index into HOURS_AGO)."""
BY_POSTER = 8


@dataclass(slots=True)
class Outing:
    """One round of visits. place: where the index person goes, as an index into the venues."""

    hours_ago: int
    place: int
    contacts: list[Phone]


@dataclass(slots=True)
class Cast:
    """The demo's people.

    index: the later case; family: who lives with them, each with a phone; contacts: met at the four places, by outing;
    by_poster: were at the third place by the printed code only; card_holder: resident id of a person without a phone;
    late: somebody whose visit is uploaded a day after; passer: went through the same gate; unrelated: was never near.
    """

    households: list[Json]
    venues: list[Json]
    index: Phone
    family: list[Phone]
    outings: list[Outing]
    by_poster: list[Phone]
    card_holder: str
    late: Phone
    passer: Phone
    unrelated: Phone
    others: list[Phone] = field(default_factory=list)

    def close_contacts(self) -> list[Phone]:
        """Whom the index person met with proof, each once."""
        return list({phone.resident_id: phone for outing in self.outings for phone in outing.contacts}.values())

    def phones(self) -> list[Phone]:
        """Everybody's phone."""
        named = [self.index, *self.family, *self.close_contacts(), *self.by_poster, self.late, self.passer]
        return [*named, self.unrelated, *self.others]


def cast(contacts: int, seed: str = "cast") -> Cast:
    """People for a story in which `contacts` people come to be refused beside the index person, the family among them."""
    random_ = random.Random(seed)
    homes = households(HOUSEHOLDS)
    size = next(number for number, home in enumerate(homes) if len(home["residents"]) == 4)
    ids = [member["resident_id"] for member in homes[size]["residents"]]
    family = [Phone(member) for member in ids[1:]]
    rest = [member for home in homes if home is not homes[size] for member in home["residents"]]
    with_phone = (Phone(member["resident_id"]) for member in rest if member["phone"])
    places = _places(venues(), len(HOURS_AGO), random_)
    met = contacts - len(family)
    if met < len(HOURS_AGO):
        raise ValueError(f"a story needs at least {len(family) + len(HOURS_AGO)} contacts")
    outings = []
    for number, (hours_ago, place) in enumerate(zip(HOURS_AGO, places, strict=True)):
        share = met // len(HOURS_AGO) + (number < met % len(HOURS_AGO))
        outings.append(Outing(hours_ago, place, _take(with_phone, share)))
    by_poster = _take(with_phone, BY_POSTER)
    late, passer, unrelated = _take(with_phone, 3)
    card_holder = next(member["resident_id"] for member in reversed(rest) if not member["phone"])
    others = _take(with_phone, max(0, PHONES - contacts - BY_POSTER - 4))
    index = Phone(ids[0], tuple(ids[1:]))
    return Cast(homes, venues(), index, family, outings, by_poster, card_holder, late, passer, unrelated, others)


def _take(source: Iterator[Phone], count: int) -> list[Phone]:
    return [phone for phone, _ in zip(source, range(count), strict=False)]


def _places(registered: list[Json], count: int, random_: random.Random) -> list[int]:
    """Indices of places where people stay for a while and that are not too large to say who met whom."""
    fitting = [number for number, venue in enumerate(registered) if venue["category"] == "restaurant"]
    return random_.sample(fitting, count)


def elsewhere(players: Cast, count: int, seed: str) -> list[int]:
    """Places for `count` other visits, none of them a place of the index person."""
    random_ = random.Random(seed)
    taken = {outing.place for outing in players.outings}
    free = [number for number in range(len(players.venues)) if number not in taken]
    return [random_.choice(free) for _ in range(count)]


def staff(place: int) -> str:
    """The business account of a venue of the cast."""
    return operator(place)
