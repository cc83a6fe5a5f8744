"""A verdict as a block on the screen, which says it four times: sign, words, pattern of the frame, and place.

ALLOW stands at the left in a thin round frame, REFER in the middle in a hatched one, DENY over the whole width in a solid
one. Colour only adds to that; `scanner.palette` has it.
"""

from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text
from verdicts.model import Verdict

from scanner.palette import VERDICTS

SIGNS: Final = {Verdict.ALLOW: "✔", Verdict.REFER: "▲", Verdict.DENY: "✖"}
NARROWEST: Final = 40
"""Columns below which there is no block, and the line of the verdict says it alone."""
_WIDEST: Final = 80


def shows(encoding: str | None) -> bool:
    """Whether a screen of that encoding shows Chinese and signs."""
    try:
        ("".join(SIGNS.values()) + "░█╭放行").encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Frame:
    top: tuple[str, str, str]
    side: str
    bottom: tuple[str, str, str]
    columns: float
    place: float


_FRAMES: Final = {
    Verdict.ALLOW: _Frame(("╭", "─", "╮"), "│", ("╰", "─", "╯"), 0.5, 0.0),
    Verdict.REFER: _Frame(("░", "░", "░"), "░░", ("░", "░", "░"), 0.6, 0.5),
    Verdict.DENY: _Frame(("█", "▀", "█"), "███", ("█", "▄", "█"), 1.0, 0.0),
}


def block(verdict: Verdict, words: str, columns: int) -> list[Text]:
    """Lines of the block, for a screen of that many columns; none when it is too narrow. words: in the language shown."""
    if columns < NARROWEST:
        return []
    frame, sign = _FRAMES[verdict], SIGNS[verdict]
    room = min(columns, _WIDEST)
    content = f" {sign}  {words}  {sign} "
    width = max(round(room * frame.columns), cell_len(content) + 2 * len(frame.side))
    indent = " " * round((room - width) * frame.place)
    inner = width - 2 * len(frame.side)
    left = (inner - cell_len(content)) // 2
    middle = " " * left + content + " " * (inner - cell_len(content) - left)
    lines = (_edge(frame.top, width), frame.side + middle + frame.side, _edge(frame.bottom, width))
    style = VERDICTS[verdict].style
    return [Text(indent).append(line, style) for line in lines]


def _edge(parts: tuple[str, str, str], width: int) -> str:
    first, between, last = parts
    return first + between * (width - 2) + last
