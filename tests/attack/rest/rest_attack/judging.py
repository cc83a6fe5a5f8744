"""Whether an answer is one that the description of the API allows, and says nothing that it should not."""

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rest_attack.drafts import DESCRIPTION
from rest_attack.wire import Answer

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PROBLEM = "application/problem+json"
_REASON = re.compile(r"[A-Z][A-Z0-9_]{2,63}")
# Decided before any domain code: by HTTP, the contract, the caller's token, role or area.
NOT_DOMAIN = frozenset({
    "INVALID_REQUEST", "IDEMPOTENCY_KEY_REQUIRED", "IDEMPOTENCY_KEY_MALFORMED", "CREDENTIALS_REQUIRED", "TOKEN_REFUSED",
    "NOT_ALLOWED", "OUT_OF_AREA", "PURPOSE_REQUIRED", "PURPOSE_MALFORMED", "MALFORMED_JSON", "REPEATED_FIELD",
    "JSON_REQUIRED", "NO_SUCH_ROUTE", "METHOD_NOT_ALLOWED", "BODY_TOO_LARGE", "BODY_TOO_SLOW", "AMBIGUOUS_HEADER",
    "RATE_LIMITED", "BODY_INCOMPLETE",
})  # fmt: skip

# Words of the description are drawn as values too, and stand in answers for what they mean.
_OURS = DESCRIPTION.read_text()


@cache
def _schema() -> Any:
    return schemathesis.openapi.from_dict(json.loads(DESCRIPTION.read_text()))


@cache
def _case(about: str) -> tuple[Any, requests.PreparedRequest]:
    verb, _, path = about.partition(" ")
    names = re.findall(r"{(\w+)}", path)
    case = _schema()[path][verb].Case(method=verb, path_parameters=dict.fromkeys(names, "x"))
    return case, requests.Request(verb, f"http://gateway{path}").prepare()


def faults(about: str, answer: Answer, said: Sequence[str] = ()) -> list[str]:
    """What is wrong with an answer to one operation; nothing of it quotes what was sent."""
    if not answer.status:
        return ["closed without an answer"]
    case, request = _case(about)
    response = schemathesis.Response(answer.status, answer.headers, answer.body, request, answer.seconds, verify=False)
    found: list[str] = []
    try:
        case.validate_response(response, checks=CHECKS)
    except BaseExceptionGroup as failed:
        found += [f"{type(one).__name__}: {str(one)[:300]}" for one in failed.exceptions]
    if answer.status >= 400:
        found += problem_faults(answer, said)
    return found


def problem_faults(answer: Answer, said: Sequence[str] = ()) -> list[str]:
    """What is wrong with a refusal."""
    if answer.header("content-type") != PROBLEM:
        return [f"a refusal that is no problem: {answer.header('content-type')!r}"]
    problem = json.loads(answer.body)
    reason = problem.get("reason", "")
    found = []
    if not _REASON.fullmatch(reason) or problem.get("type") != "/problems/" + reason.lower().replace("_", "-"):
        found.append(f"type and reason disagree: {problem.get('type')!r}")
    if problem.get("status") != answer.status or not problem.get("title") or not problem.get("detail"):
        found.append("status, title or detail is missing")
    texts = [problem["title"], problem["detail"], *problem.get("metadata", {}).values()]
    texts += [str(value) for error in problem.get("errors", ()) for value in error.values()]
    whole = "\n".join(texts)
    found += [f"{reason} echoes what was sent" for one in said if one in whole and is_content(one)][:1]
    return found


def is_content(text: str) -> bool:
    """Whether a text is not simply one of ours: words of the description are drawn as values too."""
    return text not in _OURS


def reason_of(answer: Answer) -> str:
    """The reason of a refusal; "" for anything else."""
    if answer.status < 400 or answer.header("content-type") != PROBLEM:
        return ""
    return str(json.loads(answer.body).get("reason", ""))


def reached(answer: Answer) -> bool:
    """Whether a service's domain code decided; of a batch, about one item at least."""
    if answer.status == 207:
        results = json.loads(answer.body)["results"]
        return any((one.get("error") or {}).get("reason", "") not in NOT_DOMAIN for one in results)
    return bool(answer.status) and answer.status < 500 and reason_of(answer) not in NOT_DOMAIN
