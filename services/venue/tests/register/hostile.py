"""A corpus of hostile files, made in code. Big ones are made while they are read: none is ever held whole.

`CORPUS`: group → its files. A file is a name and a function that gives its pieces.
"""

import gzip
import io
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import files

MIB = 1024 * 1024
LIMIT = 32 * MIB
GOOD = files.many(3)
HEAD = files.text([])


@dataclass(frozen=True)
class Hostile:
    name: str
    pieces: Callable[[], Iterator[bytes]]


def small(name: str, content: bytes) -> Hostile:
    return Hostile(name, lambda: iter([content]))


def big(name: str, piece: bytes, size: int, *, head: bytes = b"", tail: bytes = b"") -> Hostile:
    """`size` bytes of repetitions between head and tail."""

    def pieces() -> Iterator[bytes]:
        block = piece * max(1, 65536 // len(piece))
        yield head
        left = size - len(head) - len(tail)
        while left > 0:
            yield block[: min(left, len(block))]
            left -= len(block)
        yield tail

    return Hostile(name, pieces)


def _cells(title: str, values: list[str]) -> list[Hostile]:
    return [
        small(
            f"{title} {number}",
            files.text([files.row(1, **{title: value}), files.row(2)]).encode("utf-8", "surrogatepass"),
        )
        for number, value in enumerate(values)
    ]


def _encodings() -> list[Hostile]:
    names = [
        "utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312", "big5", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
        "utf-32-be", "utf-7", "hz", "shift_jis", "euc_kr", "euc_jp", "iso2022_jp", "cp437", "koi8_r",
    ]  # fmt: skip
    found = [small(name, GOOD.encode(name, "replace")) for name in names]
    found += [
        small(f"gb18030 in {at}", GOOD.encode()[:at] + "店".encode("gb18030") + GOOD.encode()[at:])
        for at in (0, 40, 150)
    ]
    found += [
        small(f"utf-8 in gb18030 {at}", GOOD.encode("gb18030")[:at] + "店".encode() + b"\n") for at in (0, 40, 150)
    ]
    found += [small("two marks", b"\xef\xbb\xbf" * 2 + GOOD.encode()), small("mark alone", b"\xef\xbb\xbf")]
    found += [small("mark inside", GOOD.encode() + b"\xef\xbb\xbf" + files.many(2).encode())]
    return found


def _cut() -> list[Hostile]:
    utf, gb = GOOD.encode(), GOOD.encode("gb18030")
    found = [small(f"utf-8 to {at}", utf[: len(utf) * at // 25]) for at in range(1, 25)]
    return found + [small(f"gb18030 to {at}", gb[: len(gb) * at // 25]) for at in range(1, 25)]


def _flipped() -> list[Hostile]:
    found = []
    for seed in range(40):
        chance = random.Random(seed)
        data = bytearray(GOOD.encode("gb18030" if seed % 2 else "utf-8"))
        for _ in range(1 + seed % 7):
            data[chance.randrange(len(HEAD.encode()), len(data))] = chance.choice(b'",;\t\n\r\x1a\x7f\x80\xff=A')
        found.append(small(f"seed {seed}", bytes(data)))
    return found


def _quotes() -> list[Hostile]:
    head, tail = HEAD.encode(), b"\n" + files.text([files.row(9)]).partition("\r\n")[2].encode()
    bombs = [
        b'"',
        b'""',
        b'"""',
        b'"\n',
        b'"a\n',
        b'"""\n',
        b'""\n"""\n',
        b'a,"\n',
        b'"a"b\n',
        b'"",',
        b'",\n',
        b'x"\n',
        b'"\r',
    ]
    found = [big(f"bomb {bomb!r} {size}", bomb, size, head=head, tail=tail) for bomb in bombs for size in (500, 40_000)]
    found += [
        big(f"bomb {bomb!r} of 1 MiB", bomb, MIB, head=head, tail=tail) for bomb in (b'"', b'""', b'"a\n', b'"""\n')
    ]
    found += [small(f"open in cell {n}", head + b",".join([b"x"] * n + [b'"open']) + tail) for n in range(10)]
    return found


def _long() -> list[Hostile]:
    head, tail = HEAD.encode(), files.text([files.row(9)]).partition("\r\n")[2].encode()
    near = [32 * 1024 + step for step in (-2, -1, 0, 1, 2)]
    found = [big(f"line of {size}", b"x", size, head=head, tail=b"\n" + tail) for size in near]
    found += [
        big("one line of 32 MiB", b"x", LIMIT),
        big("one line of 32 MiB behind titles", b"x", LIMIT, head=head),
        big("commas for 4 MiB", b",", 4 * MIB, head=head, tail=b"\n" + tail),
        big("empty lines", b"\n", MIB, head=head, tail=tail),
        big("lines of commas", b",,,,,,,,,\n", MIB, head=head, tail=tail),
        big("lines of one letter", b"x\n", 30_000, head=head, tail=tail),
        small("a hundred columns", (HEAD.strip() + "," * 95 + "\r\n").encode() + tail),
        small("too many columns", (HEAD.strip() + "," * 200 + "\r\n").encode() + tail),
        small("too many cells", head + tail.strip() + b"," * 300 + b"\n" + tail),
    ]
    return found


def _bytes() -> list[Hostile]:
    good = GOOD.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", "0" * 10_000_000)
    found = [small(f"NUL at {at}", good[:at] + b"\x00" + good[at:]) for at in (0, 1, 30, 150, len(good))]
    found += [big("NULs for 1 MiB", b"\x00", MIB), small("DEL", good + b"\x7f" * 50), small("EOF sign", good + b"\x1a")]
    found += [
        small("gzip", gzip.compress(good)),
        small("zip bomb", packed.getvalue()),
        small("xlsx", b"PK\x03\x04" + b"\x14\x00\x06\x00" * 20),
        small("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 20),
        small("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
        small("html", "<table><tr><td>名称</td></tr></table>".encode()),
        small("json", b'[{"name": "x"}]'),
    ]
    found += [small(f"noise {seed}", random.Random(seed).randbytes(3000)) for seed in range(10)]
    return found


def _formulas() -> list[Hostile]:
    starts = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        " =1",
        '"=1',
        "＝1",
        "|cmd",
        "%0A=1",
        '=HYPERLINK("http://x")',
        "=cmd|' /C x'!A0",
    ]
    return [each for title in ("场所名称", "场所类别", "容量", "负责人") for each in _cells(title, starts)]


def _line_ends() -> list[Hostile]:
    ends = ["\n", "\r", "\r\n", "\n\r", "\r\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"]
    return [small(f"end {end!r}", files.text([files.row(1), files.row(2)], end=end).encode()) for end in ends]


def _titles() -> list[Hostile]:
    full = list(files.TITLES)
    found = [
        small(
            f"without {title}",
            files.text([files.row(1)], titles=[each if each != title else "" for each in full]).encode(),
        )
        for title in full
    ]
    found += [
        small(f"twice {title}", files.text([files.row(1)], titles=[*full[:-1], title]).encode()) for title in full[:4]
    ]
    found += [
        small("titles alone", HEAD.encode()),
        small("titles again", (HEAD + GOOD).encode()),
        small("no titles", GOOD.partition("\r\n")[2].encode()),
        small("long titles", files.text([files.row(1)], titles=["长" * 5000, *full[1:]]).encode()),
        small("blank lines before", b"\n\n ,,\n" + GOOD.encode()),
        small("sep=", b"sep=,\n" + GOOD.encode()),
    ]
    return found


def _letters() -> list[Hostile]:
    names = [
        "\u202e店", "店\u200b店", "a" + "\u0301" * 10_000, "\ud800", "\uffff", "\U0010ffff", "😀" * 100, "\u0000店", "\ufeff店", "店" * 200,
        "店" * 201, "ﷺ" * 100, "\u3000", "'; DROP TABLE venues; --", "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://x}", "%s%n",
    ]  # fmt: skip
    raw = [b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x81", b"\x84\x31\xa4\x37", b"\xfe\x30\x81\x30"]
    head, tail = HEAD.encode(), files.text([files.row(9)]).partition("\r\n")[2].encode()
    return _cells("场所名称", names) + [small(f"bytes {each!r}", head + each + tail) for each in raw]


def _numbers() -> list[Hostile]:
    values = ["-1", "0", "1e9", "０", "８０", "٣", "0x10", "1,000", "NaN", "9" * 1000, "80人", "100001", "1|" * 60, "²"]
    return _cells("容量", values) + _cells("区划代码", values)


CORPUS: dict[str, list[Hostile]] = {
    "encodings": _encodings(),
    "cut": _cut(),
    "flipped": _flipped(),
    "quotes": _quotes(),
    "long": _long(),
    "bytes": _bytes(),
    "formulas": _formulas(),
    "line ends": _line_ends(),
    "titles": _titles(),
    "letters": _letters(),
    "numbers": _numbers(),
}
