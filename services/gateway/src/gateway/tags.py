"""Entity tags (RFC 9110, 8.8.3 and 13.1.2): what a client has already is not sent again."""

from collections.abc import Mapping
from hashlib import sha256

from starlette.responses import Response


def tagged(response: Response, headers: Mapping[str, str], *, cache: str) -> Response:
    """The response with the tag of its body and `cache-control`, or 304 when the request's `If-None-Match` names that."""
    tag = f'"{sha256(response.body).hexdigest()[:32]}"'
    given = {part.strip().removeprefix("W/") for part in headers.get("if-none-match", "").split(",")}
    if tag in given or "*" in given:
        response = Response(status_code=304)
    response.headers["etag"] = tag
    response.headers["cache-control"] = cache
    return response
