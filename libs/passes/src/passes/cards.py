"""Paper cards for people without a phone: a random 128-bit number, printed as QR and in letters that can be typed.

The number says nothing and is stored nowhere. The day set carries `card_key(day, number) -> tag`, so a card resolves
in memory and offline, and what is seen of it on two days has nothing in common.
"""

import secrets
from datetime import date
from hashlib import sha256
from typing import Final

from passes.days import day_number
from passes.errors import PassError, Reason

PREFIX: Final = "LLC1:"
NUMBER_BYTES: Final = 16
CARD_KEY_BYTES: Final = 8
SYMBOLS: Final = 28
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {char: value for value, char in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_CRC_BITS: Final = 12
_CRC_MASK: Final = (1 << _CRC_BITS) - 1
_CRC_POLYNOMIAL: Final = 0x80F
_MAX_TYPED: Final = 64


def new_number() -> bytes:
    """The number of a new card: 16 random bytes."""
    return secrets.token_bytes(NUMBER_BYTES)


def card_key(day: date, number: bytes) -> bytes:
    """What the day set lists: SHA-256(day as u32 big-endian || number)[:8]; ValueError for a number of another size."""
    if len(number) != NUMBER_BYTES:
        raise ValueError("a card number has 16 bytes")
    return sha256(day_number(day).to_bytes(4, "big") + number).digest()[:CARD_KEY_BYTES]


def card_text(number: bytes) -> str:
    """The QR text: LLC1: and 28 base32 symbols (Crockford's alphabet) of the number and its 12 check bits."""
    if len(number) != NUMBER_BYTES:
        raise ValueError("a card number has 16 bytes")
    value = int.from_bytes(number, "big") << _CRC_BITS | _crc(number)
    return PREFIX + "".join(_ALPHABET[value >> shift & 31] for shift in range(5 * (SYMBOLS - 1), -1, -5))


def printed(number: bytes) -> str:
    """The symbols as printed under the QR code, in groups of four."""
    symbols = card_text(number).removeprefix(PREFIX)
    return "-".join(symbols[at : at + 4] for at in range(0, SYMBOLS, 4))


def parse_card(text: str) -> bytes:
    """The number of a scanned or typed card. PassError: MALFORMED if it is no card, CHECK if the check bits do not fit.

    Spaces, hyphens, case, a missing prefix and the letters O, I, L for 0 and 1 are forgiven. One wrong symbol or two
    neighbours swapped are always noticed, because a 12-bit CRC finds every error within 12 neighbouring bits.
    """
    if len(text) > _MAX_TYPED or not text.isascii():
        raise PassError(Reason.MALFORMED)
    symbols = "".join(text.upper().replace("-", "").split()).removeprefix(PREFIX)
    if len(symbols) != SYMBOLS:
        raise PassError(Reason.MALFORMED)
    value = 0
    for char in symbols:
        digit = _VALUES.get(char)
        if digit is None:
            raise PassError(Reason.MALFORMED)
        value = value << 5 | digit
    number = (value >> _CRC_BITS).to_bytes(NUMBER_BYTES, "big")
    if value & _CRC_MASK != _crc(number):
        raise PassError(Reason.CHECK)
    return number


def _crc(number: bytes) -> int:
    """CRC-12: polynomial x^12+x^11+x^3+x^2+x+1, most significant bit first, register started with ones."""
    register = _CRC_MASK
    for byte in number:
        for bit in range(7, -1, -1):
            feedback = (register >> (_CRC_BITS - 1) ^ byte >> bit) & 1
            register = register << 1 & _CRC_MASK
            if feedback:
                register ^= _CRC_POLYNOMIAL
    return register
