"""Why a pass, code, card or token was refused: a stable reason, and never a value from what was presented."""

from enum import StrEnum


class Reason(StrEnum):
    """Machine codes. They are part of the contract with scanners and apps: add, never rename."""

    MALFORMED = "malformed"
    """Not our format, or not its one canonical encoding."""
    UNKNOWN_KEY = "unknown_key"
    """Signed by a key that the verifier does not hold, or no longer accepts."""
    BAD_SIGNATURE = "bad_signature"
    """A signature or a code of a rotating screen does not fit."""
    WRONG_DAY = "wrong_day"
    """Genuine, but the moment of signing is not in the local day it was issued for."""
    STALE = "stale"
    """Genuine, but signed too long ago; show it again."""
    CLOCK = "clock"
    """Genuine, but signed in the verifier's future; one of the two clocks is wrong."""
    WRONG_CONTEXT = "wrong_context"
    """Genuine, but signed for another place or audience."""
    PRESENCE = "presence"
    """Says that nobody is present, or somebody the pass does not hold."""
    DRILL = "drill"
    """A drill pass under a real key, or a real pass under a drill key."""
    CHECK = "check"
    """A typed number whose check characters do not fit: a slip of the finger."""


class PassError(Exception):
    """Refusal with a `reason`.

    The text of the exception is the reason alone, so that logging it tells nothing personal.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class VaultError(Exception):
    """The key vault cannot do what was asked."""


class KeyMissingError(VaultError):
    """No key was ever made for that day: it is not in the window yet."""


class KeyDestroyedError(VaultError):
    """The day's key is destroyed for good; whatever was under it is unreadable, as promised."""


class SealError(Exception):
    """A sealed blob does not open with this key and binding; which of the two is wrong cannot be told."""
