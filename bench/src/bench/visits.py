"""Fifty million synthetic visits: skewed zones, opening hours, dwell by category. Pure; the same on every run.

A day has people with a new tag each, who go to zones that are open at the hour. Some places are far more visited than others
(Zipf-Mandelbrot). Two thirds check out, after about half of the category's default dwell, a few of them later than it; the
others count with the default. One in a hundred items came late. Both generators below draw from these same tables: Python for
what is written through the service, SQL for what is loaded in bulk.
"""

import hashlib
import math
import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Final

from venue.visits.model import CHECKED_OUT, GRADE_SHIFT, HOUR_SHIFT, LATE, OVERSTAY, Visit

SEED: Final = "lilitong"
FULL: Final = 50_000_000
DAYS: Final = 14
PEOPLE: Final = 450_000
"""Of a day, at full scale: about eight visits each."""
HOUR: Final = 3600
HOURS: Final = range(24)
CHECKED_OUT_SHARE: Final = 0.65
TYPICAL_STAY: Final = 0.5
"""The middle stay of those who check out, as a share of the default dwell."""
SPREAD: Final = 0.45
"""Of the stay's logarithm: 6 % of those who check out stayed longer than the default."""
LEAST_STAY: Final = 60
LATE_SHARE: Final = 0.01
GRADES: Final = (0.30, 0.50, 0.95, 1.0)
"""Up to which share a visit is proven by staff, a screen, a poster, a paper card."""
# Of a day's arrivals, per mille, by hour.
ARRIVALS: Final = (3, 2, 1, 1, 2, 8, 30, 70, 75, 62, 62, 72, 78, 60, 52, 52, 58, 80, 85, 66, 42, 24, 10, 5)
# Category → (opens, closes, how much more than its rank it is visited).
OPEN: Final = {
    1: (0, 24, 1.0),
    2: (0, 24, 0.6),
    3: (7, 22, 1.5),
    4: (10, 22, 8.0),
    5: (5, 19, 4.0),
    6: (6, 23, 1.0),
    7: (7, 21, 2.0),
    8: (8, 21, 1.0),
    9: (10, 24, 0.8),
    10: (6, 22, 1.0),
    11: (0, 24, 6.0),
    12: (8, 21, 0.7),
    13: (5, 20, 0.5),
}


@dataclass(frozen=True, slots=True)
class Zone:
    """A place to go. Dwell and stay limit in seconds."""

    zone: int
    category: int
    dwell: int
    stay_limit: int


@dataclass(frozen=True, slots=True)
class Hour:
    """Where people go in one hour: zones that are open, and the share of visits up to and with each."""

    zones: Sequence[Zone]
    shares: Sequence[float]

    def pick(self, at: float) -> Zone:
        """The zone at that share (0 ≤ at < 1)."""
        return self.zones[min(bisect(self.shares, at), len(self.zones) - 1)]


def hours(zones: Sequence[Zone]) -> list[Hour]:
    """The 24 hours of a day. Which place is the most popular of all is drawn once."""
    ranked = sorted(zones, key=lambda zone: zone.zone)
    random.Random(f"{SEED}/ranks").shuffle(ranked)
    weights = [OPEN[zone.category][2] * (rank + 10) ** -0.9 for rank, zone in enumerate(ranked)]
    found = []
    for hour in HOURS:
        opened = [
            (zone, weight)
            for zone, weight in zip(ranked, weights, strict=True)
            if OPEN[zone.category][0] <= hour < OPEN[zone.category][1]
        ]
        total = sum(weight for _, weight in opened)
        found.append(
            Hour([zone for zone, _ in opened], [part / total for part in accumulate(weight for _, weight in opened)])
        )
    return found


