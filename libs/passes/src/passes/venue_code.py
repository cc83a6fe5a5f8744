"""Venue codes.

A signed, versioned zone id on a poster, or the same on a screen with a part that changes every 30 seconds.

The signature covers which of the two it is, so that a photographed screen cannot be turned into a valid poster.
Revocation is the venue service's: it knows the versions in force. The code's bytes are the `context` that a phone
signs at check-in.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from passes import cose, text
from passes.cbor import Reader, malformed
from passes.errors import PassError, Reason

PREFIX: Final = "LLV1:"
DOMAIN: Final = b"lilitong/venue-code/1"
SLOT_SECONDS: Final = 30
TOLERATED_SLOTS: Final = 1
MAC_BYTES: Final = 8
_POSTER, _SCREEN = 1, 2
_MAX_U32: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Turn:
    """The changing part of a screen's code: the slot (Unix time // 30) and its 8-byte code."""

    slot: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class VenueCode:
    """A parsed code. zone and version: unsigned 32 bits. turn: None on a poster; a screen's code has one."""

    zone: int
    version: int
    kid: bytes
    signature: bytes
    turn: Turn | None = None

    @property
    def rotating(self) -> bool:
        """Whether it was read from a screen (presence grade `rotating_code`) or from a poster (`static_code`)."""
        return self.turn is not None

    def to_bytes(self) -> bytes:
        """The binary form, which is also the context of a check-in."""
        items: list[object] = [self.zone, self.version, self.kid, self.signature]
        turn = [self.turn.slot, self.turn.mac] if self.turn else []
        return cbor2.dumps([_SCREEN if self.turn else _POSTER, *items, *turn], canonical=True)

    def to_text(self) -> str:
        """The QR text."""
        return PREFIX + text.encode(self.to_bytes())


@dataclass(frozen=True, slots=True)
class ScreenGrant:
    """What a screen needs beside its secret to show codes: the signed, unchanging part."""

    zone: int
    version: int
    kid: bytes
    signature: bytes

    def show(self, secret: bytes, at: datetime) -> VenueCode:
        """The code of the moment."""
        slot = int(at.timestamp()) // SLOT_SECONDS
        turn = Turn(slot, _mac(secret, self.zone, self.version, slot))
        return VenueCode(self.zone, self.version, self.kid, self.signature, turn)


def issue_poster(zone: int, version: int, signing_key: EllipticCurvePrivateKey) -> VenueCode:
    """Sign a static code. The same input gives the same code, so a poster can be printed again."""
    signature = cose.sign_raw(signing_key, _signed(_POSTER, zone, version))
    return VenueCode(zone, version, cose.kid_of(signing_key.public_key()), signature)


def issue_screen(zone: int, version: int, signing_key: EllipticCurvePrivateKey) -> ScreenGrant:
    """Sign the unchanging part of a rotating code."""
    signature = cose.sign_raw(signing_key, _signed(_SCREEN, zone, version))
    return ScreenGrant(zone, version, cose.kid_of(signing_key.public_key()), signature)


def screen_secret(master: bytes, zone: int, version: int) -> bytes:
    """The 32-byte secret of one screen, derived from the venue service's master secret.

    Nothing to store, gone with the version.
    """
    return hmac.digest(master, b"lilitong/screen-secret/1" + _u32(zone) + _u32(version), "sha256")


def parse(shown: str | bytes) -> VenueCode:
    """Read the QR text or the binary form, strictly; PassError(MALFORMED)."""
    if isinstance(shown, bytes) and shown[:1] >= b"\x80":
        data = shown
    else:
        data = text.typed(shown.decode("latin-1") if isinstance(shown, bytes) else shown, PREFIX)
    reader = Reader(data)
    items = reader.array(5, 7)
    kind = reader.uint()
    if (kind, items) not in {(_POSTER, 5), (_SCREEN, 7)}:
        raise malformed()
    zone, version = _read_u32(reader), _read_u32(reader)
    kid = reader.bstr(cose.KID_BYTES, cose.KID_BYTES)
    signature = reader.bstr(cose.SIGNATURE_BYTES, cose.SIGNATURE_BYTES)
    turn = Turn(_read_u32(reader), reader.bstr(MAC_BYTES, MAC_BYTES)) if kind == _SCREEN else None
    reader.end()
    return VenueCode(zone, version, kid, signature, turn)


class VenueCodeVerifier:
    """Verifies codes and remembers signatures found good, because one poster is scanned thousands of times.

    keys: accepted public keys by kid, read at every call, so that removing one takes effect at once. secret_of: the
    screen secret of (zone, version), see `screen_secret`; former: those under former master secrets that are still
    believed, asked for only when the first does not fit. The memory holds at most `remembered` public statements
    about places, nothing about people.
    """

    def __init__(
        self,
        keys: Mapping[bytes, EllipticCurvePublicKey],
        secret_of: Callable[[int, int], bytes],
        *,
        former: Callable[[int, int], Iterable[bytes]] = lambda *_: (),
        remembered: int = 20_000,
    ) -> None:
        self._keys = keys
        self._secret_of = secret_of
        self._former = former
        self._remembered = remembered
        self._good: set[tuple[bytes, bytes, bytes]] = set()

    def verify(self, code: VenueCode, at: datetime) -> None:
        """Check the signature, and the slot of a screen's code against `at`, the check-in's signed time.

        The slot of `at` and its two neighbours are accepted. PassError: UNKNOWN_KEY, BAD_SIGNATURE, and for a genuine
        screen code STALE or CLOCK when its slot is past or ahead.
        """
        key = self._keys.get(code.kid)
        if key is None:
            raise PassError(Reason.UNKNOWN_KEY)
        signed = _signed(_SCREEN if code.turn else _POSTER, code.zone, code.version)
        statement = (code.kid, signed, code.signature)
        if statement not in self._good:
            cose.verify_raw(key, code.signature, signed)
            if len(self._good) >= self._remembered:
                self._good.clear()
            self._good.add(statement)
        if code.turn:
            self._verify_turn(code, code.turn, int(at.timestamp()) // SLOT_SECONDS)

    def _verify_turn(self, code: VenueCode, turn: Turn, slot: int) -> None:
        if not _shows(self._secret_of(code.zone, code.version), code, turn) and not any(
            _shows(secret, code, turn) for secret in self._former(code.zone, code.version)
        ):
            raise PassError(Reason.BAD_SIGNATURE)
        if turn.slot < slot - TOLERATED_SLOTS:
            raise PassError(Reason.STALE)
        if turn.slot > slot + TOLERATED_SLOTS:
            raise PassError(Reason.CLOCK)


def _shows(secret: bytes, code: VenueCode, turn: Turn) -> bool:
    return hmac.compare_digest(_mac(secret, code.zone, code.version, turn.slot), turn.mac)


def _signed(kind: int, zone: int, version: int) -> bytes:
    return DOMAIN + bytes((kind,)) + _u32(zone) + _u32(version)


def _mac(secret: bytes, zone: int, version: int, slot: int) -> bytes:
    return hmac.digest(secret, b"lilitong/screen/1" + _u32(zone) + _u32(version) + _u32(slot), "sha256")[:MAC_BYTES]


def _u32(value: int) -> bytes:
    if not 0 <= value <= _MAX_U32:
        raise ValueError("an unsigned 32-bit number is needed")
    return value.to_bytes(4, "big")


def _read_u32(reader: Reader) -> int:
    value = reader.uint()
    if value > _MAX_U32:
        raise malformed()
    return value
