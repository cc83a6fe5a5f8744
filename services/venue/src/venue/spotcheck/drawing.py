"""The draw itself: a pure function of a seed and a frame, in whole numbers and SHA-256, so that anybody gets the same.

docs/spot-checks.md is its specification. Nothing here reads a clock, a database or a random number generator.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

COMMUNITY_DIGITS: Final = 12
MAX_VENUES: Final = 20_000
MAX_INSPECTORS: Final = 400


class FrameError(ValueError):
    """The frame is not one that can be drawn from; the text names nobody."""


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A venue that may be drawn."""

    venue_id: str
    area: str
    category: int

    @property
    def community(self) -> str:
        return self.area[:COMMUNITY_DIGITS]


@dataclass(frozen=True, slots=True, order=True)
class Inspector:
    """`inspector_id` stands for an account; `home` is a community of twelve digits."""

    inspector_id: str
    team_id: str
    home: str

    def at_home_in(self, community: str) -> bool:
        """A venue whose area names no community counts as everybody's of that area."""
        return self.home.startswith(community)


@dataclass(frozen=True, slots=True)
class Stratum:
    area: str
    category: int
    eligible: int
    drawn: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What is drawn from. The order of venues and inspectors means nothing."""

    area: str
    area_digits: int
    per_mille: int
    venues: tuple[Candidate, ...]
    inspectors: tuple[Inspector, ...]

    def stratum_of(self, venue: Candidate) -> tuple[str, int]:
        return venue.area[: self.area_digits], venue.category

    def strata(self) -> tuple[Stratum, ...]:
        """Of each stratum `per_mille` in a thousand, rounded up: nobody is out of reach."""
        sizes: dict[tuple[str, int], int] = {}
        for venue in self.venues:
            key = self.stratum_of(venue)
            sizes[key] = sizes.get(key, 0) + 1
        return tuple(Stratum(*key, size, -(-size * self.per_mille // 1000)) for key, size in sorted(sizes.items()))

    def as_json(self) -> dict[str, Any]:
        return {
            "area": self.area,
            "area_digits": self.area_digits,
            "per_mille": self.per_mille,
            "venues": [[each.venue_id, each.area, each.category] for each in sorted(self.venues)],
            "inspectors": [[each.inspector_id, each.team_id, each.home] for each in sorted(self.inspectors)],
            "strata": [[each.area, each.category, each.eligible, each.drawn] for each in self.strata()],
        }

    def canonical(self) -> bytes:
        """The bytes that are hashed: JSON with sorted keys, no spaces, lists in ascending order."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":")).encode("ascii")

    @classmethod
    def parse(cls, said: Mapping[str, Any]) -> "Frame":
        """The inverse of `as_json`. Raises `FrameError` on anything else, wrong counts of strata included."""
        try:
            frame = cls(
                said["area"],
                said["area_digits"],
                said["per_mille"],
                tuple(Candidate(*each) for each in said["venues"]),
                tuple(Inspector(*each) for each in said["inspectors"]),
            )
            if frame.as_json() != said:
                raise FrameError("The frame is not in its one form, or its counts are wrong.")
        except (KeyError, TypeError, AttributeError):
            raise FrameError("This is not a frame.") from None
        return frame


@dataclass(frozen=True, slots=True)
class Pair:
    """Two of one team. `number` counts from 1."""

    number: int
    first: Inspector
    second: Inspector

    @property
    def team_id(self) -> str:
        return self.first.team_id

    def may_inspect(self, community: str) -> bool:
        return not (self.first.at_home_in(community) or self.second.at_home_in(community))


@dataclass(frozen=True, slots=True)
class Drawn:
    """`assignments`: the venue's id → the pair's number."""

    pairs: tuple[Pair, ...]
    assignments: Mapping[str, int]


def rank(seed: bytes, what: str, *ids: str) -> str:
    """Where something stands in an order that nobody chose: SHA-256 of a line of text, in hexadecimal."""
    return sha256("|".join(("lilitong/spot-check-order/1", seed.hex(), what, *ids)).encode()).hexdigest()


def check(frame: Frame) -> None:
    """Raises `FrameError` unless every draw from the frame comes out, whatever the seed."""
    if not 1 <= len(frame.venues) <= MAX_VENUES:
        raise FrameError(f"A draw takes 1 to {MAX_VENUES} venues.")
    if not 1 <= len(frame.inspectors) <= MAX_INSPECTORS:
        raise FrameError(f"A draw takes 2 to {MAX_INSPECTORS} inspectors.")
    if len({each.venue_id for each in frame.venues}) != len(frame.venues):
        raise FrameError("A venue is listed twice.")
    if len({each.inspector_id for each in frame.inspectors}) != len(frame.inspectors):
        raise FrameError("An inspector is listed twice.")
    homes: dict[str, list[str]] = {}
    for each in frame.inspectors:
        homes.setdefault(each.team_id, []).append(each.home)
    for community in sorted({venue.community for venue in frame.venues}):
        # Each of those at home there spoils one pair at most, so with fewer of them than pairs one pair is always left.
        if not any(
            sum(home.startswith(community) for home in members) < len(members) // 2 for members in homes.values()
        ):
            raise FrameError("For one of the communities there are too few inspectors who are at home elsewhere.")


