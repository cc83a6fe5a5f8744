"""Texts as cells of tables that spreadsheets open: none of them is ever computed."""

from typing import Final

_BREAKS: Final = frozenset("\t\r\n\v\f\x85\u2028\u2029")
# What some programs skip before they look for a formula.
_SKIPPED: Final = "\t\r\n\v\f \u00a0\u3000\ufeff\u200b'\""
# What a spreadsheet takes for the beginning of a formula, in either width.
_LIVE: Final = frozenset({*"=+-@|%", "\uff1d", "\uff0b", "\uff0d", "\uff20"})


def is_live(text: str) -> bool:
    """Whether a spreadsheet that reads this as a cell's content might compute it."""
    return text[:1] in _BREAKS or text.lstrip(_SKIPPED)[:1] in _LIVE


def inert(text: str) -> str:
    """The text as a cell of a CSV file: one line, and what might be computed begins with an apostrophe."""
    plain = "".join(" " if char in _BREAKS else char for char in text if char in _BREAKS or char >= " ")
    return f"'{plain}" if is_live(text) or is_live(plain) else plain
