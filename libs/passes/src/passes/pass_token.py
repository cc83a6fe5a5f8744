"""The pass.

Our signed statement about the holder and the household for one local day, a CWT (RFC 8392) in a COSE_Sign1.

Nothing in it may link two days of a person: there is no subject, no token id, and the phone key is made for the day.
`iat` and `nbf` are both the start of the day, since the moment of issue would be shared by the seven passes that a
phone fetches at once. There is no grace after `exp`: whether a pass is shown now is decided by the presentation's own
time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from passes import cose, days
from passes.cbor import Reader, malformed
from passes.errors import PassError, Reason
from passes.tags import TAG_BYTES

ISSUER: Final = "lilitong"
MAX_TAGS: Final = 6
MAX_DRILL_ID: Final = 64
MAX_PASS_BYTES: Final = 512
CLAIM_ISS, CLAIM_EXP, CLAIM_NBF, CLAIM_IAT, CLAIM_CNF = 1, 4, 5, 6, 8
CLAIM_TAGS: Final = -65537
CLAIM_DRILL: Final = -65538
"""Labels below -65536 are free for private use (RFC 8392 section 9.1.1)."""
_COSE_KEY, _KTY, _EC2, _CRV, _P256, _X, _Y = 1, 1, 2, -1, 1, -2, -3
_COORDINATE = 32


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass says.

    day: the local day it is for. tags: 16 bytes each, the holder first, then up to five companions of the household,
    all different. phone_key: 65-byte SEC1 point of the P-256 key that the phone made for this day. drill_id: empty
    for a real pass, else 1 to 64 visible ASCII characters, the same for everybody in the drill.
    """

    day: date
    tags: tuple[bytes, ...]
    phone_key: bytes
    drill_id: str = ""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that the verifier accepts passes from, and whether it issues drill passes or real ones, never both."""

    public_key: EllipticCurvePublicKey
    drill: bool = False


IssuerKeys = Mapping[bytes, IssuerKey]
"""Accepted issuer keys by their 8-byte kid (`cose.kid_of`)."""


def issue(statement: Pass, signing_key: EllipticCurvePrivateKey, kid: bytes) -> bytes:
    """Sign a pass.

    The caller takes the drill key exactly for drill passes; a verifier refuses a mix-up. ValueError for a pass that
    no verifier would accept.
    """
    cose.key_of_point(statement.phone_key)
    start = days.start_unix(days.day_number(statement.day))
    claims: dict[int, object] = {
        CLAIM_ISS: ISSUER,
        CLAIM_EXP: start + days.DAY_SECONDS,
        CLAIM_NBF: start,
        CLAIM_IAT: start,
        CLAIM_CNF: {_COSE_KEY: _cose_key(statement.phone_key)},
        CLAIM_TAGS: list(statement.tags),
    }
    if statement.drill_id:
        claims[CLAIM_DRILL] = statement.drill_id
    payload = cbor2.dumps(claims, canonical=True)
    try:
        same = read_claims(payload) == statement
    except PassError:
        same = False
    if not same:
        raise ValueError("this pass has no valid encoding")
    return cose.sign1(payload, signing_key, kid)


def verify_pass(token: bytes, keys: IssuerKeys) -> Pass:
    """The statement of a genuine pass.

    PassError: MALFORMED, UNKNOWN_KEY, BAD_SIGNATURE, or DRILL when key and mark disagree.

    Says nothing about time: a pass is only as good as the presentation around it, whose signed time must lie in `day`.
    """
    signed = cose.parse_sign1(token)
    key = keys.get(signed.kid)
    if key is None:
        raise PassError(Reason.UNKNOWN_KEY)
    signed.verify(key.public_key)
    statement = read_claims(signed.payload)
    if key.drill != bool(statement.drill_id):
        raise PassError(Reason.DRILL)
    return statement


def read_claims(payload: bytes) -> Pass:
    """Read the claims strictly. An unknown claim is refused: it might be a limit that this verifier would overlook."""
    reader = Reader(payload)
    claims = reader.map(6, 7)
    reader.expect(CLAIM_ISS)
    if reader.tstr(len(ISSUER), len(ISSUER)) != ISSUER:
        raise malformed()
    reader.expect(CLAIM_EXP)
    end = reader.uint()
    number = days.number_of_unix(end) - 1
    start = end - days.DAY_SECONDS
    if start != days.start_unix(number):
        raise malformed()
    reader.expect(CLAIM_NBF, start, CLAIM_IAT, start, CLAIM_CNF)
    reader.map(1, 1)
    reader.expect(_COSE_KEY)
    reader.map(4, 4)
    reader.expect(_KTY, _EC2, _CRV, _P256, _X)
    x = reader.bstr(_COORDINATE, _COORDINATE)
    reader.expect(_Y)
    y = reader.bstr(_COORDINATE, _COORDINATE)
    reader.expect(CLAIM_TAGS)
    tags = tuple([reader.bstr(TAG_BYTES, TAG_BYTES) for _ in range(reader.array(1, MAX_TAGS))])
    if len(set(tags)) != len(tags):
        raise malformed()
    drill_id = ""
    if claims == 7:  # noqa: PLR2004 - the six claims of every pass, and the drill mark
        reader.expect(CLAIM_DRILL)
        drill_id = reader.tstr(1, MAX_DRILL_ID)
    reader.end()
    try:
        day = days.date_of(number)
    except ValueError:
        raise malformed() from None
    return Pass(day, tags, b"\x04" + x + y, drill_id)


def _cose_key(point: bytes) -> dict[int, object]:
    return {_KTY: _EC2, _CRV: _P256, _X: point[1:33], _Y: point[33:]}
