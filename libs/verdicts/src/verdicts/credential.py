"""What was shown, made sense of: a pass on a phone, a paper card, nothing, or something that does not hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from passes import presentation
from passes.cards import PREFIX as CARD_PREFIX
from passes.cards import card_key, parse_card
from passes.days import local_day
from passes.errors import PassError
from passes.errors import Reason as PassReason
from passes.pass_token import IssuerKeys
from passes.replay import ReplayGuard

from verdicts.model import Lists, Reason

_FAILURES: Final = {
    PassReason.MALFORMED: Reason.MALFORMED,
    PassReason.UNKNOWN_KEY: Reason.UNKNOWN_KEY,
    PassReason.BAD_SIGNATURE: Reason.BAD_SIGNATURE,
    PassReason.WRONG_DAY: Reason.WRONG_DAY,
    PassReason.STALE: Reason.STALE,
    PassReason.CLOCK: Reason.CLOCK,
    # Signed for a venue's code, for nobody, or under the wrong kind of key: no pass for a gate, whatever else it is.
    PassReason.WRONG_CONTEXT: Reason.MALFORMED,
    PassReason.PRESENCE: Reason.MALFORMED,
    PassReason.DRILL: Reason.UNKNOWN_KEY,
    PassReason.CHECK: Reason.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A genuine credential. day: of the tags. tags: those present, 16 bytes each; positions: theirs on the pass.

    time: when the phone signed, or when the card was read. card: on paper. failure: why it proves nobody's presence
    although it is genuine (stale, clock, replayed), else None.
    """

    day: date
    tags: tuple[bytes, ...]
    positions: tuple[int, ...]
    time: datetime
    drill_id: str = ""
    card: bool = False
    failure: Reason | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing that tells who is there: not ours, not genuine, not of its day, or an unknown card."""

    reason: Reason


Credential = Shown | Refused | None
"""None: the person has neither phone nor card."""


def read(
    text: str,
    *,
    keys: IssuerKeys,
    lists: Lists,
    drills: Sequence[str],
    replays: ReplayGuard,
    use: bytes,
    now: datetime,
) -> Credential:
    """Verify what was scanned; never raises for its content.

    `drills`: ids of the drills whose day sets are held, where a card that is not on the real list is looked for.
    `use`: the scan's id, so that a repeated call is not a replay. `now`: the verifier's clock, aware.
    """
    start = text.strip()[: len(CARD_PREFIX)].upper()
    if not start:
        return None
    try:
        if start != presentation.PREFIX:
            return _card(parse_card(text), lists, drills, now)
        return _phone(presentation.parse(text), keys, replays, use, now)
    except PassError as error:
        return Refused(_FAILURES[error.reason])


def _phone(
    shown: presentation.Presentation, keys: IssuerKeys, replays: ReplayGuard, use: bytes, now: datetime
) -> Shown:
    verified = presentation.authenticate(shown, keys)
    failure: Reason | None = None
    try:
        presentation.check_age(verified, now)
    except PassError as error:
        failure = _FAILURES[error.reason]
    # Asked last: only what is genuine and fresh is worth remembering, so a flood of forgeries costs no memory.
    if failure is None and not replays.first_use(verified.digest, use, now):
        failure = Reason.REPLAYED
    positions = (0,) if shown.presence == 1 else tuple(bit for bit in range(8) if shown.presence >> bit & 1)
    return Shown(
        verified.day, verified.present_tags, positions, verified.time, drill_id=verified.drill_id, failure=failure
    )


def _card(number: bytes, lists: Lists, drills: Sequence[str], now: datetime) -> Credential:
    day = local_day(now)
    key = card_key(day, number)
    for drill_id in ("", *drills):
        tag = lists.resolve_card(day, drill_id, key)
        if tag is not None:
            return Shown(day, (tag,), (0,), now, drill_id=drill_id, card=True)
    return Refused(Reason.UNKNOWN_CARD)
