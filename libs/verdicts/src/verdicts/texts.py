"""What staff read, in Chinese and English: what is the matter, and what to do about it."""

from typing import Final, NamedTuple

from verdicts.model import Reason, Verdict


class Text(NamedTuple):
    """The same sentence in both languages."""

    zh: str
    en: str


VERDICTS: Final = {
    Verdict.ALLOW: Text("放行", "ALLOW"),
    Verdict.REFER: Text("请核实", "REFER"),
    Verdict.DENY: Text("禁止通行", "DENY"),
}

REASONS: Final = {
    Reason.UNSPECIFIED: Text("该人员正受管控，原因请致电查询", "This person is under a restriction; call to ask why"),
    Reason.RESTRICTED_CASE: Text("确诊病例，正在隔离", "Confirmed case under isolation"),
    Reason.RESTRICTED_CLOSE_CONTACT: Text("密切接触者，正在隔离", "Close contact under quarantine"),
    Reason.RESTRICTED_HOUSEHOLD: Text("病例同住人员，正在隔离", "Household member of a case under quarantine"),
    Reason.RESTRICTED_INTERVIEWED: Text("经流调认定，正在隔离", "Under quarantine after a tracer's interview"),
    Reason.STALE: Text("二维码已过期，请刷新后重新出示", "The code is out of date; refresh it and show it again"),
    Reason.CLOCK: Text("手机时间不准，请校准后重新出示", "The phone's clock is wrong; set it and show the code again"),
    Reason.REPLAYED: Text(
        "该二维码刚刚使用过，请刷新并核对本人", "This code was just used; refresh it and check the bearer"
    ),
    Reason.MALFORMED: Text("无法识别的二维码", "This is no readable pass or card"),
    Reason.UNKNOWN_KEY: Text("无法验证发码方，请核实身份", "The issuer of this pass is not known; check the identity"),
    Reason.BAD_SIGNATURE: Text("二维码签名无效，可能被篡改", "The signature does not hold; the code may be altered"),
    Reason.WRONG_DAY: Text("不是当日的通行码，请刷新", "The pass is not for this day; refresh it"),
    Reason.UNKNOWN_CARD: Text(
        "纸质卡未登记或已注销，请核实身份", "The paper card is unknown or revoked; check the identity"
    ),
    Reason.STATIC_CARD: Text("纸质卡，请核对持卡人本人", "Paper card: compare the bearer with a photo or document"),
    Reason.NO_CREDENTIAL: Text("无手机、无纸质卡", "Neither phone nor paper card"),
    Reason.UNPROVEN_DENIAL: Text("名单记录未通过验证，请致电核实", "A list entry could not be verified; call to check"),
    Reason.LIST_TOO_OLD: Text("名单过旧，请致电核实", "The list is too old to rely on; call to check"),
    Reason.HIGH_TEMPERATURE: Text("体温偏高，请复测并询问", "High temperature; measure again and ask"),
    Reason.TEMPERATURE_MISSING: Text("未测体温", "The temperature was not taken"),
    Reason.HEALTH_CODE_BAD: Text("健康码异常（黄码或红码），请核实", "The health code is yellow or red; ask about it"),
    Reason.ITINERARY_BAD: Text("行程卡异常，请询问来源地", "The itinerary card shows a risk; ask where they come from"),
    Reason.CODES_MISSING: Text("未查验健康码或行程卡", "Health code or itinerary card was not checked"),
    Reason.NOT_REGISTERED: Text("尚未登记，请现场登记", "Not registered; please register here"),
}


def reason(number: int) -> Text:
    """The text of a reason's number; of one that this version does not know, a text that asks for a human."""
    try:
        return REASONS[Reason(number)]
    except ValueError:
        return Text("其他原因，请人工核实", "Another reason; please check by hand")
