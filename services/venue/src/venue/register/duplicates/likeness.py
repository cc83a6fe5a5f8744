"""What makes two entries of the register likely one venue. Pure.

Only venues that share a key are ever compared: the same licence; the same name, or half of one, in one sub-district; the same
address in one community. Halves find a name with one character wrong, because one of its halves is still right.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from hashlib import blake2b
from re import compile as compile_pattern
from typing import Final
from unicodedata import normalize
from uuid import UUID

SUB_DISTRICT: Final = 9
COMMUNITY: Final = 12
MOST_PER_KEY: Final = 40
"""A key that more venues have says nothing: it is a common word, not a name."""
LIKELY: Final = 60
_SHORTEST_HALF: Final = 2
_NAME, _ADDRESS, _LICENCE = 50, 30, 40
_SIMILAR: Final = 0.75
_NOISE = compile_pattern(r"[\W_]+")
_LEGAL = compile_pattern(r"(有限责任公司|股份有限公司|有限公司|个体工商户|经营部|总店)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """What of a venue is compared."""

    venue_id: UUID
    name: str
    address: str
    area: str
    licence: str
    drill_id: str


@dataclass(frozen=True, slots=True)
class Likeness:
    """`score` up to 100; `reasons`: what they have in common."""

    score: int
    reasons: tuple[str, ...]


def bare(text: str) -> str:
    """Without what two clerks write differently: width, case, spaces, brackets and punctuation."""
    return _NOISE.sub("", normalize("NFKC", text).casefold())


def core(name: str) -> str:
    """A bare name without its legal form; the name itself if nothing else is in it."""
    whole = bare(name)
    return _LEGAL.sub("", whole) or whole


def keys(entry: Entry) -> set[bytes]:
    """8 bytes each; equal keys of different things are as rare as hash collisions and cost one comparison."""
    return {blake2b(f"{entry.drill_id}\n{text}".encode(), digest_size=8).digest() for text in _keys(entry)}


def _keys(entry: Entry) -> Iterator[str]:
    name, place = core(entry.name), entry.area[:SUB_DISTRICT]
    middle = len(name) // 2
    yield f"name {place} {name}"
    if middle >= _SHORTEST_HALF:
        yield f"first {place} {name[:middle]}"
        yield f"second {place} {name[middle:]}"
    yield f"address {entry.area[:COMMUNITY]} {bare(entry.address)}"
    if entry.licence:
        yield f"licence {entry.licence}"


def likeness(one: Entry, other: Entry) -> Likeness:
    """Name, address and licence, each by itself; a branch of one company has its own name or address and stays below `LIKELY`."""
    score, reasons = 0.0, []
    name = SequenceMatcher(None, core(one.name), core(other.name), autojunk=False).ratio()
    address = SequenceMatcher(None, bare(one.address), bare(other.address), autojunk=False).ratio()
    for part, weight, reason in ((name, _NAME, "name"), (address, _ADDRESS, "address")):
        if part >= _SIMILAR:
            score += weight * part
            reasons.append(reason if part == 1 else f"similar_{reason}")
    if one.licence and one.licence == other.licence:
        score += _LICENCE
        reasons.append("licence")
    elif one.licence and other.licence:
        score -= _LICENCE / 2
    return Likeness(max(0, min(100, round(score))), tuple(reasons))
