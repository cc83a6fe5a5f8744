"""Forged and altered tokens of people and services, by name. None of them may ever speak for anybody."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from access_matrix.world import new_key
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from devstack.tokens import AUDIENCE, DISTRICT, HOUR, ISSUER, Minter
from passes import cose

ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Make = Callable[["Forger"], str]


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forger:
    """Knows the public key, a genuine token of `role`, and, for what an issuer could do wrong, the issuer's key."""

    def __init__(self, minter: Minter, role: str) -> None:
        key: Any = minter.key
        self.issuer: EllipticCurvePrivateKey = key.private_key
        self.public = self.issuer.public_key()
        self.jwks = minter.jwks.read_bytes()
        self.own = new_key()
        self.role = role

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        whole = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "forger", "iat": now, "exp": now + HOUR, "roles": [self.role],
            "areas": [DISTRICT],
        } | changes  # fmt: skip
        return {name: value for name, value in whole.items() if value is not ...}

    def signed(self, header: Mapping[str, Any] | None = None, key: Any = None, /, **changes: Any) -> str:
        """With a good signature of the issuer, or of `key`; `...` leaves a claim out."""
        text = f"{part(header or {'alg': 'ES256', 'kid': 'devstack-1'})}.{part(self.claims(**changes))}"
        return f"{text}.{part(cose.sign_raw(key or self.issuer, text.encode()))}"

    def altered(self, **changes: Any) -> str:
        """Another payload under the signature of a genuine token."""
        header, _, signature = self.signed().split(".")
        return f"{header}.{part(self.claims(**changes))}.{signature}"

    def headed(self, **header: Any) -> str:
        """Another header, signed anew by the issuer; `...` leaves a field out."""
        whole = {"alg": "ES256", "kid": "devstack-1"} | header
        return self.signed({name: value for name, value in whole.items() if value is not ...})

    def resigned(self, signature: Callable[[bytes], bytes]) -> str:
        """A genuine token with another signature, made of the old one."""
        text, _, old = self.signed().rpartition(".")
        return f"{text}.{part(signature(base64.urlsafe_b64decode(old + '==')))}"

    def hmac(self, secret: bytes, algorithm: str = "HS256", digest: Any = hashlib.sha256) -> str:
        text = f"{part({'alg': algorithm, 'kid': 'devstack-1'})}.{part(self.claims())}"
        return f"{text}.{part(hmac.digest(secret, text.encode(), digest))}"

    def unsigned(self, algorithm: Any) -> str:
        return f"{part({'alg': algorithm, 'kid': 'devstack-1'})}.{part(self.claims())}."

    def pem(self) -> bytes:
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def der(self) -> bytes:
        return self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def jwk(self) -> dict[str, str]:
        numbers = self.own.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": part(numbers.x.to_bytes(32)), "y": part(numbers.y.to_bytes(32))}


def _now(seconds: int) -> int:
    return int(time.time()) + seconds


