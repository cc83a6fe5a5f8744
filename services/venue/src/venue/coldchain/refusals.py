"""What the tables refuse, as callers are told it."""

from collections.abc import Callable, Mapping
from typing import Final

from chassis.errors import DomainError, Kind


def unknown_lot() -> DomainError:
    return DomainError(Kind.NOT_FOUND, "LOT_UNKNOWN", "No such lot is registered.")


def _of(kind: Kind, reason: str, text: str) -> Callable[[], DomainError]:
    return lambda: DomainError(kind, reason, text)


not_free: Final = _of(
    Kind.PRECONDITION,
    "RELEASE_INCOMPLETE",
    "A lot is released with a negative result of its goods and a disinfection of its own.",
)
held: Final = _of(Kind.PRECONDITION, "LOT_HELD", "A positive result of this lot is outstanding.")
recalled: Final = _of(Kind.PRECONDITION, "LOT_RECALLED", "This lot is recalled.")
not_released: Final = _of(Kind.PRECONDITION, "LOT_NOT_RELEASED", "This lot has not been released.")
released_already: Final = _of(Kind.PRECONDITION, "LOT_RELEASED_ALREADY", "This lot was released before.")
not_enough: Final = _of(Kind.PRECONDITION, "NOT_ENOUGH_THERE", "There is not that much of this lot at the sender.")
entered_already: Final = _of(Kind.PRECONDITION, "RESULT_ENTERED", "The result of this sample was entered before.")
voice_given: Final = _of(Kind.PRECONDITION, "VOICE_GIVEN", "You have given your voice on this proposal.")
decided_already: Final = _of(Kind.PRECONDITION, "DECIDED_ALREADY", "This proposal was decided before.")
retest_needed: Final = _of(
    Kind.PRECONDITION,
    "RETEST_NEEDED",
    "A positive result is dismissed only after a later sample of the goods was negative.",
)
laboratory_has_no_voice: Final = _of(
    Kind.DENIED, "LABORATORY_HAS_NO_VOICE", "Who entered the result has no voice on the recall that it proposes."
)
_exists: Final = _of(Kind.EXISTS, "ID_TAKEN", "Something else has this id.")

# Most are asked before; these are the last word when two come at once or somebody wrote past the service.
ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "importing_premises_pkey": _of(Kind.EXISTS, "PREMISES_REGISTERED", "These premises are registered already."),
    "importing_premises_licence_key": _of(Kind.EXISTS, "LICENCE_TAKEN", "Other premises have this licence number."),
    "importing_premises_category_check": _of(Kind.PRECONDITION, "NOT_COLD_CHAIN", "This venue is no cold chain."),
    "lots_pkey": _of(Kind.EXISTS, "LOT_EXISTS", "Another lot has this id."),
    "lots_trace_code_key": _of(Kind.EXISTS, "TRACE_CODE_TAKEN", "Another lot has this trace code."),
    "lots_premises_fkey": _of(Kind.PRECONDITION, "NOT_IMPORTING", "This venue is not registered for imports."),
    "lot_facts_released_once_check": released_already,
    "lot_facts_not_released_check": not_released,
    "lot_facts_held_check": held,
    "lot_facts_recalled_check": recalled,
    "lot_samples_pkey": _exists,
    "lot_results_pkey": entered_already,
    "lot_disinfections_pkey": _exists,
    "lot_releases_pkey": released_already,
    "lot_releases_release_key": _exists,
    "lot_releases_negative_fkey": not_free,
    "lot_releases_disinfection_fkey": not_free,
    "lot_distributions_pkey": _exists,
    "lot_distributions_to_check": _of(Kind.INVALID, "NOWHERE_TO_GO", "A distribution goes to another place."),
    "lot_distributions_venue_fkey": _of(
        Kind.PRECONDITION, "RECEIVER_UNKNOWN", "No such venue is registered to receive this lot."
    ),
    "lot_stock_enough_check": not_enough,
    "recall_proposals_pkey": _exists,
    "recall_voices_pkey": voice_given,
    "recall_voices_laboratory_check": laboratory_has_no_voice,
    "recall_decisions_pkey": decided_already,
    "recall_decisions_decision_key": _exists,
    "recall_decisions_retest_check": retest_needed,
}
