"""A row of a file as a registration, or what is wrong with it. Pure."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from re import ASCII
from re import compile as compile_pattern
from typing import Final
from uuid import UUID, uuid5

from lilitong.venue.v1 import venue_pb2

from venue.register.imports.layout import Layout, plain
from venue.register.model import NewVenue, NewZone, Particulars

Fault = Callable[[str, str], None]
"""Notes what is wrong: the field and the reason."""

_NAMES: Final = UUID("5f3e7d0a-6f1c-5d0e-9a64-2b6f3c0e81aa")
_EXCERPT: Final = 60
_AREA = compile_pattern(r"[0-9]{9,18}", ASCII)
_LICENCE = compile_pattern(r"[0-9A-Z]{0,18}", ASCII)
_NUMBER = compile_pattern(r"[0-9]{1,6}", ASCII)
_SEPARATORS = compile_pattern(r"[|/、;；]")
_DEFAULT_CAPACITY: Final = 100
_MOST_ZONES: Final = 50
_MOST_OPERATORS: Final = 20
_LONGEST: Final = 100
_LENGTHS: Final = {"name": 200, "address": 200, "owner": 200, "responsible_person": 100}
_ENGLISH: Final = (
    "community", "hotel", "supermarket", "mall", "farmers market", "restaurant", "school training", "clinic pharmacy",
    "entertainment", "sports", "passenger station", "service shop", "cold chain",
)  # fmt: skip
_CHINESE: Final = (
    "社区", "宾馆酒店", "超市", "商场", "农贸市场", "餐饮", "学校及培训机构", "诊所药店", "娱乐场所", "体育场馆", "客运站",
    "服务大厅及商店", "冷链",
)  # fmt: skip
_CATEGORIES: Final[Mapping[str, int]] = {
    word: number
    for words in (_ENGLISH, _CHINESE, tuple(map(str, range(1, 14))))
    for number, word in enumerate(words, 1)
}


@dataclass(frozen=True, slots=True)
class RowFault:
    """`column` as the file calls it, "" for the row as a whole; `excerpt`: what stood there, cut to 60 characters."""

    line: int
    column: str
    reason: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is in order: `line` where it began, and the venue it says."""

    line: int
    venue: NewVenue


def excerpt(text: str) -> str:
    """What of a value may stand in a report: one line, nothing invisible."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text[:_EXCERPT])


class Reader:
    """Makes venues of one import's rows. `area`: what the import may touch."""

    def __init__(self, layout: Layout, area: str, drill_id: str, import_id: UUID) -> None:
        self._layout, self._area, self._drill_id, self._import_id = layout, area, drill_id, import_id
        self._least = max(index for index, column in enumerate(layout.columns, 1) if column)

    def read(self, fields: Sequence[bytes], line: int, *, closed: bool = True) -> Row | list[RowFault]:
        """The row, or every fault that it has. `closed`: a line end stands behind it."""
        layout = self._layout
        # Spreadsheets leave out empty cells at the end of a row, but never its line end: this is where a file was cut off,
        # and what is left of an address would be another venue.
        if not closed and len(fields) < self._least:
            return [RowFault(line, "", "ROW_CUT_OFF", str(len(fields)))]
        texts = [field.decode(layout.encoding, "replace") for field in fields]
        if len(texts) > len(layout.columns) and any(text.strip() for text in texts[len(layout.columns) :]):
            return [RowFault(line, "", "MORE_FIELDS_THAN_COLUMNS", str(len(texts)))]
        said = {column: plain(text) for column, text in zip(layout.columns, texts, strict=False) if column}
        faults: list[RowFault] = []

        def fault(field: str, reason: str) -> None:
            faults.append(RowFault(line, layout.title(field), reason, excerpt(said.get(field, ""))))

        _check_texts(said, fault)
        request = venue_pb2.RegisterVenueRequest(
            name=said.get("name", ""),
            category=_category(said, fault),  # type: ignore[arg-type]  # numbers are the contract's
            area=self._area_of(said, fault),
            address=said.get("address", ""),
            operators=_operators(said, fault),
            drill_id=self._drill_id,
            particulars=venue_pb2.Particulars(
                owner=said.get("owner", ""),
                responsible_person=said.get("responsible_person", ""),
                licence=_licence(said, fault),
            ),
        )
        zones = _zones(said, fault)
        if faults:
            return faults
        request.zones.extend(venue_pb2.NewZone(name=zone.name, capacity=zone.capacity) for zone in zones)
        return Row(line, self._venue(request, tuple(zones), line))

    def _area_of(self, said: Mapping[str, str], fault: Fault) -> str:
        area = said.get("area", "").replace(" ", "")
        if not area:
            fault("area", "MISSING")
        elif _AREA.fullmatch(area) is None:
            fault("area", "AREA_INVALID")
        elif not area.startswith(self._area):
            fault("area", "AREA_OUTSIDE_IMPORT")
        return area

    def _venue(self, said: venue_pb2.RegisterVenueRequest, zones: tuple[NewZone, ...], line: int) -> NewVenue:
        # Where it is and what it is called is the venue: the same file again, or another one with the same venue, means that one.
        identity = f"{said.drill_id}\n{said.area}\n{said.name.casefold()}\n{said.address.casefold()}"
        said.venue_id = str(uuid5(_NAMES, identity))
        given = said.particulars
        return NewVenue(
            request_id=uuid5(self._import_id, str(line)),
            venue_id=UUID(said.venue_id),
            name=said.name,
            category=said.category,
            area=said.area,
            address=said.address,
            zones=zones,
            operators=tuple(said.operators),
            drill_id=said.drill_id,
            digest=sha256(said.SerializeToString(deterministic=True)).digest(),
            particulars=Particulars(given.owner, given.responsible_person, given.licence),
        )


