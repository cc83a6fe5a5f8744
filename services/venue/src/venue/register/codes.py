"""Venue codes: signed with the newest of the service's keys, checked against all that are believed and the zones in memory."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis.errors import DomainError, Kind
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from passes import cose, venue_code
from passes.errors import PassError, Reason
from passes.venue_code import ScreenGrant, VenueCode
from prometheus_client import Counter

from venue.key_versions import VenueKeys
from venue.register.model import ZoneFacts

_REMEMBERED: Final = 50_000
FORMER: Final = Counter(
    "lilitong_venue_code_former_key_total",
    "Genuine venue codes that were shown and are signed by a key before the newest.",
)


@dataclass(frozen=True, slots=True)
class ReadCode:
    """A parsed code and its bytes, which a visitor's phone signs."""

    code: VenueCode
    data: bytes


class VenueCodes:
    """Issues and reads codes. `keys`: what signs them, and the secret from which all screens' secrets derive."""

    def __init__(self, keys: VenueKeys) -> None:
        self._keys = keys
        self._believed: dict[bytes, EllipticCurvePublicKey] = {}
        self._verifier = venue_code.VenueCodeVerifier(self._believed, self.screen_secret, former=self._former_secrets)
        self._read: dict[str, ReadCode] = {}
        self.take_over()

    def take_over(self) -> None:
        """After the versions of keys were loaded: check-ins ask a dictionary by the code's own key id, however many there are."""
        self._key = self._keys.codes.current[1]
        self._master = self._keys.screens.current[1]
        self.kid = cose.kid_of(self._key.public_key())
        found = {cose.kid_of(key.public_key()): key.public_key() for key in self._keys.codes.believed.values()}
        for kid in self._believed.keys() - found.keys():
            del self._believed[kid]
        self._believed.update(found)
        self._formers = [secret for secret in self._keys.screens.believed.values() if secret != self._master]

    def poster(self, zone: int, version: int) -> str:
        """The text of a zone's printed code."""
        return venue_code.issue_poster(zone, version, self._key).to_text()

    def screen(self, zone: int, version: int) -> ScreenGrant:
        """What a screen shows beside the changing part."""
        return venue_code.issue_screen(zone, version, self._key)

    def screen_secret(self, zone: int, version: int) -> bytes:
        """32 bytes, derived: nothing is stored. Asked again after the master was changed it is another, which holds longer."""
        return venue_code.screen_secret(self._master, zone, version)

    def _former_secrets(self, zone: int, version: int) -> list[bytes]:
        return [venue_code.screen_secret(master, zone, version) for master in self._formers]

    def read(self, text: str) -> ReadCode:
        """Parse a code; raises INVALID / VENUE_CODE_INVALID. One poster is scanned all day, so texts are remembered."""
        found = self._read.get(text)
        if found is None:
            try:
                code = venue_code.parse(text)
            except PassError:
                raise _invalid() from None
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            found = self._read[text] = ReadCode(code, code.to_bytes())
        return found

    def check(self, code: VenueCode, zone: ZoneFacts | None, at: datetime) -> ZoneFacts:
        """The zone that a genuine code in force names; `at` is the check-in's signed time.

        Raises INVALID / VENUE_CODE_INVALID for a forgery, PRECONDITION / VENUE_CODE_REVOKED for a former version and
        VENUE_CODE_EXPIRED for a screen's code of another moment, UNAVAILABLE for one that is newer than this replica's memory.
        """
        try:
            self._verifier.verify(code, at)
        except PassError as error:
            if error.reason in (Reason.STALE, Reason.CLOCK):
                raise DomainError(
                    Kind.PRECONDITION, "VENUE_CODE_EXPIRED", "The screen's code has changed; scan it again."
                ) from None
            raise _invalid() from None
        if code.kid != self.kid:
            FORMER.inc()
        current = 0 if zone is None else zone.screen_version if code.rotating else zone.code_version
        if zone is None or code.version > current:
            raise DomainError(Kind.UNAVAILABLE, "VENUE_CODE_NOT_YET_KNOWN", "This code is new; try again in a moment.")
        if code.version < current or not zone.code_valid:
            raise DomainError(Kind.PRECONDITION, "VENUE_CODE_REVOKED", "This venue code is no longer in force.")
        return zone


def _invalid() -> DomainError:
    return DomainError(Kind.INVALID, "VENUE_CODE_INVALID", "This is not a genuine venue code.")
