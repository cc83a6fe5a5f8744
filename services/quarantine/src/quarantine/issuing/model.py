"""What may be issued to whom. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from chassis.clock import local_day
from chassis.errors import DomainError, Kind

DAYS_AHEAD: Final = 7


@dataclass(frozen=True, slots=True)
class Holder:
    """A resident as far as passes are concerned; `erased` people are issued nothing."""

    resident_id: UUID
    household_id: UUID
    area: str
    drill_id: str
    erased: bool


@dataclass(frozen=True, slots=True)
class Order:
    """A request for passes: one for each day, bound to the phone's key of that day (65-byte point of P-256)."""

    request_id: UUID
    resident_id: UUID
    companion_ids: tuple[UUID, ...]
    keys: tuple[tuple[date, bytes], ...]


def days_problem(order: Order, at: datetime) -> DomainError | None:
    """Days are asked for once each, from the day of the order to a week later; every day has a phone key of its own."""
    today = local_day(at)
    days = [day for day, _ in order.keys]
    if len(set(days)) < len(days):
        return DomainError(Kind.INVALID, "DUPLICATE_DAY", "A day is asked for twice.")
    if len({key for _, key in order.keys}) < len(days):
        return DomainError(Kind.INVALID, "PHONE_KEY_REUSED", "Each day needs a phone key of its own.")
    if not all(today <= day <= today + timedelta(days=DAYS_AHEAD) for day in days):
        return DomainError(Kind.INVALID, "DAY_OUT_OF_RANGE", "Passes are issued for today and the seven days after.")
    return None


def companions_problem(order: Order, people: Mapping[UUID, Holder]) -> DomainError | None:
    """Companions live in the holder's household and are somebody else than the holder.

    Nobody is refused because of a restriction: a pass says who somebody is, and what follows is decided at the gate.
    """
    holder = people[order.resident_id]
    if order.resident_id in order.companion_ids:
        return DomainError(Kind.INVALID, "HOLDER_IS_COMPANION", "The holder is on the pass already.")
    if all(_lives_with(people.get(one), holder) for one in order.companion_ids):
        return None
    return DomainError(Kind.PRECONDITION, "NOT_OF_HOUSEHOLD", "A companion is not of the holder's household.")


def _lives_with(one: Holder | None, holder: Holder) -> bool:
    return one is not None and not one.erased and one.household_id == holder.household_id


def tagged(orders: Sequence[Order]) -> dict[date, list[UUID]]:
    """Whose tags are needed on which day, each once."""
    wanted: dict[date, dict[UUID, None]] = {}
    for order in orders:
        for day, _ in order.keys:
            wanted.setdefault(day, {}).update(dict.fromkeys((order.resident_id, *order.companion_ids)))
    return {day: list(people) for day, people in wanted.items()}
