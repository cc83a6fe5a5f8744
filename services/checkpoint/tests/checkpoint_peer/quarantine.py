# ruff: noqa: N802 - stub methods are named by the contract
"""Quarantine as far as checkpoint sees it: issuer of passes, keeper of the list and of the keys."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

from chassis.clock import local_day
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets import wire as daysets_wire
from daysets.segment import Entry, Segment
from daysets.testing import MemoryLog
from daysets.trust import Key, Use, to_messages
from lilitong.quarantine.v1 import day_set_pb2, keys_pb2
from lilitong.quarantine.v1.day_set_pb2_grpc import DaySetServiceServicer
from lilitong.quarantine.v1.keys_pb2_grpc import KeyServiceServicer
from passes import cose, presentation
from passes.pass_token import Pass, issue

ALWAYS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)


def spki(key: Any) -> bytes:
    public: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public


class Quarantine(DaySetServiceServicer, KeyServiceServicer):
    """The other service as far as this one sees it: issuer, list, keys."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.issuer, self.drill_issuer = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
        self.phone = generate_private_key(SECP256R1())
        self.segments: list[Segment] = []
        self.numbers: dict[tuple[date, str], int] = {}
        log_key = Ed25519PublicKey.from_public_bytes(self.log.signer.verifier.public_key)
        self.keys = [
            self._key(self.issuer.public_key(), Use.PASS, b"real-key"),
            self._key(self.drill_issuer.public_key(), Use.DRILL_PASS, b"drillkey"),
            self._key(log_key, Use.LOG, b"log--key", origin=self.log.signer.name),
        ]

    @staticmethod
    def _key(public: Any, use: Use, kid: bytes, origin: str = "") -> Key:
        return Key(kid, use, spki(public), *ALWAYS, origin=origin)

    def base(self, day: date, entries: list[Entry] | None = None, **more: Any) -> Segment:
        segment = self.log.segment(
            1, entries or [Entry(secrets.token_bytes(16), 2, secrets.token_bytes(8))], day=day, **more
        )
        self.segments.append(segment)
        return segment

    def change(self, entries: list[Entry], day: date, drill_id: str = "", **more: Any) -> Segment:
        """The next segment after that day's base."""
        self.numbers[day, drill_id] = number = self.numbers.get((day, drill_id), 1) + 1
        return self.log.segment(number, entries, day=day, drill_id=drill_id, **more)

    def show(
        self,
        tags: tuple[bytes, ...],
        at: datetime,
        *,
        presence: int = 1,
        drill_id: str = "",
        phone: EllipticCurvePrivateKey | None = None,
    ) -> str:
        """The QR text of a phone: a pass of the local day of `at`, presented at `at`."""
        phone = phone or self.phone
        key, kid = (self.drill_issuer, b"drillkey") if drill_id else (self.issuer, b"real-key")
        token = issue(Pass(local_day(at), tags, cose.point_of(phone.public_key()), drill_id), key, kid)
        return presentation.present(token, phone, at, presence=presence).to_text()

    async def ListDaySetSegments(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for segment in self.segments:
            yield day_set_pb2.ListDaySetSegmentsResponse(segment=daysets_wire.to_message(segment))

    async def ListVerificationKeys(self, request: Any, context: Any) -> Any:
        return keys_pb2.ListVerificationKeysResponse(keys=to_messages(self.keys))
