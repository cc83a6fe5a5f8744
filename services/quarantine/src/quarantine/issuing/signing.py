"""Making passes: day keys turn people into tags, the issuer's key signs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from passes.errors import KeyDestroyedError, KeyMissingError
from passes.pass_token import Pass, issue
from passes.tags import tags_of
from passes.vault import KeyVault

from quarantine.issuing.model import Order, tagged
from quarantine.keys.ring import KeyRing, NoSigningKeyError


class NoKeyError(Exception):
    """A day's key or the issuer's key is not to be had."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order to carry out: `issued_at` decides which key signs, `drill_id` which kind."""

    order: Order
    issued_at: datetime
    drill_id: str


class PassMaker:
    """Thread-safe, and meant for a thread: signing is CPU work that would hold up the event loop."""

    def __init__(self, vault: KeyVault, ring: KeyRing) -> None:
        self._vault = vault
        self._ring = ring

    def make(self, accepted: Sequence[Accepted]) -> list[list[tuple[date, bytes]]]:
        """For each order its passes as (day, COSE_Sign1), in the order of its days. Raises `NoKeyError`.

        The same orders give the same bytes as long as the keys are the same, because signing is deterministic.
        """
        try:
            tags = {
                day: dict(zip(people, tags_of(self._vault.day_key(day), [one.bytes for one in people]), strict=True))
                for day, people in tagged([one.order for one in accepted]).items()
            }
            return [[(day, self._one(one, day, key, tags[day])) for day, key in one.order.keys] for one in accepted]
        except (KeyDestroyedError, KeyMissingError, NoSigningKeyError) as error:
            raise NoKeyError from error

    def _one(self, accepted: Accepted, day: date, phone_key: bytes, tags: dict[UUID, bytes]) -> bytes:
        key, kid = self._ring.issuer(drill=bool(accepted.drill_id), at=accepted.issued_at)
        people = (accepted.order.resident_id, *accepted.order.companion_ids)
        return issue(Pass(day, tuple(tags[one] for one in people), phone_key, accepted.drill_id), key, kid)
