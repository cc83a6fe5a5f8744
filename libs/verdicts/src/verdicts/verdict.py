"""The verdict: product C2 and the first of the rules that hold everywhere.

DENY needs a proven restriction of somebody who is provably there. Whatever is missing, odd or unproven is for a human
to look at (REFER); nobody is refused for having no phone, no card or no registration.
"""

from datetime import datetime

from verdicts.credential import Credential, Refused, Shown
from verdicts.model import Colour, Decision, Denial, Lists, Observations, Policy, Reason, Verdict, ordered

_RESTRICTIONS = {
    1: Reason.RESTRICTED_CASE,
    2: Reason.RESTRICTED_CLOSE_CONTACT,
    3: Reason.RESTRICTED_HOUSEHOLD,
    4: Reason.RESTRICTED_INTERVIEWED,
}
_BAD = (Colour.YELLOW, Colour.RED)
_ABSENT = (Colour.UNSPECIFIED, Colour.NOT_SHOWN)


def decide(
    credential: Credential,
    *,
    observations: Observations,
    bearer_matched: bool,
    policy: Policy,
    lists: Lists,
    list_age_seconds: float | None,
    at: datetime,
) -> Decision:
    """The verdict on one scan at the moment `at` (aware).

    bearer_matched: staff compared the bearer of a paper card with a photo or document. list_age_seconds: how long ago
    the list was last known to be current; None when there is none for the credential's day.
    """
    referrals = _seen(observations, policy)
    notes: list[Reason] = []
    denials: tuple[Denial, ...] = ()
    drill_id = ""
    if credential is None:
        notes.append(Reason.NO_CREDENTIAL)
        if policy.registration_required:
            referrals.append(Reason.NOT_REGISTERED)
    elif isinstance(credential, Refused):
        referrals.append(credential.reason)
    else:
        drill_id = credential.drill_id
        if credential.failure is None:
            denials, doubtful = _restrictions(credential, lists, at)
            referrals += doubtful
            if list_age_seconds is None or list_age_seconds > policy.list_max_age_seconds:
                referrals.append(Reason.LIST_TOO_OLD)
        else:
            referrals.append(credential.failure)
        if credential.card:
            (notes if bearer_matched else referrals).append(Reason.STATIC_CARD)
    restricted = [denial.reason for denial in denials]
    if Reason.LIST_TOO_OLD in referrals or Reason.STATIC_CARD in referrals:
        # An old list may lack a lift, and an unmatched card may be anybody's: said, but no ground to stop anybody.
        referrals += restricted
        denials = ()
    verdict = Verdict.DENY if denials else Verdict.REFER if referrals else Verdict.ALLOW
    return Decision(verdict, ordered([*restricted, *referrals, *notes]), denials, drill_id)


def _restrictions(shown: Shown, lists: Lists, at: datetime) -> tuple[tuple[Denial, ...], list[Reason]]:
    """Everybody present is looked up, and only in the list of the pass's own kind: a drill's, or the real one."""
    denials, doubtful = [], []
    for person, tag in zip(shown.positions, shown.tags, strict=True):
        found = lists.lookup(shown.day, shown.drill_id, tag, at)
        if found is not None:
            reason = _RESTRICTIONS.get(found.reason, Reason.UNSPECIFIED)
            denials.append(Denial(person, shown.day, reason, found.ref, found.generation, found.number))
        elif lists.doubt(shown.day, shown.drill_id, tag) is not None:
            doubtful.append(Reason.UNPROVEN_DENIAL)
    return tuple(denials), doubtful


def _seen(observations: Observations, policy: Policy) -> list[Reason]:
    reasons = []
    if observations.temperature_decicelsius >= policy.high_temperature_decicelsius:
        reasons.append(Reason.HIGH_TEMPERATURE)
    elif policy.temperature_required and not observations.temperature_decicelsius:
        reasons.append(Reason.TEMPERATURE_MISSING)
    if observations.health_code in _BAD:
        reasons.append(Reason.HEALTH_CODE_BAD)
    if observations.itinerary_card in _BAD:
        reasons.append(Reason.ITINERARY_BAD)
    if policy.codes_required and (observations.health_code in _ABSENT or observations.itinerary_card in _ABSENT):
        reasons.append(Reason.CODES_MISSING)
    return reasons
