"""Files that are no text, or none in an encoding that is read, or that were damaged on the way."""

import bz2
import codecs
import gzip
import io
import random
import zipfile
from datetime import UTC, datetime

from xlsxwriter import Workbook

from . import files
from .hostile_making import GOOD, HEAD, MIB, Hostile, big, small


def encodings() -> list[Hostile]:
    """What no reader expects, with marks and without, and two encodings in one file."""
    names = [
        "utf-8", "utf-8-sig", "gb18030", "big5", "big5hkscs", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
        "utf-32-be", "utf-7", "hz", "shift_jis", "euc_kr", "euc_jp", "iso2022_jp", "iso2022_kr", "latin-1", "cp037",
    ]  # fmt: skip
    found = [small(name, GOOD.encode(name, "replace")) for name in names]
    marks = {
        "utf-16-be": codecs.BOM_UTF16_BE,
        "utf-32-be": codecs.BOM_UTF32_BE,
        "gb18030": b"\x84\x31\x95\x33",
        "utf-7": b"+/v8-",
    }
    found += [small(f"{name} with its mark", mark + GOOD.encode(name)) for name, mark in marks.items()]
    wrong = {
        "gb18030": codecs.BOM_UTF8,
        "utf-8": codecs.BOM_UTF16_LE,
        "big5": codecs.BOM_UTF8,
        "latin-1": codecs.BOM_UTF8,
    }
    found += [small(f"{name} with another's mark", mark + GOOD.encode(name, "replace")) for name, mark in wrong.items()]
    for at in (0, 40, 150):
        found += [
            small(f"gb18030 in utf-8 at {at}", GOOD.encode()[:at] + "店".encode("gb18030") + GOOD.encode()[at:]),
            small(f"utf-8 in gb18030 at {at}", GOOD.encode("gb18030")[:at] + "店".encode() + b"\n"),
            small(f"latin-1 in utf-8 at {at}", GOOD.encode()[:at] + "é".encode("latin-1") + GOOD.encode()[at:]),
        ]
    found += [small("two marks", codecs.BOM_UTF8 * 2 + GOOD.encode()), small("mark alone", codecs.BOM_UTF8)]
    found += [small("mark inside", GOOD.encode() + codecs.BOM_UTF8 + files.many(2).encode())]
    # The mojibake of daily work: UTF-8 that somebody opened as GB18030 and saved again, and the other way round.
    found += [small("utf-8 read as gb18030", GOOD.encode().decode("gb18030", "replace").encode())]
    found += [small("gb18030 read as latin-1", GOOD.encode("gb18030").decode("latin-1").encode())]
    return found


def cut() -> list[Hostile]:
    """Uploads that broke off, in the middle of characters and cells too."""
    utf, gb = GOOD.encode(), GOOD.encode("gb18030")
    found = [small(f"utf-8 to {at}", utf[: len(utf) * at // 25]) for at in range(1, 25)]
    return found + [small(f"gb18030 to {at}", gb[: len(gb) * at // 25]) for at in range(1, 25)]


def flipped() -> list[Hostile]:
    """Some bytes replaced, by seed."""
    found = []
    for seed in range(40):
        chance = random.Random(seed)
        data = bytearray(GOOD.encode("gb18030" if seed % 2 else "utf-8"))
        for _ in range(1 + seed % 7):
            data[chance.randrange(len(HEAD.encode()), len(data))] = chance.choice(b'",;\t\n\r\x1a\x7f\x80\xff=A')
        found.append(small(f"seed {seed}", bytes(data)))
    return found


def no_texts() -> list[Hostile]:
    """Other kinds of files, and noise, by seed."""
    good = GOOD.encode()
    packed, sheet = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("x.csv"), "0" * 10_000_000, zipfile.ZIP_DEFLATED)
    with Workbook(sheet, {"in_memory": True}) as book:
        book.set_properties({"created": datetime(2022, 3, 10, tzinfo=UTC)})  # the same bytes each time
        for at, cells in enumerate([files.TITLES, files.row(1)]):
            book.add_worksheet(f"{at}").write_row(0, 0, cells)
    found = [small(f"NUL at {at}", good[:at] + b"\x00" + good[at:]) for at in (0, 1, 30, 150, len(good))]
    found += [big("NULs for 1 MiB", b"\x00", MIB), small("DEL", good + b"\x7f" * 50), small("EOF sign", good + b"\x1a")]
    found += [
        small("gzip", gzip.compress(good, mtime=0)),
        small("gzip of a million zeros", gzip.compress(b"0" * 1_000_000, mtime=0)),
        small("bzip2", bz2.compress(good)),
        small("zstandard", b"\x28\xb5\x2f\xfd" * 30),
        small("zip bomb", packed.getvalue()),
        small("xlsx", sheet.getvalue()),
        small("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 20),
        small("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
        small("html", "<table><tr><td>名称</td></tr></table>".encode()),
        small("json", b'[{"name": "x"}]'),
    ]
    found += [small(f"noise {seed}", random.Random(seed).randbytes(3000)) for seed in range(10)]
    return found


def line_ends() -> list[Hostile]:
    """Every sign that somebody takes for the end of a line, and all of them in one file."""
    ends = ["\n", "\r", "\r\n", "\n\r", "\r\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"]
    found = [small(f"end {end!r}", files.text([files.row(1), files.row(2)], end=end).encode()) for end in ends]
    for seed in range(5):
        chance, lines = random.Random(seed), files.many(12).split("\r\n")
        found.append(small(f"mixed ends {seed}", "".join(line + chance.choice(ends) for line in lines).encode()))
    return found
