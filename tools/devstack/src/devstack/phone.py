"""A resident's phone, as an app would be: a key for each day, the passes made for it, and what it shows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from passes import presentation, venue_code
from passes.days import date_of, day_number, local_day

from devstack.api import Json, decode, encode


@dataclass(slots=True)
class Phone:
    """Keys and passes of one holder. `resident_id`: the holder; `companions`: shown on the same pass, in this order."""

    resident_id: str
    companions: tuple[str, ...] = ()
    keys: dict[date, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    passes: dict[date, bytes] = field(default_factory=dict)
    signed: set[int] = field(default_factory=set)

    def ask(self, days: Iterable[date]) -> Json:
        """The body of a request for passes of some days, with fresh keys."""
        wanted = []
        for day in days:
            key = self.keys.setdefault(day, ec.generate_private_key(ec.SECP256R1()))
            point = key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
            )
            wanted.append({"day": day_number(day), "phone_key": encode(point)})
        return {"resident_id": self.resident_id, "companion_ids": list(self.companions), "keys": wanted}

    def take(self, passes: Iterable[Json]) -> None:
        """Keeps the passes of an answer."""
        for item in passes:
            self.passes[date_of(int(item["day"]))] = decode(item["pass"])

    def show(self, at: datetime, *, presence: int = 1, context: bytes = b"") -> str:
        """The QR text at an instant. `presence`: bit i = person i of the pass is here; `context`: the code signed for."""
        day = local_day(at)
        shown = presentation.present(self.passes[day], self.keys[day], at, presence=presence, context=context)
        return shown.to_text()

    def show_anew(self, at: datetime, *, within: int = 50) -> str:
        """As `show`, for somebody who is scanned again at once. A presentation signs whole seconds, and what signs the same
        second twice is a replay; so this signs the latest one that this phone has not signed in this way.

        `within`: how many seconds it may go back; it stays fresh for 60. Raises LookupError when all of them are used up.
        """
        now = int(at.timestamp())
        second = next((second for second in range(now, now - within, -1) if second not in self.signed), None)
        if second is None or local_day(at) != local_day(signed := datetime.fromtimestamp(second, UTC)):
            raise LookupError("this phone has signed every second that is fresh")
        self.signed.add(second)
        return self.show(signed)

    def check_in(self, code: str, at: datetime, *, presence: int = 1) -> str:
        """The QR text for a check-in at a venue whose code the phone scanned."""
        return self.show(at, presence=presence, context=venue_code.parse(code).to_bytes())
