"""What a phone shows.

The day's pass, signed together with the time, who of the household is present, and for what it is shown.

The signature of the day's phone key makes a photographed code worthless after a minute, and a code shown at a gate
worthless for a check-in elsewhere (`context`). See README.md for the bytes.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from passes import cose, days, text
from passes.cbor import Reader, malformed
from passes.errors import PassError, Reason
from passes.pass_token import MAX_PASS_BYTES, MAX_TAGS, IssuerKeys, verify_pass

PREFIX: Final = "LLT1:"
DOMAIN: Final = b"lilitong/presentation/1"
SHOWN_IN_PERSON: Final = b""
"""The context of a code that is shown to a person or a scanner, as opposed to a check-in by the phone itself."""
FRESH: Final = (timedelta(seconds=-30), timedelta(seconds=60))
"""Accepted age by the verifier's clock, both ends included: 30 s for a phone that is ahead, 60 s as the code's life."""
LATE: Final = timedelta(hours=72)
MAX_CONTEXT: Final = 160
_VERSION, _ITEMS, _MAX_TIME = 1, 6, 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Presentation:
    """A parsed, not yet verified presentation.

    `time`: Unix seconds as signed. `presence`: bit i means that tag i of the pass is there.
    """

    pass_token: bytes
    time: int
    presence: int
    context: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        """The binary form, for RPCs; `parse` takes it as it takes the text."""
        return cbor2.dumps(
            [_VERSION, self.pass_token, self.time, self.presence, self.context, self.signature], canonical=True
        )

    def to_text(self) -> str:
        """The QR text."""
        return PREFIX + text.encode(self.to_bytes())


@dataclass(frozen=True, slots=True)
class VerifiedPresentation:
    """A genuine presentation.

    day: local day of the tags. present_tags: those who are there, holder first if present. holder_tag: whose phone it
    is, present or not. time: when it was signed (UTC). drill_id: empty if real. digest: 32 bytes, equal for equal
    statements, for replay detection; it covers what was signed and not the signature, because anybody can turn one
    valid ECDSA signature into a second one.
    """

    day: date
    present_tags: tuple[bytes, ...]
    holder_tag: bytes
    time: datetime
    context: bytes
    drill_id: str
    digest: bytes


def present(
    pass_token: bytes,
    phone_key: EllipticCurvePrivateKey,
    at: datetime,
    *,
    presence: int = 1,
    context: bytes = SHOWN_IN_PERSON,
) -> Presentation:
    """Sign as the phone does. Used by tests, the demo and apps in Python; `at` is cut to whole seconds."""
    time = int(at.timestamp())
    if not 0 < presence < 1 << MAX_TAGS or len(context) > MAX_CONTEXT or not 0 <= time <= _MAX_TIME:
        raise ValueError("no verifier would accept this presentation")
    signature = cose.sign_raw(phone_key, _signed(pass_token, time, presence, context))
    return Presentation(pass_token, time, presence, context, signature)


def parse(shown: str | bytes) -> Presentation:
    """Read the QR text (str, or its bytes) or the binary form (bytes), at most 2 KiB.

    PassError(MALFORMED) or PassError(PRESENCE).
    """
    if isinstance(shown, bytes):
        if len(shown) > text.MAX_TEXT:
            raise malformed()
        # The binary form begins with an array head, never with a letter or white space.
        data = text.typed(shown.decode("latin-1"), PREFIX) if shown[:1] < b"\x80" else shown
    else:
        data = text.typed(shown, PREFIX)
    reader = Reader(data)
    reader.array(_ITEMS, _ITEMS)
    reader.expect(_VERSION)
    pass_token = reader.bstr(1, MAX_PASS_BYTES)
    time = reader.uint()
    presence = reader.uint()
    context = reader.bstr(0, MAX_CONTEXT)
    signature = reader.bstr(cose.SIGNATURE_BYTES, cose.SIGNATURE_BYTES)
    reader.end()
    if time > _MAX_TIME:
        raise malformed()
    if not 0 < presence < 1 << MAX_TAGS:
        raise PassError(Reason.PRESENCE)
    return Presentation(pass_token, time, presence, context, signature)


def verify(
    presentation: Presentation,
    keys: IssuerKeys,
    now: datetime,
    *,
    context: bytes = SHOWN_IN_PERSON,
    tolerance: tuple[timedelta, timedelta] = FRESH,
) -> VerifiedPresentation:
    """The live check, at a gate or a door. `now` is the verifier's clock, aware.

    PassError: those of `authenticate`, then STALE when older than the tolerance, CLOCK when signed further in the
    future than it allows. Both are said only of genuine presentations, so that a forgery is never taken for a slow
    phone.
    """
    verified = authenticate(presentation, keys, context=context)
    check_age(verified, now, tolerance)
    return verified


def verify_late(
    presentation: Presentation,
    keys: IssuerKeys,
    now: datetime,
    *,
    context: bytes = SHOWN_IN_PERSON,
    max_age: timedelta = LATE,
) -> VerifiedPresentation:
    """The check of an upload from a device that was offline: judged at its signed time, accepted up to `max_age` later.

    It proves when the phone signed, not when it was shown: the caller marks the item late.
    """
    return verify(presentation, keys, now, context=context, tolerance=(FRESH[0], max_age))


def authenticate(
    presentation: Presentation, keys: IssuerKeys, *, context: bytes = SHOWN_IN_PERSON
) -> VerifiedPresentation:
    """Everything but age: both signatures, day, presence, context.

    PassError: MALFORMED, UNKNOWN_KEY, BAD_SIGNATURE, DRILL, WRONG_DAY (the signed time is outside the pass's local
    day), PRESENCE, WRONG_CONTEXT.
    """
    statement = verify_pass(presentation.pass_token, keys)
    time, presence = presentation.time, presentation.presence
    digest = sha256(_signed(presentation.pass_token, time, presence, presentation.context)).digest()
    cose.verify_digest(cose.key_of_point(statement.phone_key), presentation.signature, digest)
    if days.number_of_unix(time) != days.day_number(statement.day):
        raise PassError(Reason.WRONG_DAY)
    tags = statement.tags
    if not 0 < presence < 1 << len(tags):
        raise PassError(Reason.PRESENCE)
    if presentation.context != context:
        raise PassError(Reason.WRONG_CONTEXT)
    present_tags = tags[:1] if presence == 1 else tuple([tag for bit, tag in enumerate(tags) if presence >> bit & 1])
    signed_at = datetime.fromtimestamp(time, UTC)
    return VerifiedPresentation(statement.day, present_tags, tags[0], signed_at, context, statement.drill_id, digest)


def check_age(verified: VerifiedPresentation, now: datetime, tolerance: tuple[timedelta, timedelta] = FRESH) -> None:
    """PassError(CLOCK) when younger than the tolerance allows, PassError(STALE) when older."""
    age = now - verified.time
    if age < tolerance[0]:
        raise PassError(Reason.CLOCK)
    if age > tolerance[1]:
        raise PassError(Reason.STALE)


def _signed(pass_token: bytes, time: int, presence: int, context: bytes) -> bytes:
    """The bytes the phone signs: domain || SHA-256(pass) || time u64 || presence u8 || context.

    Only the last part varies in length.
    """
    return b"".join((DOMAIN, sha256(pass_token).digest(), time.to_bytes(8, "big"), bytes((presence,)), context))
