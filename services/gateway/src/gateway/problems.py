"""Refusals as `application/problem+json` (RFC 9457); nothing else in the gateway knows that format.

`type` is a relative URI with the stable reason, `reason` the same for programs, `detail` the public text of the domain
error, `errors[]` one entry per field with a JSON pointer (RFC 6901) into the request's body.
"""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import orjson
from chassis.errors import DomainError, Kind

from gateway import wording

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[Kind, int] = MappingProxyType({
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.EXISTS: 409,
    Kind.PRECONDITION: 409,
    Kind.ABORTED: 409,
    Kind.MISMATCH: 422,
    Kind.EXHAUSTED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
})  # fmt: skip

_TITLES: Mapping[int, tuple[str, str]] = MappingProxyType({
    400: ("The request is wrong", "请求有误"),
    401: ("Please identify yourself", "请先登录"),
    403: ("Not allowed", "没有权限"),
    404: ("Not found", "未找到"),
    405: ("Not possible here", "此处不支持该操作"),
    409: ("The state does not allow this", "当前状态不允许此操作"),
    408: ("Too slow", "发送超时"),
    413: ("Too large", "内容过大"),
    415: ("Not JSON", "格式不支持，请用 JSON"),
    422: ("The key was used for something else", "该幂等键已用于其他内容"),
    429: ("Too many requests", "请求过于频繁"),
    500: ("Something failed on our side", "服务内部出错"),
    503: ("Not available right now", "服务暂时不可用"),
})  # fmt: skip
_OTHER_TITLE = ("Refused", "已拒绝")
_RETRY_SECONDS = "1"
_LANGUAGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,30})?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class HttpError(DomainError):
    """A refusal that belongs to HTTP itself: a status of its own and headers, e.g. 405 with Allow."""

    def __init__(
        self, status: int, kind: Kind, reason: str, message: str, *, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(kind, reason, message)
        self.status = status
        self.headers = headers


def language(accept: str) -> str:
    """`zh` or `en`, whichever an Accept-Language header prefers; `en` when it prefers neither."""
    best, found = 0.0, "en"
    for part in accept.split(",")[:16]:
        match = _LANGUAGE.fullmatch(part)
        if match is None or match[1].lower() not in {"zh", "en"}:
            continue
        weight = 1.0 if match[2] is None else float(match[2])
        if weight > best:
            best, found = weight, match[1].lower()
    return found


def pointer(path: str) -> str:
    """`requests[3].zone_id` as a JSON pointer: `/requests/3/zone_id`; "" is the whole body."""
    steps = (match[1] if match[1] is not None else match[2] for match in _STEP.finditer(path))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def title(status: int, lang: str) -> str:
    """What a status means to a person."""
    return _TITLES.get(status, _OTHER_TITLE)[lang == "zh"]


def status_of(error: DomainError) -> int:
    """The HTTP status of a refusal."""
    return error.status if isinstance(error, HttpError) else STATUS[error.kind]


def problem(
    error: DomainError, *, lang: str = "en", instance: str = "", parameters: Collection[str] = ()
) -> dict[str, Any]:
    """The problem object of a refusal; also what a refused item of a batch carries.

    Fields named in `parameters` stand in the address: they are named as such instead of by a pointer into the body.
    """
    status = status_of(error)
    found: dict[str, Any] = {
        "type": f"/problems/{error.reason.lower().replace('_', '-')}",
        "title": title(status, lang),
        "status": status,
        "detail": wording.detail(error, lang),
        "reason": error.reason,
    }
    if instance:
        found["instance"] = instance
    if error.fields:
        found["errors"] = [
            ({"parameter": path} if path in parameters else {"pointer": pointer(path)})
            | {"detail": wording.of_field(text, lang)}
            for path, text in error.fields.items()
        ]
    if error.metadata:
        found["metadata"] = dict(error.metadata)
    return found


def answer(
    error: DomainError, *, lang: str = "en", instance: str = "", parameters: Collection[str] = ()
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a refusal."""
    status = status_of(error)
    headers = {"content-type": MEDIA_TYPE, "content-language": lang, "vary": "accept-language"}
    if isinstance(error, HttpError):
        headers |= error.headers
    if status == STATUS[Kind.UNAUTHENTICATED]:
        # RFC 6750: no error code when no credentials came at all.
        sent = error.reason != "CREDENTIALS_REQUIRED"
        headers["www-authenticate"] = 'Bearer realm="lilitong"' + (', error="invalid_token"' if sent else "")
    if status in {STATUS[Kind.UNAVAILABLE], STATUS[Kind.EXHAUSTED]}:
        headers.setdefault("retry-after", _RETRY_SECONDS)
    return status, headers, orjson.dumps(problem(error, lang=lang, instance=instance, parameters=parameters))
