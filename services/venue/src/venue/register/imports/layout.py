"""What a file turned out to be: encoding, delimiter, and which column says what. Pure."""

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self
from unicodedata import normalize

BOM: Final = codecs.BOM_UTF8
DELIMITERS: Final = (b",", b";", b"\t")
_OTHER_BOMS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "venue", "venue name", "场所名称", "名称", "店名", "单位名称"),
    "category": ("category", "type", "场所类别", "场所类型", "类别", "类型"),
    "area": ("area", "area code", "division", "区划代码", "行政区划代码", "区域代码", "所属区划"),
    "address": ("address", "详细地址", "地址", "场所地址"),
    "zone": ("zone", "zones", "sub-zones", "分区", "区域", "楼层"),
    "capacity": ("capacity", "容量", "核定人数", "最大人数", "承载量"),
    "owner": ("owner", "经营者", "业主", "经营主体", "法定代表人"),
    "responsible_person": ("responsible person", "responsible", "负责人", "责任人", "防疫责任人"),
    "licence": ("licence", "license", "licence number", "license number", "统一社会信用代码", "营业执照号", "许可证号"),
    "operators": ("operators", "accounts", "账号", "经营账号", "登录账号"),
}
"""Field → what its column may be called, in any case and width."""
REQUIRED: Final = ("name", "category", "area", "address")
_FIELDS: Final = {title: field for field, titles in COLUMNS.items() for title in titles}


class LayoutError(Exception):
    """The file as a whole cannot be read; `reason` is what its import says, `line` 0 or where."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class Layout:
    """`columns`: the field of each column, "" for one that says nothing to us; `titles`: as the file calls them."""

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    titles: tuple[str, ...]

    def title(self, field: str) -> str:
        """What the file calls a field's column; the field's own name if it has none."""
        return self.titles[self.columns.index(field)] if field in self.columns else field

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(data["encoding"], data["delimiter"], tuple(data["columns"]), tuple(data["titles"]))


class EncodingCheck:
    """Reads the whole file once, part by part, and tells UTF-8 from GB18030 from what is no text."""

    def __init__(self) -> None:
        self._decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "gb18030")}
        self._first = True

    def feed(self, part: bytes, *, last: bool) -> None:
        """Raises `LayoutError`."""
        if self._first and part.startswith(_OTHER_BOMS):
            raise LayoutError("ENCODING_UTF_16")
        self._first = self._first and not part
        if b"\x00" in part:
            raise LayoutError("NOT_A_TEXT")
        for name, decoder in list(self._decoders.items()):
            try:
                decoder.decode(part, last)
            except UnicodeDecodeError:
                del self._decoders[name]
        if not self._decoders:
            raise LayoutError("ENCODING_UNKNOWN")

    @property
    def encoding(self) -> str:
        """UTF-8 wherever that is possible: a text in GB18030 is hardly ever UTF-8 by chance, the other way round often."""
        return next(iter(self._decoders))


def delimiter_of(start: bytes) -> bytes:
    """The one that the first line that says anything has most of; the comma if none."""
    lines = (line for line in start.split(b"\n") if line.strip(b" \t\r,;"))
    return max(DELIMITERS, key=next(lines, b"").count)


def header(fields: Iterable[bytes], encoding: str, delimiter: bytes) -> Layout:
    """Raises `LayoutError`: a required column is missing, or two say the same."""
    # Byte order marks of other encodings than UTF-8, and second ones, are left in front of the first title.
    titles = tuple(plain(field.decode(encoding, "replace").lstrip("\ufeff"))[:60] for field in fields)
    columns = tuple(_FIELDS.get(title.casefold().replace("_", " ").rstrip("*:"), "") for title in titles)
    for field in REQUIRED:
        if field not in columns:
            chinese = next(title for title in COLUMNS[field] if not title.isascii())
            raise LayoutError(f"COLUMN_MISSING: {field} ({chinese})", 1)
    known = [column for column in columns if column]
    if len(set(known)) < len(known):
        twice = next(column for column in known if known.count(column) > 1)
        raise LayoutError(f"COLUMN_TWICE: {twice}", 1)
    return Layout(encoding, delimiter.decode(), columns, titles)


def plain(text: str) -> str:
    """Full-width letters and digits as ordinary ones (NFKC), runs of white space as one space, none at the ends."""
    return " ".join(normalize("NFKC", text).split())
