"""Passes and presentations that must admit nobody, by name: (how to make it, the reasons that may be given)."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import cbor2
from access_matrix.world import new_key
from passes import cose, presentation, text
from passes.make_vectors import FOLDER
from passes.presentation import PREFIX, Presentation

from attack_tools.forger import ORDER
from attack_tools.hand import Hand

SEED: Final = 20220315
FLIPS: Final = 48
M, U, B, W = "MALFORMED", "UNKNOWN_KEY", "BAD_SIGNATURE", "WRONG_DAY"
ANY: Final = frozenset({M, U, B, W, "STALE", "CLOCK", "PRESENCE", "WRONG_CONTEXT"})


def malleated(signature: bytes) -> bytes:
    """The other signature that anybody can make of a valid one: s becomes the order less s."""
    return signature[:32] + (ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


def _flip(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]


def _set(label: Any, value: Any) -> Callable[[dict[Any, Any]], Any]:
    return lambda claims: claims.__setitem__(label, value(claims.get(label)) if callable(value) else value)


def _drop(label: int) -> Callable[[dict[Any, Any]], Any]:
    return lambda claims: claims.pop(label)


def _kid(header: bytes) -> bytes:
    kid: bytes = cbor2.loads(header)[4]
    return kid


Make = Callable[[Hand], bytes | str]
Case = tuple[Make, frozenset[str]]
_TAGS, _DRILL = -65537, -65538


def _cases(reasons: str, makes: Mapping[str, Make]) -> dict[str, Case]:
    return {name: (make, frozenset(reasons.split())) for name, make in makes.items()}


OUTER = _cases(
    f"{M} PRESENCE",
    {
        "version 0": lambda h: h.with_items(at=0, value=0),
        "version 2": lambda h: h.with_items(at=0, value=2),
        "version negative": lambda h: h.with_items(at=0, value=-1),
        "version as text": lambda h: h.with_items(at=0, value="1"),
        "version as a float": lambda h: h.with_items(at=0, value=1.0),
        "no pass": lambda h: h.with_items(at=1, value=b""),
        "pass as text": lambda h: h.with_items(at=1, value="x" * 200),
        "pass too long": lambda h: h.with_items(at=1, value=b"\xd2" * 513),
        "pass cut short": lambda h: h.with_items(at=1, value=lambda t: t[:-1]),
        "pass with a byte more": lambda h: h.with_items(at=1, value=lambda t: t + b"\0"),
        "pass twice": lambda h: h.with_items(at=1, value=lambda t: t + t),
        "time as text": lambda h: h.with_items(at=2, value="now"),
        "time as a float": lambda h: h.with_items(at=2, value=float),
        "time negative": lambda h: h.with_items(at=2, value=lambda t: -t),
        "time null": lambda h: h.with_items(at=2, value=None),
        "time beyond 32 bits": lambda h: h.with_items(at=2, value=2**32),
        "time beyond 64 bits": lambda h: h.with_items(at=2, value=2**64),
        "nobody present": lambda h: h.with_items(at=3, value=0),
        "a seventh person": lambda h: h.with_items(at=3, value=64),
        "presence of many bits": lambda h: h.with_items(at=3, value=2**63),
        "presence a list": lambda h: h.with_items(at=3, value=[1]),
        "presence true": lambda h: h.with_items(at=3, value=True),
        "context as text": lambda h: h.with_items(at=4, value="x"),
        "context too long": lambda h: h.with_items(at=4, value=b"x" * 161),
        "no signature": lambda h: h.with_items(at=5, value=b""),
        "signature null": lambda h: h.with_items(at=5, value=None),
        "signature a byte short": lambda h: h.with_items(at=5, value=lambda s: s[:-1]),
        "signature a byte long": lambda h: h.with_items(at=5, value=lambda s: s + b"\0"),
        "five items": lambda h: cbor2.dumps(cbor2.loads(h.with_items())[:5]),
        "seven items": lambda h: cbor2.dumps([*cbor2.loads(h.with_items()), 0]),
        "a map": lambda h: cbor2.dumps(dict(enumerate(cbor2.loads(h.with_items())))),
        "in an array": lambda h: b"\x81" + h.with_items(),
        "under a tag": lambda h: b"\xd8\x2a" + h.with_items(),
        "self-described": lambda h: b"\xd9\xd9\xf7" + h.with_items(),
        "indefinite length": lambda h: b"\x9f" + h.with_items()[1:] + b"\xff",
        "longer array head": lambda h: b"\x98\x06" + h.with_items()[1:],
        "longer version": lambda h: h.with_items()[:1] + b"\x18\x01" + h.with_items()[2:],
        "longest version": lambda h: h.with_items()[:1] + b"\x1b" + b"\0" * 7 + b"\x01" + h.with_items()[2:],
        "a byte more": lambda h: h.with_items() + b"\0",
        "twice": lambda h: h.with_items() * 2,
        "a byte short": lambda h: h.with_items()[:-1],
        "only the head": lambda h: h.with_items()[:1],
        "half": lambda h: h.with_items()[: len(h.with_items()) // 2],
        "nothing": lambda _: PREFIX,
        "deep arrays": lambda _: b"\x81" * 900,
        "deep tags": lambda _: b"\xc6" * 900,
        "huge length": lambda _: b"\x86\x01\x5b" + b"\xff" * 8,
        "break first": lambda _: b"\xff" * 100,
    },
)
SIGNED = _cases(
    B,
    {
        "time a second on": lambda h: h.with_items(at=2, value=lambda t: t + 1),
        "time a second back": lambda h: h.with_items(at=2, value=lambda t: t - 1),
        "time zero": lambda h: h.with_items(at=2, value=0),
        "companions added": lambda h: h.with_items(at=3, value=7),
        "holder left out": lambda h: h.with_items(at=3, value=2, presence=3),
        "companions left out": lambda h: h.with_items(at=3, value=1, presence=7),
        "context altered": lambda h: h.with_items(at=4, value=lambda c: c + b"x"),
        "context of another place": lambda h: h.with_items(at=4, value=b"another place"),
        "signature of zeros": lambda h: h.with_items(at=5, value=bytes(64)),
        "signature of ones": lambda h: h.with_items(at=5, value=b"\xff" * 64),
        "r and s are the order": lambda h: h.with_items(at=5, value=ORDER.to_bytes(32) * 2),
        "r zero": lambda h: h.with_items(at=5, value=lambda s: bytes(32) + s[32:]),
        "s zero": lambda h: h.with_items(at=5, value=lambda s: s[:32] + bytes(32)),
        "r and s swapped": lambda h: h.with_items(at=5, value=lambda s: s[32:] + s[:32]),
        "r one bit off": lambda h: h.with_items(at=5, value=lambda s: _flip(s, 31)),
        "s one bit off": lambda h: h.with_items(at=5, value=lambda s: _flip(s, 63)),
        "s plus the order": lambda h: h.with_items(at=5, value=lambda s: s[:32] + _plus_order(s[32:])),
        "signature of another moment": lambda h: replace(h.shown(), signature=h.shown(seconds=-9).signature).to_bytes(),
        "signature of another presence": lambda h: replace(
            h.shown(), signature=h.shown(presence=3).signature
        ).to_bytes(),
        "the issuer's signature": lambda h: h.with_items(at=5, value=h.parts()[3]),
        "a stranger's key": lambda h: h.shown(key=new_key()).to_bytes(),
        "another phone's key": lambda h: h.shown(key=h.stage.restricted.keys[h.stage.today]).to_bytes(),
        "the same phone's key of tomorrow": lambda h: h.shown(key=h.stage.family.keys[h.stage.today + 1]).to_bytes(),
        "a scanner's key": lambda h: h.shown(key=h.stage.world.device_key).to_bytes(),
        "the issuer's key": lambda h: h.shown(key=h.stage.issuer()[0]).to_bytes(),
        "another's pass, own key": lambda h: h.shown(h.stage.restricted.passes[h.stage.today]).to_bytes(),
        "another's pass under a seen signature": lambda h: replace(
            h.shown(), pass_token=h.stage.restricted.passes[h.stage.today]
        ).to_bytes(),
        "issuer's signature malleated, phone's left": lambda h: h.with_items(
            at=1,
            value=lambda _: cbor2.dumps(cbor2.CBORTag(18, [*h.parts()[:3], malleated(h.parts()[3])]), canonical=True),
        ),
        "issuer's signature of zeros": lambda h: h.with_part(3, bytes(64)),
        "issuer's r and s swapped": lambda h: h.with_part(3, lambda s: s[32:] + s[:32]),
        "issuer's signature of another day": lambda h: h.with_part(
            3, cbor2.loads(h.stage.family.passes[h.stage.today + 1]).value[3]
        ),
        "issuer's signature of another person": lambda h: h.with_part(
            3, cbor2.loads(h.stage.restricted.passes[h.stage.today]).value[3]
        ),
        "claims of another day": lambda h: h.with_part(
            2, cbor2.loads(h.stage.family.passes[h.stage.today + 1]).value[2]
        ),
        "signed by itself": lambda h: h.issued_by(h.key, h.stage.issuer()[1]),
        "signed by a stranger as the issuer": lambda h: h.issued_by(new_key(), h.stage.issuer()[1]),
        "real, signed by the drills' key as the real one": lambda h: h.issued_by(
            h.stage.issuer(drill=True)[0], h.stage.issuer()[1]
        ),
        "signed by the venue's key as the issuer": lambda h: h.issued_by(
            h.stage.venue_vault.signing_key("venue-code"), h.stage.issuer()[1]
        ),
        "claim iss": lambda h: h.with_claims(_set(1, "lilitonG")),
        "claim exp a day on": lambda h: h.with_claims(_set(4, lambda v: v + 86_400)),
        "claim nbf": lambda h: h.with_claims(_set(5, 0)),
        "claim iat": lambda h: h.with_claims(_set(6, lambda v: v + 1)),
        "claim cnf": lambda h: h.with_claims(lambda c: c[8][1].__setitem__(-2, bytes(32))),
        "claim tags: another": lambda h: h.with_claims(_set(_TAGS, [b"\x02" * 16])),
        "claim tags: one more": lambda h: h.with_claims(_set(_TAGS, lambda v: [*v, b"\x02" * 16])),
        "claim tags: one less": lambda h: h.with_claims(_set(_TAGS, lambda v: v[:1])),
        "claim tags: other order": lambda h: h.with_claims(_set(_TAGS, lambda v: v[::-1])),
        "claim drill": lambda h: h.with_claims(_set(_DRILL, "drill")),
    },
)
COSE = _cases(
    M,
    {
        "tag of COSE_Sign": lambda h: h.with_part(1, {}, tag=98),
        "tag of COSE_Mac0": lambda h: h.with_part(1, {}, tag=17),
        "tag of a CWT": lambda h: h.with_part(1, {}, tag=61),
        "no tag": lambda h: h.with_part(1, {}, tag=None),
        "header in the open": lambda h: h.with_part(1, {1: -7}),
        "key id in the open": lambda h: h.with_part(1, {4: b"x" * 8}),
        "no protected header": lambda h: h.with_part(0, b""),
        "protected header a map": lambda h: h.with_part(0, {1: -7}),
        "no algorithm": lambda h: h.with_part(0, lambda p: cbor2.dumps({4: _kid(p)})),
        "no key id": lambda h: h.with_part(0, cbor2.dumps({1: -7})),
        "algorithm ES384": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: -35, 4: _kid(p)})),
        "algorithm EdDSA": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: -8, 4: _kid(p)})),
        "algorithm HMAC": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: 5, 4: _kid(p)})),
        "algorithm none": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: 0, 4: _kid(p)})),
        "algorithm as text": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: "ES256", 4: _kid(p)})),
        "unknown critical header": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: -7, 2: [99], 4: _kid(p), 99: 1})),
        "critical list alone": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: -7, 2: [4], 4: _kid(p)})),
        "unknown header": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: -7, 4: _kid(p), 99: 1})),
        "content type": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: -7, 3: "x", 4: _kid(p)})),
        "certificate chain": lambda h: h.with_part(0, lambda p: cbor2.dumps({1: -7, 4: _kid(p), 33: b"x"})),
        "header keys in other order": lambda h: h.with_part(0, lambda p: cbor2.dumps({4: _kid(p), 1: -7})),
        "header key twice": lambda h: h.with_part(0, lambda p: b"\xa3\x01\x26\x01\x26\x04\x48" + _kid(p)),
        "key id too short": lambda h: h.with_part(0, cbor2.dumps({1: -7, 4: b"short"})),
        "key id too long": lambda h: h.with_part(0, cbor2.dumps({1: -7, 4: b"k" * 17})),
        "detached payload": lambda h: h.with_part(2, None),
        "empty payload": lambda h: h.with_part(2, b""),
        "payload as text": lambda h: h.with_part(2, "claims"),
        "signature of 63 bytes": lambda h: h.with_part(3, lambda s: s[:63]),
        "signature of 65 bytes": lambda h: h.with_part(3, lambda s: s + b"\0"),
        "signature in DER": lambda h: h.with_part(3, b"\x30\x44\x02\x20" + b"\x01" * 68),
        "misissued: unknown claim": lambda h: h.misissued(_set(7, b"id")),
        "misissued: unknown text claim": lambda h: h.misissued(_set("x", 1)),
        "misissued: unknown private claim": lambda h: h.misissued(_set(-65539, 1)),
        "misissued: subject": lambda h: h.misissued(_set(2, "a person")),
        "misissued: audience": lambda h: h.misissued(_set(3, "venue")),
        "misissued: another issuer": lambda h: h.misissued(_set(1, "another")),
        "misissued: no issuer": lambda h: h.misissued(_drop(1)),
        "misissued: no end": lambda h: h.misissued(_drop(4)),
        "misissued: end in the day": lambda h: h.misissued(_set(4, lambda v: v - 1)),
        "misissued: two days": lambda h: h.misissued(_set(5, lambda v: v - 86_400)),
        "misissued: moment of issue": lambda h: h.misissued(_set(6, lambda v: v + 7)),
        "misissued: no phone key": lambda h: h.misissued(_drop(8)),
        "misissued: key id for the phone key": lambda h: h.misissued(_set(8, {3: b"kid"})),
        "misissued: phone key of another curve": lambda h: h.misissued(lambda c: c[8][1].__setitem__(-1, 2)),
        "misissued: phone key off the curve": lambda h: h.misissued(lambda c: c[8][1].__setitem__(-2, b"\x01" * 32)),
        "misissued: phone key of zeros": lambda h: h.misissued(
            lambda c: c[8][1].update({-2: bytes(32), -3: bytes(32)})
        ),
        "misissued: private phone key": lambda h: h.misissued(lambda c: c[8][1].__setitem__(-4, b"\x01" * 32)),
        "misissued: nobody": lambda h: h.misissued(_set(_TAGS, [])),
        "misissued: one tag twice": lambda h: h.misissued(_set(_TAGS, [b"\x01" * 16] * 2)),
        "misissued: seven people": lambda h: h.misissued(_set(_TAGS, [bytes((n,)) * 16 for n in range(7)])),
        "misissued: short tag": lambda h: h.misissued(_set(_TAGS, [b"\x01" * 15])),
        "misissued: empty drill": lambda h: h.misissued(_set(_DRILL, ""), drill=True),
        "misissued: drill with a line end": lambda h: h.misissued(_set(_DRILL, "a\nb"), drill=True),
    },
)
KEYS = _cases(
    U,
    {
        "signed by a stranger": lambda h: h.issued_by(k := new_key(), cose.kid_of(k.public_key())),
        "key id of nobody": lambda h: h.issued_by(h.stage.issuer()[0], b"k" * 8),
        "key id of zeros": lambda h: h.issued_by(h.stage.issuer()[0], bytes(8)),
        "key id longer than ours": lambda h: h.issued_by(h.stage.issuer()[0], h.stage.issuer()[1] + b"\0"),
        "signed by the sealing key": lambda h: h.issued_by(
            k := h.stage.vault.signing_key("sealing-1"), cose.kid_of(k.public_key())
        ),
        "signed by the venue's key": lambda h: h.issued_by(
            k := h.stage.venue_vault.signing_key("venue-code"), cose.kid_of(k.public_key())
        ),
        "real, by the drills' issuer": lambda h: h.issued_by(*h.stage.issuer(drill=True)),
        "a drill, by the real issuer": lambda h: h.issued_by(*h.stage.issuer(), drill_id=h.stage.drill_id),
    },
)
TIMES = {
    **_cases("STALE", {"two minutes old": lambda h: h.shown(seconds=-120).to_bytes()}),
    **_cases("CLOCK", {"a minute ahead": lambda h: h.shown(seconds=60).to_bytes()}),
    **_cases("STALE", {"just too old": lambda h: h.shown(seconds=-63).to_bytes()}),
    **_cases("CLOCK", {"just too far ahead": lambda h: h.shown(seconds=40).to_bytes()}),
    **_cases(
        W,
        {
            "tomorrow's pass today": lambda h: h.shown(
                h.stage.family.passes[h.stage.today + 1], h.stage.family.keys[h.stage.today + 1]
            ).to_bytes(),
            "the pass of the day after": lambda h: h.shown(
                h.stage.family.passes[h.stage.today + 2], h.stage.family.keys[h.stage.today + 2]
            ).to_bytes(),
            "today's pass yesterday": lambda h: h.shown(seconds=-86_400).to_bytes(),
            "today's pass tomorrow": lambda h: h.shown(seconds=86_400).to_bytes(),
            "signed in 1970": lambda h: _at(h, 0),
            "signed in 2106": lambda h: _at(h, 2**32 - 1),
        },
    ),
    **_cases(
        "CLOCK",
        {
            "tomorrow's pass, signed for tomorrow": lambda h: h.shown(
                h.stage.family.passes[h.stage.today + 1], h.stage.family.keys[h.stage.today + 1], seconds=86_400
            ).to_bytes()
        },
    ),
    **_cases(
        f"{M} PRESENCE",
        {
            "a fourth of three people": lambda h: h.shown(presence=0b1000).to_bytes(),
            "everybody there could be": lambda h: h.shown(presence=0b111111).to_bytes(),
            "three people and a stranger": lambda h: h.shown(presence=0b1111).to_bytes(),
        },
    ),
    **_cases(
        f"{M} WRONG_CONTEXT",
        {
            "signed for another place": lambda h: h.shown(context=b"another place").to_bytes(),
            "signed for that place and more": lambda h: h.shown(context=h.context + b"\0").to_bytes(),
        },
    ),
}
TEXTS = _cases(
    f"{M} UNKNOWN_CARD",
    {
        "another prefix": lambda h: "LLT2:" + h.shown().to_text()[5:],
        "a pass as a card": lambda h: "LLC1:" + h.shown().to_text()[5:],
        "a pass as a venue code": lambda h: "LLV1:" + h.shown().to_text()[5:],
        "no prefix": lambda h: h.shown().to_text()[5:],
        "prefix twice": lambda h: PREFIX + h.shown().to_text(),
        "prefix in full width": lambda h: "ＬＬＴ１：" + h.shown().to_text()[5:],
        "letters that rise to ours": lambda h: h.shown().to_text()[:-2] + "ſı",
        "a foreign character": lambda h: h.shown().to_text()[:-1] + "_",
        "not ASCII": lambda h: h.shown().to_text()[:-1] + "é",
        "a character short": lambda h: h.shown().to_text()[:-1],
        "a character more": lambda h: h.shown().to_text() + "A",
        "two characters more": lambda h: h.shown().to_text() + "00",
        "a group beyond two bytes": lambda h: h.shown().to_text() + ":::",
        "only a group beyond two bytes": lambda _: "LLT1::::",
        "base64": lambda h: "LLT1:" + h.shown().to_bytes().hex().upper(),
        "a link": lambda h: "https://example.org/?c=" + h.shown().to_text(),
        "a device token": lambda h: h.stage.device()["authorization"].removeprefix("Device "),
        "a person's token": lambda h: h.stage.stack.token("approver"),
        "markup": lambda _: "LLT1:<script>alert(1)</script>",
        "a query": lambda _: "LLT1:'; DROP TABLE passages; --",
        "a format": lambda _: "LLT1:%s%n{0.__class__}${jndi:ldap://x}",
        "line of spaces within": lambda h: h.shown().to_text()[:9] + " " * 300 + h.shown().to_text()[9:],
        "as long as is allowed": lambda _: "LLT1:" + "A" * 2043,
    },
)


def _at(hand: Hand, time: int) -> bytes:
    signature = cose.sign_raw(hand.key, presentation._signed(hand.token, time, 1, hand.context))
    return Presentation(hand.token, time, 1, hand.context, signature).to_bytes()


def _plus_order(half: bytes) -> bytes:
    """The same number modulo the order, where it still fits 32 bytes; else another one."""
    return ((int.from_bytes(half, "big") + ORDER) % 2**256).to_bytes(32, "big")


def _flipped(place: float, bit: int) -> Make:
    def make(hand: Hand) -> bytes:
        data = hand.shown().to_bytes()
        return _flip(data, int(place * len(data)), bit)

    return make


_RANDOM = random.Random(SEED)
RANDOM: dict[str, Case] = {
    f"bit {bit} off at {place:.4f}": (_flipped(place, bit), ANY)
    for place, bit in ((_RANDOM.random(), _RANDOM.randrange(8)) for _ in range(FLIPS))
}
_VECTORS = json.loads((FOLDER / "presentations.json").read_text())
VECTORS: dict[str, Case] = {
    f"{kind}: {vector['name']}": (lambda _, t=vector["text"]: t, ANY)
    for kind in ("accepted", "refused")
    for vector in _VECTORS[kind]
}
"""Of the library, under keys that are published: nobody here trusts them."""

SHOWINGS: dict[str, Case] = {
    f"{kind}: {name}": case
    for kind, cases in {
        "form": OUTER, "signature": SIGNED, "pass": COSE, "key": KEYS, "time": TIMES, "text": TEXTS, "vector": VECTORS,
        "random": RANDOM,
    }.items()
    for name, case in cases.items()
}  # fmt: skip


def as_text(made: bytes | str) -> str:
    return made if isinstance(made, str) else PREFIX + text.encode(made)