def _check_texts(said: Mapping[str, str], fault: Fault) -> None:
    for field, most in _LENGTHS.items():
        text = said.get(field, "")
        if not text and field in ("name", "address"):
            fault(field, "MISSING")
        elif len(text) > most:
            fault(field, "TOO_LONG")
        elif _unreadable(text):
            fault(field, "NOT_READABLE")


def _unreadable(text: str) -> bool:
    """Control characters, marks that turn the direction of writing, and what was lost in an earlier conversion."""
    return any(unicodedata.category(each) in ("Cc", "Cs", "Cf") or each == "\ufffd" for each in text)


def _category(said: Mapping[str, str], fault: Fault) -> int:
    text = said.get("category", "").casefold().replace("_", " ").replace("'", "")
    found = _CATEGORIES.get(text, 0)
    if not found:
        fault("category", "CATEGORY_UNKNOWN" if text else "MISSING")
    return found


def _licence(said: Mapping[str, str], fault: Fault) -> str:
    text = said.get("licence", "").replace(" ", "").replace("-", "").upper()
    if _LICENCE.fullmatch(text) is None:
        fault("licence", "LICENCE_INVALID")
    return text


def _operators(said: Mapping[str, str], fault: Fault) -> list[str]:
    found = list(dict.fromkeys(each for each in _split(said.get("operators", "")) if each))
    if len(found) > _MOST_OPERATORS or any(len(each) > _LONGEST or _unreadable(each) for each in found):
        fault("operators", "OPERATORS_INVALID")
    return found


def _split(text: str) -> list[str]:
    return [part.strip() for part in _SEPARATORS.split(text)]


def _zones(said: Mapping[str, str], fault: Fault) -> list[NewZone]:
    """Sub-zones are named in one cell, `一层|二层`; so are their capacities, or one for each of them."""
    names = [name for name in _split(said.get("zone", "")) if name] or ["大厅"]
    numbers = [number for number in _split(said.get("capacity", "")) if number] or [str(_DEFAULT_CAPACITY)]
    if len(names) > _MOST_ZONES or any(len(name) > _LONGEST or _unreadable(name) for name in names):
        fault("zone", "ZONES_INVALID")
    elif len(set(names)) < len(names):
        fault("zone", "ZONE_TWICE")
    capacities = [
        int(each) if _NUMBER.fullmatch(each) else 0 for each in (number.removesuffix("人") for number in numbers)
    ]
    if not all(1 <= capacity <= 100_000 for capacity in capacities):  # noqa: PLR2004 - the contract's
        fault("capacity", "CAPACITY_INVALID")
    elif len(capacities) not in (1, len(names)):
        fault("capacity", "CAPACITY_COUNT")
    each = capacities * len(names) if len(capacities) == 1 else capacities
    return [NewZone(name, capacity) for name, capacity in zip(names, each, strict=False)]