_ODD_CLAIMS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "another issuer": lambda: {"iss": "urn:another"},
    "issuer in other case": lambda: {"iss": ISSUER.upper()},
    "no issuer": lambda: {"iss": ...},
    "issuer a list": lambda: {"iss": [ISSUER]},
    "another audience": lambda: {"aud": "another"},
    "audience of one service": lambda: {"aud": "lilitong-venue"},
    "audience of scanners": lambda: {"aud": "lilitong-checkpoint"},
    "audience cut short": lambda: {"aud": AUDIENCE[:-1]},
    "no audience": lambda: {"aud": ...},
    "no audience in a list": lambda: {"aud": []},
    "others in a list": lambda: {"aud": ["another", "third"]},
    "audience a list in a list": lambda: {"aud": [[AUDIENCE]]},
    "audience an object": lambda: {"aud": {AUDIENCE: True}},
    "expired an hour ago": lambda: {"exp": _now(-HOUR)},
    "expired beyond the leeway": lambda: {"exp": _now(-31)},
    "without end": lambda: {"exp": ...},
    "end is null": lambda: {"exp": None},
    "end is text": lambda: {"exp": "2099-01-01"},
    "end is digits in text": lambda: {"exp": str(_now(HOUR))},
    "end is true": lambda: {"exp": True},
    "end is negative": lambda: {"exp": -1},
    "end is beyond all time": lambda: {"exp": 10**30},
    "end is a list": lambda: {"exp": [_now(HOUR)]},
    "not yet valid": lambda: {"nbf": _now(HOUR)},
    "not yet valid beyond the leeway": lambda: {"nbf": _now(120)},
    "not-before is text": lambda: {"nbf": "0"},
    "made tomorrow": lambda: {"iat": _now(24 * HOUR)},
    "made is text": lambda: {"iat": "now"},
    "nobody": lambda: {"sub": ...},
    "an empty subject": lambda: {"sub": ""},
    "subject a number": lambda: {"sub": 7},
    "subject with a space": lambda: {"sub": "two words"},
    "subject with a line end": lambda: {"sub": "forger\nx"},
    "subject with a zero byte": lambda: {"sub": "forger\0"},
    "subject too long": lambda: {"sub": "x" * 129},
    "subject not ASCII": lambda: {"sub": "伪造者"},
    "a service's name without its mark": lambda: {"sub": "workload:quarantine"},
    "a service's name, marked false": lambda: {"sub": "workload:quarantine", "workload": False},
    "a person marked as a service": lambda: {"workload": True},
    "marked as a service by text": lambda: {"sub": "workload:venue", "workload": "true"},
    "marked as a service by a number": lambda: {"sub": "workload:venue", "workload": 1},
    "a service in other case": lambda: {"sub": "Workload:venue", "workload": True},
    "roles as text": lambda: {"roles": "venue_officer checkpoint_lead registrar"},
    "roles as an object": lambda: {"roles": {"registrar": True}},
    "a role that is a number": lambda: {"roles": [1]},
    "an empty role": lambda: {"roles": [""]},
    "areas as text": lambda: {"areas": DISTRICT},
    "area of one digit": lambda: {"areas": ["1"]},
    "area of three digits": lambda: {"areas": ["141"]},
    "an empty area": lambda: {"areas": [""]},
    "all areas": lambda: {"areas": ["*"]},
    "a pattern": lambda: {"areas": ["14%"]},
    "area in full-width digits": lambda: {"areas": ["１４１１０２"]},
    "area with a space before": lambda: {"areas": [" 141102"]},
    "area with a line end": lambda: {"areas": ["141102\n"]},
    "area up the tree": lambda: {"areas": ["141102/.."]},
    "area a number": lambda: {"areas": [141102]},
    "area null": lambda: {"areas": [None]},
    "a good area and an odd one": lambda: {"areas": [DISTRICT, "*"]},
}
"""Signed by the issuer itself and still not to be believed."""

_DENIED_CLAIMS: Final[dict[str, dict[str, Any]]] = {
    "no roles": {"roles": []},
    "roles left out": {"roles": ...},
    "roles in another claim": {"roles": ..., "role": ["admin"], "scope": "admin", "realm_access": {"roles": ["admin"]}},
    "a role in other case": {"roles": ["VENUE_OFFICER", "CHECKPOINT_LEAD", "REGISTRAR"]},
    "a role with a space": {"roles": [" venue_officer", "checkpoint_lead ", "registrar "]},
    "the role of an administrator": {"roles": ["admin", "root", "*"]},
    "no areas": {"areas": []},
    "areas left out": {"areas": ...},
    "another district": {"areas": ["110101"]},
    "a sibling street": {"areas": ["141102003"]},
    "only a part": {"areas": ["141102002001999"]},
    "a service without calls of its own": {"sub": "workload:gateway", "workload": True},
    "a service that does not exist": {"sub": "workload:root", "workload": True},
    "a service with a person's roles": {"sub": "workload:gateway", "workload": True, "areas": ["14"]},
}
"""Genuine, of somebody who may not."""

_ALTERED: Final[dict[str, dict[str, Any]]] = {
    "iss": {"iss": "urn:another"},
    "aud": {"aud": ["lilitong", "more"]},
    "sub": {"sub": "somebody-else"},
    "exp": {"exp": 4_000_000_000},
    "iat": {"iat": 1},
    "nbf": {"nbf": 1},
    "roles": {"roles": ["approver", "venue_officer", "checkpoint_lead", "registrar"]},
    "areas": {"areas": ["14"]},
    "workload": {"workload": True, "sub": "workload:quarantine"},
    "jti": {"jti": "x"},
}

