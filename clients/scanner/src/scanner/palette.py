"""The colours of verdicts, told apart by every kind of colour vision, and on paper.

Numbers are those of the 256-colour palette, whose colours are the same on every terminal; one with 16 colours gets the
nearest. Brightness differs as much as hue does: light blue passes, middling orange asks, dark red stops.
"""

from dataclasses import dataclass
from typing import Final

from rich.color import Color
from rich.style import Style
from verdicts.model import Verdict


@dataclass(frozen=True, slots=True)
class Pair:
    """Text on ground, as numbers of the 256-colour palette."""

    text: int
    ground: int

    @property
    def style(self) -> Style:
        return Style(color=_colour(self.text), bgcolor=_colour(self.ground), bold=True)


def _colour(number: int) -> Color:
    return Color.parse(f"color({number})")


VERDICTS: Final = {
    Verdict.ALLOW: Pair(text=16, ground=87),
    Verdict.REFER: Pair(text=16, ground=172),
    Verdict.DENY: Pair(text=231, ground=88),
}
DRILL: Final = Pair(text=231, ground=53)
