"""How refusals and the gateway's own routes stand in the documentation."""

from gateway import problems
from gateway.codec import Json
from gateway.documentation.schemas import PROBLEM, reference

_JSON = "application/json"
_UNAUTHENTICATED = 401
REFUSALS = {
    400: "The request breaks its contract; `errors` says where.",
    401: "No valid token.",
    403: "The role or the area does not allow it.",
    404: "No such thing, or none that this caller may know of.",
    408: "The body did not arrive in time.",
    409: "The state does not allow it, or another change came first.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was used with other content.",
    429: "Too many requests; wait as Retry-After says.",
    500: "Something failed on our side; `metadata.error_id` stands in our log.",
    503: "A service is away; try again as Retry-After says.",
}
_SHOWN = {
    401: ("CREDENTIALS_REQUIRED", "Valid credentials are required."),
    403: ("OUT_OF_AREA", "This lies outside the areas you are responsible for."),
    404: ("NO_SUCH_ROUTE", "There is nothing at this address."),
    408: ("BODY_TOO_SLOW", "The body did not arrive in time."),
    409: ("VENUE_EXISTS", "Another venue is registered under this id."),
    413: ("BODY_TOO_LARGE", "The body is larger than 1048576 bytes."),
    415: ("JSON_REQUIRED", "Send the body as application/json, without Content-Encoding."),
    422: ("IDEMPOTENCY_MISMATCH", "This request id was used before with other content."),
    429: ("RATE_LIMITED", "You are asking faster than your limit allows."),
    500: ("INTERNAL", "Something failed on our side."),
    503: ("PEER_UNAVAILABLE", "The service cannot be reached right now."),
}


def problem_schema() -> Json:
    """The problem object."""
    text: Json = {"type": "string"}
    return {
        "type": "object",
        "description": "A refusal (RFC 9457). Programs go by `reason`, which never changes.",
        "required": ["type", "title", "status", "detail", "reason"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string", "description": "In Chinese or English, by Accept-Language."},
            "status": {"type": "integer"},
            "detail": text,
            "reason": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"},
            "instance": {"type": "string", "format": "uri-reference"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["detail"],
                    "properties": {
                        "pointer": {"type": "string", "format": "json-pointer"},
                        "parameter": text,
                        "detail": text,
                    },
                },
            },
            "metadata": {"type": "object", "additionalProperties": text},
        },
    }


def refusal(status: int) -> Json:
    """The response component of a status."""
    reason, detail = _SHOWN.get(status, ("INVALID_REQUEST", "The request breaks its contract."))
    shown = {
        "type": f"/problems/{reason.lower().replace('_', '-')}",
        "title": problems.title(status, "en"),
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    found: Json = {
        "description": REFUSALS[status],
        "content": {problems.MEDIA_TYPE: {"schema": reference(PROBLEM), "example": shown}},
    }
    if status in {429, 503}:
        found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    if status == _UNAUTHENTICATED:
        found["headers"] = {"WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}}}
    return found


def system_paths() -> dict[str, Json]:
    """The paths that are about the gateway itself."""

    def read(name: str, summary: str, description: str, shown: Json, *, away: bool = False) -> Json:
        content = {_JSON: {"schema": {"type": "object"}, "example": shown}}
        responses: Json = {"200": {"description": "Done.", "content": content}}
        if away:
            responses["503"] = {"description": "Send no traffic here.", "content": content}
        responses["405"] = {
            "description": "Only GET, HEAD and OPTIONS.",
            "content": {problems.MEDIA_TYPE: {"schema": reference(PROBLEM)}},
        }
        about: Json = {"operationId": name, "tags": ["system"], "summary": summary, "description": description}
        return {"get": {**about, "responses": responses, "security": []}}

    ready = {
        "status": "degraded",
        "parts": {"quarantine": "ready", "venue": "unavailable", "checkpoint": "ready", "keys": "ready"},
        "degraded": ["venue"],
        "draining": False,
    }
    return {
        "/healthz": read("healthz", "Is the process alive", "For liveness probes.", {"status": "alive"}),
        "/readyz": read(
            "readyz",
            "Does the gateway take traffic",
            "`ready`, `degraded` (a part named in `degraded` is away, the rest works) or `unavailable` (503).",
            ready,
            away=True,
        ),
        "/openapi.json": read("openapi", "Read this document", "OpenAPI 3.1.", {"openapi": "3.1.0"}),
    }