def per_hour(rows: int, until: int = 24) -> list[int]:
    """How many of a day's visits begin in each hour, all of them before the hour `until`."""
    total = sum(ARRIVALS[:until])
    ends = [rows * part // total for part in accumulate(ARRIVALS[:until])]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def tag_of(day: date, person: int) -> bytes:
    """The person's tag of that day: not to be told from a real one, and the same in SQL (`md5(…)::uuid`)."""
    return hashlib.md5(f"{SEED}/{day}/{person}".encode(), usedforsecurity=False).digest()


def arrivals(zones: Sequence[Zone], day: date, rows: int, people: int, *, seed: str = "") -> Iterator[Visit]:
    """`rows` visits of a day in the order of their times, as a busy service gets them."""
    draw = random.Random(f"{SEED}/{day}/{seed}")
    for number, (hour, count) in enumerate(zip(hours(zones), per_hour(rows), strict=True)):
        yield from arrivals_of(hour, number, day, count, people, draw)


def arrivals_of(hour: Hour, number: int, day: date, rows: int, people: int, draw: random.Random) -> Iterator[Visit]:
    """`rows` visits of one hour in the order of their times."""
    for position in range(rows):
        zone = hour.pick(draw.random())
        stay, _ = stay_of(zone, draw)
        yield Visit(
            day,
            tag_of(day, draw.randint(1, people)),
            draw.randbytes(8),
            zone.zone,
            number * HOUR + position * HOUR // rows,
            stay,
            bisect(GRADES, draw.random()) + 1,
            draw.random() < LATE_SHARE,
            stay > zone.dwell,
            "",
        )


def stay_of(zone: Zone, draw: random.Random) -> tuple[int, bool]:
    """(seconds, whether they checked out)."""
    if draw.random() >= CHECKED_OUT_SHARE:
        return zone.dwell, False
    stay = round(zone.dwell * TYPICAL_STAY * math.exp(SPREAD * draw.gauss()))
    return min(max(stay, LEAST_STAY), zone.stay_limit), True


# One hour of one day. $1 rows, $2 day, $3 hour, $4 people, $5 the tag's prefix, $6 shares, $7 zones, $8 dwells, $9 limits.
HOUR_SQL: Final = f"""
    INSERT INTO {{table}} (visit_key, tag, day, place, entered, facts)
    SELECT key, md5($5::text || person)::uuid, $2::date, ($3::integer << {HOUR_SHIFT}) | zone, entered,
           stay | (grade << {GRADE_SHIFT}) | CASE WHEN late THEN {LATE} ELSE 0 END
           | CASE WHEN stay > dwell THEN {OVERSTAY} ELSE 0 END | CASE WHEN out THEN {CHECKED_OUT} ELSE 0 END
    FROM (
        SELECT key, person, entered, grade, late, out, zone, dwell,
               CASE WHEN out THEN least(greatest(round(dwell * {TYPICAL_STAY} * exp({SPREAD} * normal))::integer,
                                                 {LEAST_STAY}), stay_limit) ELSE dwell END AS stay
        FROM (
            SELECT key, person, entered, late, out, normal,
                   CASE WHEN proof < {GRADES[0]} THEN 0 WHEN proof < {GRADES[1]} THEN 1 WHEN proof < {GRADES[2]} THEN 2
                        ELSE 3 END AS grade,
                   ($7::integer[])[k] AS zone, ($8::integer[])[k] AS dwell, ($9::integer[])[k] AS stay_limit
            FROM (
                SELECT $3::integer * {HOUR} + (i::bigint * {HOUR} / $1::integer)::integer AS entered,
                       width_bucket(random(), $6::float8[]) + 1 AS k,
                       random(1, $4::integer) AS person,
                       random(-9223372036854775807, 9223372036854775807) AS key,
                       random() < {CHECKED_OUT_SHARE} AS out,
                       random_normal() AS normal,
                       random() AS proof,
                       random() < {LATE_SHARE} AS late
                FROM generate_series(0, $1::integer - 1) AS i
                OFFSET 0
            ) AS drawn
            OFFSET 0
        ) AS placed
        OFFSET 0
    ) AS stayed
"""


def hour_arguments(hour: Hour, number: int, rows: int, day: date, people: int) -> list[object]:
    """The arguments of `HOUR_SQL`."""
    return [
        rows,
        day,
        number,
        people,
        f"{SEED}/{day}/",
        list(hour.shares[:-1]),
        [zone.zone for zone in hour.zones],
        [zone.dwell for zone in hour.zones],
        [zone.stay_limit for zone in hour.zones],
    ]
