"""A phone in the wrong hands: what it can show, from a genuine presentation to one whose every part was touched."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
from access_matrix.making import Phone
from access_matrix.world import now
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from passes import cose, presentation
from passes.pass_token import Pass, issue
from passes.presentation import Presentation, present

from attack_tools.stage import Stage


@dataclass(frozen=True, slots=True)
class Hand:
    """A phone in the wrong hands, the family's unless given. `context`: what a genuine presentation has to sign here."""

    stage: Stage
    context: bytes
    phone: Phone | None = None

    @property
    def token(self) -> bytes:
        return (self.phone or self.stage.family).passes[self.stage.today]

    @property
    def key(self) -> EllipticCurvePrivateKey:
        return (self.phone or self.stage.family).keys[self.stage.today]

    def shown(self, token: bytes | None = None, key: Any = None, *, seconds: float = 0, **options: Any) -> Presentation:
        """Signed with the phone's key unless told otherwise, `seconds` from now."""
        at = now() + timedelta(seconds=seconds)
        return present(token or self.token, key or self.key, at, **{"context": self.context} | options)

    def with_items(self, *, at: int | None = None, value: Any = None, **changes: Any) -> bytes:
        """The six items with one replaced, in canonical CBOR."""
        items: list[Any] = cbor2.loads(self.shown(**changes).to_bytes())
        if at is not None:
            items[at] = value(items[at]) if callable(value) else value
        return cbor2.dumps(items, canonical=True)

    def signed_anew(self, token: bytes) -> bytes:
        """That token, shown by a phone that does sign it."""
        at = int(now().timestamp())
        signature = cose.sign_raw(self.key, presentation._signed(token, at, 1, self.context))
        return Presentation(token, at, 1, self.context, signature).to_bytes()

    def parts(self) -> list[Any]:
        """protected header, unprotected header, payload, signature of the pass."""
        return list(cbor2.loads(self.token).value)

    def with_part(self, at: int, value: Any, *, tag: int | None = 18) -> bytes:
        """Shown with one part of the pass replaced and the issuer's signature left."""
        parts = self.parts()
        parts[at] = value(parts[at]) if callable(value) else value
        whole = cbor2.CBORTag(tag, parts) if tag is not None else parts
        return self.signed_anew(cbor2.dumps(whole, canonical=True))

    def with_claims(self, change: Callable[[dict[Any, Any]], Any]) -> bytes:
        """Claims changed, the issuer's signature left."""
        return self.with_part(2, lambda payload: cbor2.dumps(_changed(payload, change), canonical=True))

    def misissued(self, change: Callable[[dict[Any, Any]], Any], *, drill: bool = False) -> bytes:
        """Claims changed and signed by the true issuer: what a verifier has to refuse by itself."""
        key, kid = self.stage.issuer(drill=drill)
        payload = cbor2.dumps(_changed(self.parts()[2], change), canonical=True)
        return self.signed_anew(cose.sign1(payload, key, kid))

    def issued_by(self, key: EllipticCurvePrivateKey, kid: bytes, **changes: Any) -> bytes:
        statement = Pass(_day(self), (b"\x01" * 16,), cose.point_of(self.key.public_key()))
        return self.signed_anew(issue(replace(statement, **changes), key, kid))


def _day(hand: Hand) -> Any:
    return datetime.fromtimestamp(hand.stage.today * 86_400, UTC).date()


def _changed(payload: bytes, change: Callable[[dict[Any, Any]], Any]) -> dict[Any, Any]:
    claims: dict[Any, Any] = cbor2.loads(payload)
    change(claims)
    return claims
