"""Fixed keys and one genuine household pass, shared by the tests of this library."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import hypothesis
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from passes import cose
from passes.errors import PassError, Reason
from passes.pass_token import IssuerKey, Pass, issue

# A machine under load is slow, not wrong: examples are limited in number, not in time.
hypothesis.settings.register_profile("passes", deadline=None)
hypothesis.settings.load_profile("passes")

DAY = date(2022, 3, 15)
NOON = datetime(2022, 3, 15, 4, 0, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """An issuer with a real and a drill key, a phone, and a pass of three people for 15 March 2022."""

    issuer: EllipticCurvePrivateKey
    drill_issuer: EllipticCurvePrivateKey
    phone: EllipticCurvePrivateKey
    statement: Pass
    keys: dict[bytes, IssuerKey]

    @property
    def kid(self) -> bytes:
        return cose.kid_of(self.issuer.public_key())

    @property
    def drill_kid(self) -> bytes:
        return cose.kid_of(self.drill_issuer.public_key())

    @property
    def token(self) -> bytes:
        return issue(self.statement, self.issuer, self.kid)


@pytest.fixture(scope="session")
def world() -> World:
    issuer, drill, phone = (derive_private_key(seed, SECP256R1()) for seed in (1001, 1002, 1003))
    statement = Pass(DAY, (b"a" * 16, b"b" * 16, b"c" * 16), cose.point_of(phone.public_key()))
    keys = {
        cose.kid_of(issuer.public_key()): IssuerKey(issuer.public_key()),
        cose.kid_of(drill.public_key()): IssuerKey(drill.public_key(), drill=True),
    }
    return World(issuer, drill, phone, statement, keys)


@pytest.fixture(scope="session")
def refused() -> Callable[..., Reason]:
    """Call it with a function and its arguments: the reason of the refusal, or a failed test."""

    def reason_of(function: Callable[..., object], *args: object, **kwargs: object) -> Reason:
        with pytest.raises(PassError) as caught:
            function(*args, **kwargs)
        return caught.value.reason

    return reason_of