def draw(seed: bytes, frame: Frame) -> Drawn:
    """Pairs, and the pair of each venue drawn. Raises `FrameError` for a frame that `check` refuses."""
    check(frame)
    pairs = _pairs(seed, frame.inspectors)
    picked = _picked(seed, frame)
    return Drawn(pairs, _assigned(seed, pairs, picked))


def _pairs(seed: bytes, inspectors: Iterable[Inspector]) -> tuple[Pair, ...]:
    """In each team's drawn order the first goes with the second, the third with the fourth; of an odd number the last rests."""
    ordered = sorted(
        inspectors, key=lambda each: (each.team_id, rank(seed, "inspector", each.team_id, each.inspector_id))
    )
    found: list[Pair] = []
    for _, members in groupby(ordered, key=lambda each: each.team_id):
        team = list(members)
        for first, second in zip(team[::2], team[1::2], strict=False):
            found.append(Pair(len(found) + 1, first, second))
    return tuple(found)


def _picked(seed: bytes, frame: Frame) -> list[Candidate]:
    """Of each stratum those that come first in the drawn order."""
    wanted = {(each.area, each.category): each.drawn for each in frame.strata()}
    picked = []
    for venue in sorted(frame.venues, key=lambda each: rank(seed, "venue", each.venue_id)):
        key = frame.stratum_of(venue)
        if wanted[key] > 0:
            wanted[key] -= 1
            picked.append(venue)
    return picked


def _assigned(seed: bytes, pairs: Sequence[Pair], picked: Iterable[Candidate]) -> dict[str, int]:
    """Each venue to one of those pairs that may go and have the fewest so far; then evened out as far as homes allow."""
    board = _Board(
        sorted(pairs, key=lambda pair: rank(seed, "pair", pair.first.inspector_id, pair.second.inspector_id))
    )
    for venue in sorted(picked, key=lambda each: rank(seed, "assignment", each.venue_id)):
        able = board.able(venue.community)
        least = min(len(board.loads[at]) for at in able)
        idle = [at for at in able if len(board.loads[at]) == least]
        board.loads[idle[int(rank(seed, "choice", venue.venue_id), 16) % len(idle)]].append(venue)
    while board.even_out():
        pass
    return {venue.venue_id: pair.number for pair, load in zip(board.pairs, board.loads, strict=True) for venue in load}


class _Board:
    """Pairs in their drawn order, and what each has."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self.loads: list[list[Candidate]] = [[] for _ in pairs]
        self._able: dict[str, list[int]] = {}

    def able(self, community: str) -> list[int]:
        """The pairs that may go there, by their place."""
        if community not in self._able:
            self._able[community] = [at for at, pair in enumerate(self.pairs) if pair.may_inspect(community)]
        return self._able[community]

    def even_out(self) -> bool:
        """Hand one venue on, over others if need be, from a pair to one that has at least two fewer; false when none can.

        Without such a path no assignment is more even (Harvey, Ladner, Lovász, Tamir: Semi-matchings for bipartite graphs).
        """
        sizes = [len(load) for load in self.loads]
        if max(sizes) - min(sizes) <= 1:
            return False
        return any(self._relieve(at) for at in sorted(range(len(sizes)), key=lambda at: (-sizes[at], at)))

    def _relieve(self, start: int) -> bool:
        came_from: dict[int, int] = {start: start}
        queue = [start]
        for giver in queue:
            communities = {venue.community for venue in self.loads[giver]}
            for taker, pair in enumerate(self.pairs):
                if taker in came_from or not any(pair.may_inspect(each) for each in communities):
                    continue
                came_from[taker] = giver
                if len(self.loads[taker]) <= len(self.loads[start]) - 2:
                    self._hand_on(came_from, taker)
                    return True
                queue.append(taker)
        return False

    def _hand_on(self, came_from: Mapping[int, int], taker: int) -> None:
        while came_from[taker] != taker:
            giver = came_from[taker]
            fit = next(
                at for at, venue in enumerate(self.loads[giver]) if self.pairs[taker].may_inspect(venue.community)
            )
            self.loads[taker].append(self.loads[giver].pop(fit))
            taker = giver
