"""What may be registered. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from chassis.errors import DomainError, Kind

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"
_LENGTH: Final = 18
_FIRST_YEAR: Final = 1890
_SKEW: Final = timedelta(minutes=5)


class Channel(IntEnum):
    """The numbers of RegistrationChannel."""

    SELF = 1
    PROXY = 2
    IMPORT = 3


ROLES: Final = {
    Channel.SELF: frozenset({"app_backend"}),
    Channel.PROXY: frozenset({"grid_worker", "volunteer"}),
    Channel.IMPORT: frozenset({"registrar"}),
}
"""Who may register by which channel."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A member of a household to be registered. `phone` is empty for people without one."""

    resident_id: UUID
    name: str
    id_number: str
    phone: str


@dataclass(frozen=True, slots=True)
class Consent:
    """The household's, when somebody else registers it; the evidence is the SHA-256 of a signed form or a recording."""

    given_at: datetime
    evidence_sha256: bytes


@dataclass(frozen=True, slots=True)
class Registration:
    """A household as somebody wants to register it; `drill_id` is '' for a real one."""

    request_id: UUID
    household_id: UUID
    area: str
    address: str
    residents: tuple[Resident, ...]
    channel: Channel
    consent: Consent | None
    drill_id: str


def check_character(first_17: str) -> str:
    """The last character of a citizen identification number (GB 11643-1999, after ISO 7064 MOD 11-2)."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_17, strict=True))
    return _CHECKS[total % 11]


def id_number_problem(number: str, today: date) -> str:
    """What is wrong with a citizen identification number, "" if nothing is.

    By GB 11643-1999: 6 digits of area, 8 of the birth date, 3 of sequence, 1 check character.
    """
    if len(number) != _LENGTH or not (number.isascii() and number[:17].isdigit()):
        return "has 17 digits and a check character"
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return "names a birth date that does not exist"
    if born > today or born.year < _FIRST_YEAR:
        return "names a birth date on which nobody living was born"
    if number[17] != check_character(number[:17]):
        return "has a wrong check character"
    return ""


def refusal(registration: Registration, roles: frozenset[str], now: datetime, today: date) -> DomainError | None:
    """Why this cannot be registered, as far as it can be told from the request and the caller's roles alone."""
    if ROLES[registration.channel].isdisjoint(roles):
        return DomainError(Kind.DENIED, "CHANNEL_NOT_ALLOWED", "Your role does not register households in this way.")
    fields: dict[str, str] = {}
    if registration.channel is Channel.PROXY and registration.consent is None:
        fields["consent"] = "is required when somebody registers for others"
    if registration.consent is not None and registration.consent.given_at > now + _SKEW:
        fields["consent.given_at"] = "lies in the future"
    for place, resident in enumerate(registration.residents):
        if problem := id_number_problem(resident.id_number, today):
            fields[f"residents[{place}].id_number"] = problem
    if fields:
        return DomainError(Kind.INVALID, "INVALID_REGISTRATION", "The registration has mistakes.", fields=fields)
    if _repeats([resident.id_number for resident in registration.residents]) or _repeats(
        [resident.resident_id for resident in registration.residents]
    ):
        return DomainError(Kind.INVALID, "DUPLICATE_RESIDENT", "The same person is listed twice in this household.")
    return None


def _repeats(values: Sequence[object]) -> bool:
    return len(set(values)) < len(values)
