"""base45 (RFC 9285) for QR text, strict, and forgiving only where a keyboard-wedge scanner alters what it types.

Home-made because the text form is decoded on every scan: a table look-up and arithmetic on the whole text instead of a loop in
Python.
"""

from itertools import chain
from typing import Final

from passes.cbor import malformed

MAX_TEXT: Final = 2048
_ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_FOREIGN: Final = 255
_LARGEST_BYTE: Final = 255
_WORTHS: Final = (1, 45, 2025)
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
    count = size // 3
    whole = 3 * count
    # All groups at once: digits of one place lie in lanes of 32 bits of one long integer, and no lane can overflow.
    total = 0
    for place, worth in enumerate(_WORTHS):
        lanes = bytearray(4 * count)
        lanes[3::4] = values[place:whole:3]
        total += worth * int.from_bytes(lanes, "big")
    groups = total.to_bytes(4 * count, "big")
    last = values[-2] + 45 * values[-1] if size % 3 else 0
    if any(groups[1::4]) or last > _LARGEST_BYTE:  # 44 + 44 * 45 + 44 * 2025 needs no fourth byte
        raise malformed()
    pairs = bytearray(2 * count)
    pairs[::2], pairs[1::2] = groups[2::4], groups[3::4]
    return bytes(pairs) + (bytes((last,)) if size % 3 else b"")


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
