"""What people read about a check-in, in Chinese and English.

Most reasons are those of a checkpoint (`verdicts.texts`): the same restriction is named the same at both. The reasons that only
a venue can give are here.
"""

from typing import Final

from verdicts.model import Reason
from verdicts.texts import REASONS, Text

RESTRICTED: Final = "RESTRICTED"
WRONG_CODE: Final = "WRONG_CONTEXT"
PRESENCE: Final = "PRESENCE"
DRILL_VENUE: Final = "DRILL_VENUE"
OTHER_DRILL: Final = "OTHER_DRILL"
VENUE_SUSPENDED: Final = "VENUE_SUSPENDED"

TEXTS: Final[dict[str, Text]] = {
    **{reason.name: text for reason, text in REASONS.items() if reason is not Reason.UNSPECIFIED},
    RESTRICTED: REASONS[Reason.UNSPECIFIED],
    WRONG_CODE: Text(
        "该码是为其他场所签发的，请重新扫描", "The code was signed for another place; scan this venue's code"
    ),
    PRESENCE: Text("未注明在场人员，请重新选择", "The code does not say who is present; choose again"),
    DRILL_VENUE: Text("此场所仅用于演练", "This venue exists only in a drill"),
    OTHER_DRILL: Text("该码属于另一次演练", "The code belongs to another drill"),
    VENUE_SUSPENDED: Text("该场所正在停业整顿，暂停营业", "This venue is suspended and closed for now"),
}


def restriction(reason: int) -> str:
    """The code of a proven restriction; a kind that this version does not know is still a restriction."""
    try:
        known = Reason(reason)
    except ValueError:
        return RESTRICTED
    return known.name if 0 < known <= Reason.RESTRICTED_INTERVIEWED else RESTRICTED
