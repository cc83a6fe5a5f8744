"""Venue codes: signed with the service's own key, checked against the zones in memory."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis.errors import DomainError, Kind
from passes import cose, venue_code
from passes.errors import PassError, Reason
from passes.vault import KeyVault
from passes.venue_code import ScreenGrant, VenueCode

from venue.register.model import ZoneFacts

_REMEMBERED: Final = 50_000


@dataclass(frozen=True, slots=True)
class ReadCode:
    """A parsed code and its bytes, which a visitor's phone signs."""

    code: VenueCode
    data: bytes


class VenueCodes:
    """Issues and reads codes. The vault holds the signing key and the secret from which all screens' secrets derive."""

    def __init__(self, vault: KeyVault) -> None:
        self._key = vault.signing_key("venue-code")
        self._master = vault.secret("venue-screens")
        self._kid = cose.kid_of(self._key.public_key())
        self._verifier = venue_code.VenueCodeVerifier({self._kid: self._key.public_key()}, self.screen_secret)
        self._read: dict[str, ReadCode] = {}

    def poster(self, zone: int, version: int) -> str:
        """The text of a zone's printed code."""
        return venue_code.issue_poster(zone, version, self._key).to_text()

    def screen(self, zone: int, version: int) -> ScreenGrant:
        """What a screen shows beside the changing part."""
        return venue_code.issue_screen(zone, version, self._key)

    def screen_secret(self, zone: int, version: int) -> bytes:
        """32 bytes, derived: nothing is stored."""
        return venue_code.screen_secret(self._master, zone, version)

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
        current = 0 if zone is None else zone.screen_version if code.rotating else zone.code_version
        if zone is None or code.version > current:
            raise DomainError(Kind.UNAVAILABLE, "VENUE_CODE_NOT_YET_KNOWN", "This code is new; try again in a moment.")
        if code.version < current or not zone.code_valid:
            raise DomainError(Kind.PRECONDITION, "VENUE_CODE_REVOKED", "This venue code is no longer in force.")
        return zone


def _invalid() -> DomainError:
    return DomainError(Kind.INVALID, "VENUE_CODE_INVALID", "This is not a genuine venue code.")
