"""Refusals that several files of the room speak."""

from chassis.errors import DomainError, Kind


def spot_check_unknown() -> DomainError:
    return DomainError(Kind.NOT_FOUND, "SPOT_CHECK_UNKNOWN", "There is no such spot check.")


def spot_check_exists() -> DomainError:
    return DomainError(Kind.EXISTS, "SPOT_CHECK_EXISTS", "Another spot check has this id.")


def second_person_needed() -> DomainError:
    return DomainError(Kind.DENIED, "SECOND_PERSON_NEEDED", "Who committed to a draw cannot open it.")


def team_exists() -> DomainError:
    return DomainError(Kind.EXISTS, "TEAM_EXISTS", "Another team has this id.")


def inspector_exists() -> DomainError:
    return DomainError(Kind.EXISTS, "INSPECTOR_EXISTS", "This id stands for another account.")


def invalid(reason: str, text: str, field: str, wrong: str) -> DomainError:
    return DomainError(Kind.INVALID, reason, text, fields={field: wrong})