_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "crit of a known claim": {"crit": ["exp"]},
    "crit of b64": {"crit": ["b64"], "b64": True},
    "empty crit": {"crit": []},
    "crit as text": {"crit": "exp"},
    "b64 false": {"b64": False},
    "b64 true": {"b64": True},
    "no kid": {"kid": ...},
    "kid null": {"kid": None},
    "kid a number": {"kid": 1},
    "kid a list": {"kid": ["devstack-1"]},
    "kid empty": {"kid": ""},
    "kid unknown": {"kid": "devstack-2"},
    "kid in other case": {"kid": "DEVSTACK-1"},
    "kid a path": {"kid": "../../../../dev/null"},
    "kid a query": {"kid": "x' OR '1'='1"},
    "kid with a zero byte": {"kid": "devstack-1\0"},
    "kid very long": {"kid": "k" * 5000},
    "no alg": {"alg": ...},
    "alg null": {"alg": None},
    "alg a list": {"alg": ["ES256"]},
    "alg in other case": {"alg": "es256"},
    "alg ES384": {"alg": "ES384"},
    "alg ES256K": {"alg": "ES256K"},
    "alg EdDSA": {"alg": "EdDSA"},
    "alg RS256": {"alg": "RS256"},
    "alg PS256": {"alg": "PS256"},
    "alg with a space": {"alg": "ES256 "},
}

_ES = {"alg": "ES256", "kid": "devstack-1"}
_FORGED: Final[dict[str, Make]] = {
    "nothing": lambda _: "",
    "two dots": lambda _: "..",
    "no token": lambda _: "let-me-in",
    "empty objects": lambda _: "e30.e30.e30",
    "lists for objects": lambda f: f"{part([])}.{part([])}.{part(b'x' * 64)}",
    "claims a list": lambda f: _signed_text(f, part(_ES), part(["registrar"])),
    "claims a text": lambda f: _signed_text(f, part(_ES), part("registrar")),
    "claims no JSON": lambda f: _signed_text(f, part(_ES), part(b"{")),
    "claims not UTF-8": lambda f: _signed_text(f, part(_ES), part(b'{"sub":"\xff"}')),
    "claims nested deeply": lambda f: _signed_text(f, part(_ES), part(b"[" * 3000)),
    "header nested deeply": lambda f: f"{part(b'[' * 3000)}.{part(f.claims())}.AA",
    "five parts": lambda f: f"{f.signed()}.AA.AA",
    "JSON serialization": lambda f: json.dumps(dict(zip(("protected", "payload", "signature"), f.signed().split("."), strict=True))),
    "a token in a token": lambda f: _signed_text(f, part(_ES | {"cty": "JWT"}), part(f.signed().encode())),
    "alg none": lambda f: f.unsigned("none"),
    "alg None": lambda f: f.unsigned("None"),
    "alg NONE": lambda f: f.unsigned("NONE"),
    "alg nOnE": lambda f: f.unsigned("nOnE"),
    "alg empty": lambda f: f.unsigned(""),
    "alg none with the old signature": lambda f: f.unsigned("none") + f.signed().split(".")[2],
    "HS256 with the public point": lambda f: f.hmac(cose.point_of(f.public)),
    "HS256 with the PEM": lambda f: f.hmac(f.pem()),
    "HS256 with the DER": lambda f: f.hmac(f.der()),
    "HS256 with the key set": lambda f: f.hmac(f.jwks),
    "HS256 with x": lambda f: f.hmac(cose.point_of(f.public)[1:33]),
    "HS256 with no secret": lambda f: f.hmac(b""),
    "HS384 with the PEM": lambda f: f.hmac(f.pem(), "HS384", hashlib.sha384),
    "HS512 with the PEM": lambda f: f.hmac(f.pem(), "HS512", hashlib.sha512),
    "own key, their kid": lambda f: f.signed(_ES, f.own),
    "own key, own kid": lambda f: f.signed(_ES | {"kid": "mine"}, f.own),
    "own key in the header": lambda f: f.signed(_ES | {"jwk": f.jwk()}, f.own),
    "own key in the header, own kid": lambda f: f.signed({"alg": "ES256", "kid": "mine", "jwk": f.jwk()}, f.own),
    "own key set by address": lambda f: f.signed(_ES | {"jku": "https://attacker.example/jwks"}, f.own),
    "own chain by address": lambda f: f.signed(_ES | {"x5u": "https://attacker.example/x5u"}, f.own),
    "own chain in the header": lambda f: f.signed(_ES | {"x5c": ["AA=="]}, f.own),
    "no signature": lambda f: f.resigned(lambda _: b""),
    "signature of zeros": lambda f: f.resigned(lambda _: bytes(64)),
    "r is zero": lambda f: f.resigned(lambda s: bytes(32) + s[32:]),
    "s is zero": lambda f: f.resigned(lambda s: s[:32] + bytes(32)),
    "r and s are the order": lambda f: f.resigned(lambda _: ORDER.to_bytes(32) * 2),
    "r and s are one": lambda f: f.resigned(lambda _: (1).to_bytes(32) * 2),
    "r and s are all ones": lambda f: f.resigned(lambda _: b"\xff" * 64),
    "r and s swapped": lambda f: f.resigned(lambda s: s[32:] + s[:32]),
    "signature in DER": lambda f: f.resigned(lambda s: b"\x30\x44\x02\x20" + s[:32] + b"\x02\x20" + s[32:]),
    "signature cut short": lambda f: f.resigned(lambda s: s[:-1]),
    "signature with a byte more": lambda f: f.resigned(lambda s: s + b"\0"),
    "signature twice": lambda f: f.resigned(lambda s: s * 2),
    "signature of another token": lambda f: f"{f.signed(jti='1').rpartition('.')[0]}.{f.signed(jti='2').rpartition('.')[2]}",
    "header of another token": lambda f: f"{part(_ES | {'typ': 'x'})}.{f.signed().partition('.')[2]}",
    "a genuine token cut short": lambda f: f.signed()[:-3],
    "a genuine token and more": lambda f: f.signed() + ".",
    "a genuine token after a space": lambda f: f" {f.signed()}",
    "two genuine tokens": lambda f: f"{f.signed()},{f.signed()}",
}  # fmt: skip


