"""Files with values that harm whoever reads or shows them."""

from .hostile_making import HEAD, TAIL, Hostile, cells, small

FORMULAS = [
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
LETTERS = [
    "\u202e店", "店\u200b店", "a" + "\u0301" * 10_000, "\ud800", "\uffff", "\U0010ffff", "😀" * 100, "\u0000店", "\ufeff店", "店" * 200,
    "店" * 201, "ﷺ" * 100, "\u3000", "'; DROP TABLE venues; --", "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://x}", "%s%n",
]  # fmt: skip


def formulas() -> list[Hostile]:
    """What a spreadsheet would compute (OWASP, CSV injection)."""
    return [each for title in ("场所名称", "场所类别", "容量", "负责人") for each in cells(title, FORMULAS)]


def letters() -> list[Hostile]:
    """Characters that turn, hide, join or break off, and what other programs take for commands."""
    raw = [b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x81", b"\x84\x31\xa4\x37", b"\xfe\x30\x81\x30"]
    head, tail = HEAD.encode(), TAIL.encode()
    return cells("场所名称", LETTERS) + [small(f"bytes {each!r}", head + each + tail) for each in raw]


def numbers() -> list[Hostile]:
    """Numbers that are too large, none, or in other digits; places that are none or somebody else's."""
    values = [
        "0", "1e9", "０", "８０", "٣", "0x10", "1,000", "NaN", "9" * 1000, "80人", "100001", "1|" * 60, "²", "∞", "Infinity",
        "1.5", "２|３", str(2**31), str(2**63), str(2**64), "八十", "1_000",
    ]  # fmt: skip
    areas = [
        "110101001001",
        "141103001001",
        "1411",
        "141102",
        "１４１１０２００１００１",
        "141102001001 ",
        "1.41102E+11",
        "%",
        "141102%",
        "141102001\x00",
    ]
    kinds = ["飞船", "0", "14", "餐饮\n餐饮", "１３", "Ｒｅｓｔａｕｒａｎｔ", "餐饮;超市", "0" * 500]
    dates = ["2999-12-31", "9999-99-99", "0000-00-00", "二〇二二年三月十日", "44630"]
    accounts = ["|" * 500, "a|" * 30, "a" * 101, "a\u202e|b", "|".join(f"n{n}" for n in range(21))]
    return [
        each
        for title, every in {
            "容量": values, "区划代码": [*values, *areas], "场所类别": kinds, "统一社会信用代码": [*values[-6:], *dates], "账号": accounts,
        }.items()
        for each in cells(title, every)
    ]  # fmt: skip
