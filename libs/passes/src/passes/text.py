"""base45 (RFC 9285) for QR text, strict, and forgiving only where a keyboard-wedge scanner alters what it types.

Home-made because the text form is decoded on every scan: one table look-up and one list per text instead of a loop in
Python.
"""

import sys
from array import array
from itertools import chain
from typing import Final

from passes.cbor import malformed

MAX_TEXT: Final = 2048
_ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_FOREIGN: Final = 255
_VALUES: Final = bytes(_ALPHABET.index(code) if code in _ALPHABET else _FOREIGN for code in range(256))
_TYPED_NOISE: Final = dict.fromkeys(map(ord, "\r\n\t\x00"), None)


def encode(data: bytes) -> str:
    """base45 text of any bytes."""
    even = len(data) & ~1
    groups = (divmod(data[at] << 8 | data[at + 1], 2025) for at in range(0, even, 2))
    digits = [(rest % 45, rest // 45, high) for high, rest in groups]
    last = divmod(data[-1], 45)[::-1] if len(data) & 1 else ()
    return bytes(_ALPHABET[digit] for digit in chain(*digits, last)).decode("ascii")


def decode(text: bytes) -> bytes:
    """Bytes of base45 text.

    PassError(MALFORMED) for a foreign character, an impossible length or a group that is too large.
    """
    values = text.translate(_VALUES)
    size = len(values)
    if _FOREIGN in values or size % 3 == 1:
        raise malformed()
    whole = size - size % 3
    try:
        pairs = array(
            "H",
            [
                a + 45 * b + 2025 * c
                for a, b, c in zip(values[0:whole:3], values[1:whole:3], values[2:whole:3], strict=True)
            ],
        )
        tail = bytes((values[-2] + 45 * values[-1],)) if size % 3 else b""
    except (OverflowError, ValueError):
        raise malformed() from None
    if sys.byteorder == "little":
        pairs.byteswap()
    return pairs.tobytes() + tail


def typed(text: str, prefix: str) -> bytes:
    """The bytes behind a typed QR text `prefix` + base45.

    Line ends, tabs and surrounding spaces are dropped and letters raised, as scanners add and lower them; spaces
    inside stay, because the space is a base45 digit (it can never be the last one). At most 2048 characters.
    """
    if len(text) > MAX_TEXT:
        raise malformed()
    if not text.isascii():  # before raising letters: some foreign letters become ours then
        raise malformed()
    clean = text.translate(_TYPED_NOISE).strip(" ").upper()
    if not clean.startswith(prefix):
        raise malformed()
    return decode(clean[len(prefix) :].encode("ascii"))
