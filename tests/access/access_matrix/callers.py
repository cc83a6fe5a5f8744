"""Credentials, good and bad, as headers."""

import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from devstack.tokens import AUDIENCE, DISTRICT, HOUR, ISSUER, Minter
from joserfc import jwk, jwt
from passes import device

Headers = dict[str, str]
PURPOSE: Headers = {"x-purpose": "tracing", "x-purpose-ref": "case-1"}
_NUMBERS = itertools.count(1)


def bearer(token: str) -> Headers:
    return {"authorization": f"Bearer {token}"}


class Callers:
    """Mints tokens. Every person is somebody new, unless named, so that no one is taken for a second approver."""

    def __init__(self, minter: Minter) -> None:
        self._minter = minter
        self._public = json.loads(minter.jwks.read_text())["keys"][0]

    def person(self, roles: str | Sequence[str], areas: Sequence[str] = (DISTRICT,), subject: str = "") -> Headers:
        names = [roles] if isinstance(roles, str) else list(roles)
        return bearer(self._minter.person(subject or f"person-{next(_NUMBERS)}", names, areas))

    def workload(self, service: str) -> Headers:
        return bearer(self._minter.workload(service))

    def device(self, device_id: str, key: EllipticCurvePrivateKey) -> Headers:
        return {"authorization": f"Device {device.mint(UUID(device_id), key, datetime.now(UTC))}"}

    def bad(self, roles: Sequence[str], workload: str = "") -> dict[str, Headers]:
        """What is wrong → headers that would do if it were not."""
        claims = {"roles": list(roles), "areas": [DISTRICT], "sub": "forger"}
        if workload:
            claims = {"workload": True, "sub": f"workload:{workload}"}
        good = self._token(claims)
        header, payload, signature = good.split(".")
        other = jwk.ECKey.generate_key("P-256", {"kid": "devstack-1", "alg": "ES256"}, private=True)
        secret = base64.urlsafe_b64decode(self._public["x"] + "==")
        return {
            "nothing": {},
            "an empty token": {"authorization": "Bearer"},
            "no token": bearer("let-me-in"),
            "another scheme": {"authorization": "Basic YWRtaW46YWRtaW4="},
            "expired": bearer(self._token(claims, exp=int(time.time()) - HOUR)),
            "without end": bearer(self._token(claims, exp=None)),
            "not yet": bearer(self._token(claims, nbf=int(time.time()) + HOUR)),
            "another audience": bearer(self._token(claims, aud="another")),
            "no audience": bearer(self._token(claims, aud=None)),
            "another issuer": bearer(self._token(claims, iss="urn:another")),
            "another key": bearer(self._token(claims, key=other)),
            "an unknown key": bearer(self._token(claims, kid="unknown")),
            "no algorithm": bearer(f"{_part({'alg': 'none', 'kid': 'devstack-1'})}.{payload}."),
            "public key as secret": bearer(_hs256(payload, secret)),
            "no signature": bearer(f"{header}.{payload}."),
            "altered": bearer(f"{header}.{_part(self._claims(claims) | {'areas': ['14']})}.{signature}"),
            "roles as text": bearer(self._token(claims, roles=" ".join(roles))),
            "a person as a service": bearer(self._token(claims | {"sub": "workload:venue", "workload": False})),
            "a service as a person": bearer(self._token(claims | {"sub": "forger", "workload": True})),
        }

    def _claims(self, claims: dict[str, object], **changes: object) -> dict[str, object]:
        now = int(time.time())
        whole = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + HOUR} | claims | changes
        return {name: value for name, value in whole.items() if value is not None}

    def _token(
        self, claims: dict[str, object], *, key: jwk.ECKey | None = None, kid: str = "devstack-1", **changes: object
    ) -> str:
        return jwt.encode({"alg": "ES256", "kid": kid}, self._claims(claims, **changes), key or self._minter.key)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _hs256(payload: str, secret: bytes) -> str:
    signed = f"{_part({'alg': 'HS256', 'kid': 'devstack-1'})}.{payload}"
    tag = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"
