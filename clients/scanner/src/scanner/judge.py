"""What to show: the server's verdict as far as our own list bears it out, or our own. Pure.

Product rule 1: a scanner honours proven denials only, and otherwise says REFER. The proof counts when it was verified
here, whatever the server says of it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from verdicts import texts
from verdicts.credential import Credential, Shown
from verdicts.model import Decision, Denial, Lists, Observations, Policy, Reason, Verdict
from verdicts.verdict import decide

from scanner.shown import ReasonText

_ONLY_LISTS: Final = Policy(temperature_required=False, codes_required=False, registration_required=False)
_RESTRICTED: Final = frozenset(range(5))


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's word. verdict: a number, possibly unknown here. denied: positions on the pass of denied people."""

    verdict: int
    reasons: tuple[ReasonText, ...]
    denied: frozenset[int]
    recorded: bool
    degraded: bool
    list_age_seconds: int
    drill_id: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is shown. settled: False when news of the list, if some are on their way, could change it."""

    verdict: Verdict
    reasons: tuple[ReasonText, ...]
    denials: tuple[Denial, ...]
    drill_id: str
    settled: bool = True


def of_decision(decision: Decision) -> Ruling:
    """Our own verdict, as shown without network."""
    reasons = tuple(_text(reason) for reason in decision.reasons)
    return Ruling(decision.verdict, reasons, decision.denials, decision.drill_id)


def restricted(credential: Credential, *, bearer_matched: bool, lists: Lists, at: datetime) -> frozenset[int]:
    """Positions on the pass of those whom our list alone denies."""
    own = _own(credential, bearer_matched=bearer_matched, lists=lists, at=at)
    return frozenset(denial.person for denial in own.denials)


def reconcile(
    answer: Answer,
    credential: Credential,
    *,
    bearer_matched: bool,
    known: frozenset[int],
    lists: Lists,
    policy: Policy,
    at: datetime,
) -> Ruling:
    """The server's verdict held against our own list. known: whom our list denied already when the server was asked.

    DENY needs a restriction proven here of somebody whom the answer denies. ALLOW of somebody whom our list denies only
    since the question was asked is DENY: the news is later than the answer, and proven. ALLOW of somebody else whom our
    list names is REFER: either the list lacks a lift, or the answer lacks a restriction, and a human finds out. An answer
    from a list that is older than the policy allows bears neither. A verdict that this version does not know is REFER.
    """
    own = _own(credential, bearer_matched=bearer_matched, lists=lists, at=at)
    drill_id = credential.drill_id if isinstance(credential, Shown) else answer.drill_id
    too_old = answer.list_age_seconds > policy.list_max_age_seconds and isinstance(credential, Shown)
    if answer.verdict == Verdict.DENY:
        proven = tuple(denial for denial in own.denials if denial.person in answer.denied)
        if proven and not too_old:
            return Ruling(Verdict.DENY, answer.reasons, proven, drill_id)
        said = tuple(text for text in answer.reasons if text.number not in _RESTRICTED)
        reason = Reason.LIST_TOO_OLD if proven else Reason.UNPROVEN_DENIAL
        return Ruling(Verdict.REFER, _with(said, reason), (), drill_id, settled=bool(proven))
    if answer.verdict != Verdict.ALLOW:
        return Ruling(Verdict.REFER, answer.reasons, (), drill_id)
    if news := tuple(denial for denial in own.denials if denial.person not in known):
        reasons = tuple(dict.fromkeys(_text(denial.reason) for denial in news))
        return Ruling(Verdict.DENY, (*reasons, *answer.reasons), news, drill_id)
    named = bool(own.denials) or Reason.UNPROVEN_DENIAL in own.reasons
    if named or too_old:
        reason = Reason.UNPROVEN_DENIAL if named else Reason.LIST_TOO_OLD
        return Ruling(Verdict.REFER, _with(answer.reasons, reason), (), drill_id, settled=not named)
    return Ruling(Verdict.ALLOW, answer.reasons, (), drill_id)


def _own(credential: Credential, *, bearer_matched: bool, lists: Lists, at: datetime) -> Decision:
    """What our list alone says of those present. Freshness is the server's to judge here: its clock is the better one."""
    if isinstance(credential, Shown):
        credential = replace(credential, failure=None)
    return decide(
        credential,
        observations=Observations(),
        bearer_matched=bearer_matched,
        policy=_ONLY_LISTS,
        lists=lists,
        list_age_seconds=0,
        at=at,
    )


def _with(reasons: tuple[ReasonText, ...], first: Reason) -> tuple[ReasonText, ...]:
    return (_text(first), *(text for text in reasons if text.number != first))


def _text(reason: Reason) -> ReasonText:
    return ReasonText(int(reason), *texts.reason(int(reason)))
