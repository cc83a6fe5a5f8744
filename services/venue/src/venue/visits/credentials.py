"""What a visitor shows, made sense of: who is there, when, and how well that is proven."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from passes import presentation
from passes.cards import PREFIX as CARD_PREFIX
from passes.cards import card_key, parse_card
from passes.days import date_of, number_of_unix
from passes.errors import PassError, Reason
from passes.pass_token import IssuerKeys
from passes.presentation import FRESH, LATE, Presentation
from passes.replay import ReplayGuard
from verdicts.model import Lists

_CODES = {
    Reason.DRILL: "UNKNOWN_KEY",  # a drill pass under a real key, or the reverse
    Reason.CHECK: "MALFORMED",
}


class NotShownError(Exception):
    """Nothing tells who is there; `code` is the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Shown:
    """A genuine credential. `second`: Unix time of the check-in. `tags`: those present, in the order of the pass.

    `failure`: why it admits nobody although it is genuine (stale, clock, replayed), else None.
    """

    day: date
    tags: tuple[bytes, ...]
    second: int
    drill_id: str
    card: bool
    failure: str | None


def is_card(text: str) -> bool:
    """Whether this is meant as a paper card."""
    return text.lstrip()[: len(CARD_PREFIX)].upper() == CARD_PREFIX


def parse(text: str) -> Presentation:
    """The presentation in a phone's code; raises `NotShownError`."""
    try:
        return presentation.parse(text)
    except PassError as error:
        raise NotShownError(_code(error)) from None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Reads credentials against what is in memory. `drills`: drills whose cards are looked for after the real ones."""

    keys: Callable[[], IssuerKeys]
    lists: Lists
    drills: Callable[[], Iterable[str]]
    replays: ReplayGuard

    def phone(self, shown: Presentation, context: bytes, use: bytes, now: datetime, *, late: bool) -> Shown:
        """A phone's code that must have signed `context`; raises `NotShownError`."""
        try:
            verified = presentation.authenticate(shown, self.keys(), context=context)
        except PassError as error:
            raise NotShownError(_code(error)) from None
        failure = None
        try:
            presentation.check_age(verified, now, (FRESH[0], LATE) if late else FRESH)
        except PassError as error:
            failure = _code(error)
        # Asked last: only what is genuine and fresh is worth remembering.
        if failure is None and not late and not self.replays.first_use(verified.digest, use, now):
            failure = "REPLAYED"
        return Shown(verified.day, verified.present_tags, shown.time, verified.drill_id, card=False, failure=failure)

    def card(self, text: str, at: datetime | None, now: datetime, *, late: bool) -> Shown:
        """A paper card that staff read at `at`, or now; raises `NotShownError`."""
        try:
            number = parse_card(text)
        except PassError as error:
            raise NotShownError(_code(error)) from None
        second = int((at or now).timestamp())
        day = date_of(number_of_unix(second))
        key = card_key(day, number)
        for drill_id in ("", *self.drills()):
            tag = self.lists.resolve_card(day, drill_id, key)
            if tag is not None:
                failure = _age(now - datetime.fromtimestamp(second, UTC), late=late)
                return Shown(day, (tag,), second, drill_id, card=True, failure=failure)
        raise NotShownError("UNKNOWN_CARD")


def _age(age: timedelta, *, late: bool) -> str | None:
    if age < FRESH[0]:
        return "CLOCK"
    return "STALE" if age > (LATE if late else FRESH[1]) else None


def _code(error: PassError) -> str:
    return _CODES.get(error.reason, error.reason.name)
