"""Is the paper on this door genuine? Open to everybody, as JSON for programs and as a page for a phone's browser.

The page is one string: no script, nothing fetched from elsewhere, all values escaped.
"""

from datetime import datetime
from html import escape
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from chassis.access import NOWHERE, allow
from lilitong.venue.v1 import document_pb2
from starlette.requests import Request
from starlette.responses import Response

from gateway import codec
from gateway.clients import Upstreams
from gateway.door import Headers
from gateway.limits import Buckets
from gateway.opened import OpenCall
from gateway.routes.documents import DOCUMENTS

PATH: Final = "/v1/document-verifications/{verification_id}"
_SECONDS: Final = 5.0
_DISTRICT: Final = ZoneInfo("Asia/Shanghai")
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "vary": "accept",
}
_KINDS: Final = {
    "inspection_form": ("疫情防控检查表", "Inspection form"),
    "rectification_notice": ("整改通知书", "Rectification notice"),
    "yellow_card": ("黄牌", "Yellow card"),
    "red_card": ("红牌", "Red card"),
    "suspension_decision": ("停业整顿决定书", "Suspension decision"),
    "seal": ("封条", "Seal"),
    "letter_of_responsibility": ("责任书", "Letter of responsibility"),
    "notice_of_requirements": ("告知书", "Notice of requirements"),
    "poster": ("场所码海报", "Venue code poster"),
}
_STANDINGS: Final = {
    "in_force": ("真实有效", "Genuine and in force", "#0a7d33"),
    "superseded": ("真实，已被新文书取代", "Genuine, superseded by a newer one", "#9a6700"),
    "annulled": ("真实，已撤销", "Genuine, annulled", "#9a6700"),
    "ended": ("真实，已失效", "Genuine, no longer in force", "#9a6700"),
}
_HTML: Final = "text/html; charset=utf-8"
_WRONG: Final = 400
_LATER: Final = ("暂时无法核验，请稍后再试", "Cannot be checked right now, please try again shortly", "#5f6368")
_FALSE: Final = ("查无此文书", "Not genuine: no such document was issued", "#b3261e")


class Verifications:
    """`buckets`: as of `OpenCall`."""

    def __init__(self, upstreams: Upstreams, buckets: Buckets) -> None:
        self._asked = OpenCall(upstreams, DOCUMENTS["VerifyDocument"], PATH, buckets, seconds=_SECONDS)

    @allow(anonymous=True, area=NOWHERE)
    async def serve(self, request: Request) -> Response:
        """The answer; refusals are answers too."""
        return await self._asked.respond(request, _shown, _refused)


def _shown(reply: document_pb2.VerifyDocumentResponse, headers: Headers) -> Response:
    found = codec.encode(reply.verification)
    if _in_a_browser(headers):
        return Response(page(found), 200, _HEADERS, _HTML)
    return Response(orjson.dumps(found), 200, _HEADERS, "application/json")


def _refused(refusal: Response, headers: Headers) -> Response:
    if not _in_a_browser(headers):
        return refusal
    # Somebody in front of a door holds the phone: no program's answer. An id that cannot be one is no paper of ours.
    kept = {"retry-after": refusal.headers["retry-after"]} if "retry-after" in refusal.headers else {}
    words = _FALSE if refusal.status_code == _WRONG else _LATER
    return Response(_filled(words, "", ""), refusal.status_code, _HEADERS | kept, _HTML)


def _in_a_browser(headers: Headers) -> bool:
    return "text/html" in headers.get("accept", "")


def page(found: Any) -> str:
    """The answer for a phone, in Chinese and English."""
    title, english, colour = _STANDINGS.get(found["standing"], _FALSE) if found["genuine"] else _FALSE
    rows: list[tuple[str, str, str]] = []
    if found["genuine"]:
        kind, kind_en = _KINDS.get(found["kind"], ("文书", "Document"))
        rows = [
            ("文书", "Document", f"{kind} {kind_en}"),
            ("文号", "Number", found["number"]),
            ("发文机关", "Issued by", found["issuing_body"]),
            ("日期", "Date", _moment(found["issued_at"])[:10]),
        ]
        if found["venue_name"]:
            rows.append(("场所", "Venue", found["venue_name"]))
    rows.append(("核验时间", "Checked at", _moment(found["checked_at"])))
    drill = '<p class="drill">演练文书，不具有效力<br>Drill: without effect</p>' if found["drill"] else ""
    listed = "".join(
        f"<dt>{escape(name)} <small>{escape(name_en)}</small></dt><dd>{escape(text)}</dd>"
        for name, name_en, text in rows
    )
    return _filled((title, english, colour), drill, f"<dl>{listed}</dl>")


def _filled(words: tuple[str, str, str], drill: str, rows: str) -> str:
    title, english, colour = words
    return _PAGE.format(title=escape(title), english=escape(english), colour=colour, drill=drill, rows=rows)


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(_DISTRICT).strftime("%Y-%m-%d %H:%M") if text else ""


_PAGE: Final = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title} · 文书核验</title><style>
body {{ margin: 0; background: #f4f5f7; color: #1c1c1e; font: 17px/1.5 system-ui, "Noto Sans SC", sans-serif }}
header {{ background: {colour}; color: #fff; padding: 28px 20px; text-align: center }}
h1 {{ margin: 0; font-size: 28px }} header p {{ margin: 6px 0 0 }}
main {{ max-width: 34em; margin: 16px auto; padding: 0 16px }}
dl {{ background: #fff; border-radius: 10px; margin: 0; padding: 8px 18px }}
dt {{ color: #5f6368; padding-top: 10px }} dd {{ margin: 0; padding-bottom: 10px; border-bottom: 1px solid #eee;
  overflow-wrap: anywhere }}
dd:last-child {{ border: 0 }}
.drill {{ background: #fff3cd; border-radius: 10px; padding: 12px; text-align: center; font-weight: 600 }}
footer {{ color: #5f6368; font-size: 14px; padding: 16px 0; text-align: center }}
</style></head><body><header><h1>{title}</h1><p>{english}</p></header><main>{drill}{rows}
<footer>离里通文书核验 · Lilitong document verification</footer></main></body></html>
"""


def described() -> dict[str, Any]:
    """The path for the OpenAPI document."""
    shown = {
        "genuine": True,
        "in_force": True,
        "standing": "in_force",
        "kind": "red_card",
        "number": "离防红〔2022〕24号",
        "issuing_body": "莲花池街道疫情防控办公室",
        "issued_at": "2022-03-10T04:00:00Z",
        "venue_name": "示例",
        "drill": False,
        "checked_at": "2022-03-11T04:00:00Z",
    }
    return {
        PATH: {
            "get": {
                "operationId": "verifyDocument",
                "tags": ["documents"],
                "summary": "Is a document genuine and in force",
                "description": "For anybody, by the id in the document's QR code. A page for browsers (`Accept: text/html`).",
                "parameters": [
                    {
                        "name": "verification_id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string", "minLength": 1, "maxLength": 64},
                        "example": "mfrggzdfmztwq2lknnwg23tpoa",
                    }
                ],
                "responses": {
                    "200": {
                        "description": "Also when there is no such document: `genuine` is false then.",
                        "content": {
                            "application/json": {"schema": {"type": "object"}, "example": shown},
                            "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>"},
                        },
                    },
                    **{str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in (400, 429, 503)},
                },
                "security": [],
            }
        }
    }
