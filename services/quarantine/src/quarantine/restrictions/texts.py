"""What the person is told, in Chinese and English."""

from typing import Final

from quarantine.restrictions.model import Reason

TEXTS: Final[dict[Reason, tuple[str, str]]] = {
    Reason.CONFIRMED_CASE: (
        "您的核酸检测结果为阳性，已由两名审批人员确认。请在隔离期内留在指定地点，不要外出。",
        (
            "Your laboratory test was positive, and two approvers have confirmed it. Please stay where you were asked to stay "
            "and do not go out until the isolation ends."
        ),
    ),
    Reason.CLOSE_CONTACT: (
        "您与一名确诊病例曾在同一场所停留，且双方到场均有可靠记录，因此被判定为密切接触者。请在隔离期内居家，不要外出。",
        (
            "You were in the same place as a confirmed case for long enough, and both stays are reliably recorded, which makes "
            "you a close contact. Please stay at home until the quarantine ends."
        ),
    ),
    Reason.HOUSEHOLD_CONTACT: (
        "与您同住的一名家庭成员已确诊，因此您被判定为密切接触者。请在隔离期内居家，不要外出。",
        (
            "A member of your household is a confirmed case, which makes you a close contact. Please stay at home until the "
            "quarantine ends."
        ),
    ),
    Reason.INTERVIEWED_CONTACT: (
        "根据流调人员与您的谈话，您与一名确诊病例有过密切接触，并已由两名审批人员批准。请在隔离期内居家，不要外出。",
        (
            "From what you told a tracer, you were in close contact with a confirmed case; two approvers have agreed. Please "
            "stay at home until the quarantine ends."
        ),
    ),
}
"""Reason → (Chinese, English). Neither names another person, a minute or a place."""