def _signed_text(forger: Forger, header: str, payload: str) -> str:
    text = f"{header}.{payload}"
    return f"{text}.{part(cose.sign_raw(forger.issuer, text.encode()))}"


FORGERIES: Final[dict[str, Make]] = {
    **{f"forged: {name}": make for name, make in _FORGED.items()},
    **{f"altered: {name}": lambda f, c=changes: f.altered(**c) for name, changes in _ALTERED.items()},
    **{f"header: {name}": lambda f, h=header: f.headed(**h) for name, header in _HEADERS.items()},
    **{f"claims: {name}": lambda f, c=claims: f.signed(**c()) for name, claims in _ODD_CLAIMS.items()},
}
"""All to be refused as UNAUTHENTICATED."""

STRANGERS: Final[dict[str, Make]] = {name: lambda f, c=claims: f.signed(**c) for name, claims in _DENIED_CLAIMS.items()}
"""Genuine tokens of callers who may not: PERMISSION_DENIED."""

SCHEMES: Final[dict[str, Callable[[Forger], tuple[tuple[str, Any], ...]]]] = {
    "no header": lambda _: (),
    "an empty header": lambda _: (("authorization", ""),),
    "only the scheme": lambda _: (("authorization", "Bearer"),),
    "no scheme": lambda f: (("authorization", f.signed()),),
    "Basic": lambda _: (("authorization", "Basic YWRtaW46YWRtaW4="),),
    "Digest": lambda f: (("authorization", f"Digest {f.signed()}"),),
    "Token": lambda f: (("authorization", f"Token {f.signed()}"),),
    "Device with a person's token": lambda f: (("authorization", f"Device {f.signed()}"),),
    "Bearer with Device": lambda f: (("authorization", f"Bearer Device {f.signed()}"),),
    "twice the same": lambda f: (("authorization", t := f"Bearer {f.signed()}"), ("authorization", t)),
    "good, then bad": lambda f: (("authorization", f"Bearer {f.signed()}"), ("authorization", "Bearer x")),
    "bad, then good": lambda f: (("authorization", "Bearer x"), ("authorization", f"Bearer {f.signed()}")),
    "in a binary header": lambda f: (("authorization-bin", f"Bearer {f.signed()}".encode()),),
    "in another header": lambda f: (("proxy-authorization", f"Bearer {f.signed()}"), ("x-authorization", f"Bearer {f.signed()}")),
    "in a cookie": lambda f: (("cookie", f"authorization=Bearer {f.signed()}"),),
    "named by who forwards": lambda _: (("x-forwarded-user", "admin"), ("x-roles", "registrar"), ("x-subject", "admin")),
}  # fmt: skip
