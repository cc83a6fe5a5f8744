"""What the layouts print: a document's content put into Chinese sentences. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from passes.days import ZONE

from venue.documents.model import Document, DocumentKind

Content = Mapping[str, Any]
_OUTCOMES: Final = {"met": "合格", "failed": "不合格", "not_applicable": "不适用"}
TITLES: Final[Mapping[DocumentKind, str]] = {
    DocumentKind.INSPECTION_FORM: "疫情防控检查表",
    DocumentKind.RECTIFICATION_NOTICE: "整改通知书",
    DocumentKind.YELLOW_CARD: "黄　牌",
    DocumentKind.RED_CARD: "红　牌",
    DocumentKind.SUSPENSION_DECISION: "停业整顿决定书",
    DocumentKind.SEAL: "封条",
    DocumentKind.LETTER: "疫情防控责任书",
    DocumentKind.NOTICE: "疫情防控告知书",
    DocumentKind.POSTER: "场所码",
}
APPEAL: Final = "如有异议，可自收到本文书之日起提出申诉，承办单位将在二十四小时内答复。"


def sheet_of(document: Document) -> dict[str, Any]:
    """All fields that the layout of version 1 reads; times are the district's."""
    new = document.new
    base: dict[str, Any] = {
        "kind": new.kind.name.lower(),
        "title": TITLES[new.kind],
        "number": document.text,
        "issuing_body": new.issuing_body,
        "date_zh": date_zh(new.issued_at),
        "verification_id": document.verification_id,
        "drill": bool(new.drill_id),
        "addressee": new.content.get("venue", {}).get("name", ""),
        "body": [],
        "items_title": "",
        "items": [],
        "deadline": "",
        "after": [],
        "signature": "",
    }
    return base | _WRITTEN[new.kind](new.content)


def date_zh(at: datetime) -> str:
    local = at.astimezone(ZONE)
    return f"{local.year}年{local.month}月{local.day}日"


def moment_zh(text: str) -> str:
    """An ISO time as the district writes it; "" stays empty."""
    if not text:
        return ""
    local = datetime.fromisoformat(text).astimezone(ZONE)
    return f"{local.year}年{local.month}月{local.day}日{local.hour}时{local.minute:02d}分"


def _failed(content: Content) -> list[str]:
    """The checklist says what is to be; a finding says that it is not."""
    return [
        f"未落实：{each['text_zh']}" + (f"（{each['remark']}）" if each["remark"] else "")
        for each in content.get("failed", [])
    ]


def _form(content: Content) -> dict[str, Any]:
    venue = content["venue"]
    return {
        "facts": [
            ("场所名称", venue["name"]),
            ("地址", venue["address"]),
            ("检查时间", moment_zh(content["inspected_at"])),
            ("第几次不合格", str(content["step"])),
        ],
        "rows": [(each["text_zh"], _OUTCOMES[each["outcome"]], each["remark"]) for each in content["findings"]],
    }


def _notice(content: Content) -> dict[str, Any]:
    return {
        "body": [
            f"{moment_zh(content['inspected_at'])}，检查人员对你单位疫情防控措施落实情况进行了检查，发现下列问题："
        ],
        "items_title": "存在问题及整改要求",
        "items": _failed(content),
        "deadline": f"请于{moment_zh(content['rectify_by'])}前完成整改，并提交整改材料。",
        "after": ["逾期不整改或者整改不到位的，将依照规定采取进一步措施。", APPEAL],
    }


def _yellow(content: Content) -> dict[str, Any]:
    return {
        "body": ["疫情防控措施不落实　予以黄牌警告"],
        "items": _failed(content),
        "deadline": f"整改期限：{moment_zh(content['rectify_by'])}前",
    }


def _red(content: Content) -> dict[str, Any]:
    return _yellow(content) | {"body": ["疫情防控措施屡次不落实　予以红牌警示"]}


def _decision(content: Content) -> dict[str, Any]:
    again = "继续" if content.get("extension") else ""
    grounds = f"依照阶梯处置办法（第{content['policy_version']}版）第{content['step']}步"
    return {
        "body": [
            f"经查，你单位未落实疫情防控措施。{grounds}，经两人以上审核批准，决定责令你单位{again}停业整顿。",
            f"停业整顿期限：自{moment_zh(content['starts_at'])}起至{moment_zh(content['ends_at'])}止，到期自行终止。",
        ],
        "after": ["停业整顿期间不得营业，场所码停止使用。整改完成并经复查合格、审核批准后，可以提前恢复营业。", APPEAL],
    }


def _seal(content: Content) -> dict[str, Any]:
    return {"body": [f"{moment_zh(content['starts_at'])}封　　至{moment_zh(content['ends_at'])}　　未经批准不得启封"]}


def _obligation(content: Content) -> dict[str, Any]:
    return {
        "title": content["title"],
        "body": content["body"].split("\n"),
        "items_title": "具体要求",
        "items": content["requirements"],
    }


def _letter(content: Content) -> dict[str, Any]:
    return _obligation(content) | {"signature": "责任单位（盖章）：　　　　　　　　　　负责人（签字）：　　　　　　　"}


def _given(content: Content) -> dict[str, Any]:
    return _obligation(content) | {"signature": "签收人：　　　　　　　　　　　　签收日期：　　　年　　月　　日"}


def _poster(content: Content) -> dict[str, Any]:
    return {
        "zone_name": content["zone_name"],
        "body": ["请佩戴口罩、测量体温、扫码登记", "没有手机的，请向工作人员出示纸质卡或登记"],
    }


_WRITTEN: Final[Mapping[DocumentKind, Callable[[Content], dict[str, Any]]]] = {
    DocumentKind.INSPECTION_FORM: _form,
    DocumentKind.RECTIFICATION_NOTICE: _notice,
    DocumentKind.YELLOW_CARD: _yellow,
    DocumentKind.RED_CARD: _red,
    DocumentKind.SUSPENSION_DECISION: _decision,
    DocumentKind.SEAL: _seal,
    DocumentKind.LETTER: _letter,
    DocumentKind.NOTICE: _given,
    DocumentKind.POSTER: _poster,
}
