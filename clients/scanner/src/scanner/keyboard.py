"""What comes in by the keyboard: codes that a wedge scanner types, and short commands by staff. Pure.

A wedge scanner is a keyboard: it ends a code with CR, LF, both or a tab, types two codes without a gap when it is quick,
and loses characters when it is jolted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from passes import presentation
from passes.cards import PREFIX as CARD_PREFIX
from passes.cards import parse_card
from passes.errors import PassError
from passes.text import MAX_TEXT
from verdicts.model import Colour, Observations

_ENDS: Final = b"\r\n\t\x03\x04"
_ERASE: Final = b"\x08\x7f"
_ECHOED: Final = 12
_MAX_LINE: Final = 2 * MAX_TEXT
_PREFIX: Final = re.compile(f"{presentation.PREFIX}|{CARD_PREFIX}", re.IGNORECASE | re.ASCII)
_COLOURS: Final = {"g": Colour.GREEN, "y": Colour.YELLOW, "r": Colour.RED, "-": Colour.NOT_SHOWN}
_COLDEST, _HOTTEST = 300, 450


class Lines:
    """Bytes in, lines out. A line that is too long to be anything is cut, and is then no code any more."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[str]:
        """Complete lines, without their ends and without empty ones."""
        for byte in data:
            if byte in _ENDS:
                yield from self.rest()
            elif byte in _ERASE:
                del self._buffer[-1:]
            elif len(self._buffer) < _MAX_LINE:
                self._buffer.append(byte)

    def rest(self) -> Iterator[str]:
        """What was typed since the last end of line."""
        text = bytes(self._buffer).decode("utf-8", "replace").strip(" \x00")
        self._buffer.clear()
        if text:
            yield text


class Echo:
    """What a terminal shows of the typing: commands as they are typed, of a code the first characters only."""

    def __init__(self) -> None:
        self._shown = self._length = 0

    def of(self, data: bytes) -> str:
        """Text to be written for these bytes."""
        written = []
        for byte in data:
            if byte in _ENDS:
                written.append("\n" if self._length else "")
                self._shown = self._length = 0
            elif byte in _ERASE:
                if self._length and self._shown == self._length:
                    self._shown -= 1
                    written.append("\b \b")
                self._length = max(self._length - 1, 0)
            else:
                self._length += 1
                if self._length <= _ECHOED and chr(byte).isascii() and chr(byte).isprintable():
                    self._shown += 1
                    written.append(chr(byte))
        return "".join(written)


def is_code(line: str) -> bool:
    """Whether a line is a pass or a card as it should be, whatever it is worth."""
    try:
        if line[: len(presentation.PREFIX)].upper() == presentation.PREFIX:
            presentation.parse(line)
        else:
            parse_card(line)
    except PassError:
        return False
    return True


def codes(line: str) -> list[str]:
    """The codes in a line: usually the line itself.

    Where codes ran into each other, or a torn one stands before a whole one, the whole ones are kept. A line without
    any stays as it is, for its verdict is that it cannot be read.
    """
    if is_code(line):
        return [line]
    starts = [found.start() for found in _PREFIX.finditer(line)]
    pieces = [line[at:end].strip() for at, end in zip(starts, [*starts[1:], None], strict=False)]
    return [piece for piece in pieces if is_code(piece)] or [line]


@dataclass(frozen=True, slots=True)
class Seen:
    """What staff noted for the next person."""

    observations: Observations = field(default_factory=Observations)
    bearer_matched: bool = False


def note(seen: Seen, line: str) -> Seen | None:
    """The note after a command of staff; None when the line is no such command.

    t 36.8   temperature            ok 36.6   both codes green, mask worn, and the temperature if given
    h g      health code: g y r -   i g       itinerary card: g y r -
    m        mask worn              b         bearer of the paper card compared
    """
    word, _, rest = line.strip().lower().partition(" ")
    rest, now, noted = rest.strip(), seen.observations, None
    match word:
        case "t" | "ok":
            tenths = now.temperature_decicelsius if word == "ok" and not rest else _temperature(rest)
            if tenths is not None:
                codes_too = Observations(0, Colour.GREEN, Colour.GREEN, mask_worn=True) if word == "ok" else now
                noted = replace(seen, observations=replace(codes_too, temperature_decicelsius=tenths))
        case "h" if rest in _COLOURS:
            noted = replace(seen, observations=replace(now, health_code=_COLOURS[rest]))
        case "i" if rest in _COLOURS:
            noted = replace(seen, observations=replace(now, itinerary_card=_COLOURS[rest]))
        case "m" if not rest:
            noted = replace(seen, observations=replace(now, mask_worn=True))
        case "b" if not rest:
            noted = replace(seen, bearer_matched=True)
    return noted


def _temperature(text: str) -> int | None:
    """Tenths of a degree; None when nobody has such a temperature."""
    try:
        tenths = round(float(text.replace(",", ".")) * 10)
    except (ValueError, OverflowError):
        return None
    return tenths if _COLDEST <= tenths <= _HOTTEST else None
