"""Vectors of passes and presentations: what must be accepted, and what must be refused with which reason."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import cbor2

from passes import cose, tags, text
from passes.errors import Reason
from passes.pass_token import Pass, issue
from passes.presentation import PREFIX, Presentation, present, verify
from passes.vector_keys import DAY, NOON, issuer_keys, kid, point, private_key, secret

Vector = dict[str, Any]
_MINUTE: Final = timedelta(minutes=1)
_TAGS: Final = tuple(tags.tags_of(secret("day key", 16), [bytes([n]) * 16 for n in range(1, 7)]))
_STATEMENT: Final = Pass(DAY, _TAGS[:1], point("phone"))


def _issue(statement: Pass, role: str = "issuer") -> bytes:
    return issue(statement, private_key(role), kid(role))


def _shown(token: bytes, at: datetime = NOON, **options: Any) -> Presentation:
    return present(token, private_key("phone"), at, **options)


def _signed_claims(**changes: Any) -> bytes:
    """A pass with a good signature over claims that break the profile."""
    claims = cbor2.loads(cose.parse_sign1(_issue(_STATEMENT)).payload)
    claims |= {int(label.removeprefix("claim_").replace("minus_", "-")): value for label, value in changes.items()}
    payload = cbor2.dumps({label: value for label, value in claims.items() if value is not None}, canonical=True)
    return cose.sign1(payload, private_key("issuer"), kid("issuer"))


def _retext(data: bytes) -> str:
    return PREFIX + text.encode(data)


def accepted() -> list[Vector]:
    """Presentations that verify at `now` in `context`."""
    family = replace(_STATEMENT, tags=_TAGS)
    drill = replace(_STATEMENT, drill_id="drill-2022-03")
    context = b"any context a check-in names"
    cases = [
        ("one person, in person", _shown(_issue(_STATEMENT)), NOON),
        ("six people, holder and two companions present", _shown(_issue(family), presence=0b010011), NOON),
        ("companions without the holder", _shown(_issue(family), presence=0b000110), NOON),
        ("for a check-in", _shown(_issue(_STATEMENT), context=context), NOON),
        ("a drill", _shown(_issue(drill, "drill_issuer")), NOON),
        ("phone 30 s ahead, the last moment", _shown(_issue(_STATEMENT)), NOON - _MINUTE / 2),
        ("60 s old, the last moment", _shown(_issue(_STATEMENT)), NOON + _MINUTE),
    ]
    return [_accepted(name, shown, now) for name, shown, now in cases]


def _accepted(name: str, shown: Presentation, now: datetime) -> Vector:
    seen = verify(shown, issuer_keys(), now, context=shown.context)
    return {
        "name": name,
        "text": shown.to_text(),
        "bytes": shown.to_bytes().hex(),
        "pass": shown.pass_token.hex(),
        "now": int(now.timestamp()),
        "context": shown.context.hex(),
        "day": seen.day.isoformat(),
        "time": shown.time,
        "present_tags": [tag.hex() for tag in seen.present_tags],
        "holder_tag": seen.holder_tag.hex(),
        "drill_id": seen.drill_id,
        "digest": seen.digest.hex(),
    }


def refused() -> list[Vector]:
    """Presentations that must be refused at `now` in `context`, each with its reason."""
    token = _issue(_STATEMENT)
    good = _shown(token)
    data = good.to_bytes()
    by_stranger = issue(_STATEMENT, private_key("stranger"), kid("issuer"))
    unknown = _issue(_STATEMENT, "stranger")
    thief = present(token, private_key("stranger"), NOON)
    twice = _signed_claims(claim_minus_65537=[_TAGS[0], _TAGS[0]])
    midnight = NOON + timedelta(hours=12)
    soon, late = NOON - timedelta(seconds=31), NOON + timedelta(seconds=61)
    cases: list[tuple[str, str, datetime, bytes, Reason]] = [
        ("61 s old", good.to_text(), late, b"", Reason.STALE),
        ("phone 31 s ahead", good.to_text(), soon, b"", Reason.CLOCK),
        ("signed the next local day", _shown(token, midnight).to_text(), midnight, b"", Reason.WRONG_DAY),
        ("shown elsewhere", good.to_text(), NOON, b"a venue code", Reason.WRONG_CONTEXT),
        ("for a check-in, shown at a gate", _shown(token, context=b"x").to_text(), NOON, b"", Reason.WRONG_CONTEXT),
        ("issuer key unknown", _shown(unknown).to_text(), NOON, b"", Reason.UNKNOWN_KEY),
        ("stranger under our key id", _shown(by_stranger).to_text(), NOON, b"", Reason.BAD_SIGNATURE),
        ("another phone", thief.to_text(), NOON, b"", Reason.BAD_SIGNATURE),
        ("time changed", replace(good, time=good.time + 1).to_text(), NOON, b"", Reason.BAD_SIGNATURE),
        ("somebody not on the pass", _shown(token, presence=0b10).to_text(), NOON, b"", Reason.PRESENCE),
        ("nobody present", replace(good, presence=0).to_text(), NOON, b"", Reason.PRESENCE),
        ("real pass, drill key", _shown(_issue(_STATEMENT, "drill_issuer")).to_text(), NOON, b"", Reason.DRILL),
        ("drill, real key", _shown(_issue(replace(_STATEMENT, drill_id="d"))).to_text(), NOON, b"", Reason.DRILL),
        ("unknown claim", _shown(_signed_claims(claim_7=b"id")).to_text(), NOON, b"", Reason.MALFORMED),
        ("no phone key", _shown(_signed_claims(claim_8=None)).to_text(), NOON, b"", Reason.MALFORMED),
        ("another issuer", _shown(_signed_claims(claim_1="lilitonG")).to_text(), NOON, b"", Reason.MALFORMED),
        ("one tag twice", _shown(twice).to_text(), NOON, b"", Reason.MALFORMED),
        ("moment of issue told", _shown(_signed_claims(claim_6=1647273601)).to_text(), NOON, b"", Reason.MALFORMED),
        ("version 2", _retext(data[:1] + b"\x02" + data[2:]), NOON, b"", Reason.MALFORMED),
        ("a byte more", _retext(data + b"\x00"), NOON, b"", Reason.MALFORMED),
        ("indefinite length", _retext(b"\x9f" + data[1:] + b"\xff"), NOON, b"", Reason.MALFORMED),
        ("longer head than needed", _retext(b"\x98\x06" + data[1:]), NOON, b"", Reason.MALFORMED),
        ("deep nesting", _retext(b"\x81" * 900), NOON, b"", Reason.MALFORMED),
        ("another prefix", "LLT2:" + good.to_text()[5:], NOON, b"", Reason.MALFORMED),
        ("group beyond two bytes", "LLT1::::", NOON, b"", Reason.MALFORMED),
    ]
    return [
        {"name": name, "text": shown, "now": int(now.timestamp()), "context": context.hex(), "reason": reason.value}
        for name, shown, now, context, reason in cases
    ]
