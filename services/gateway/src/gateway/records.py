"""Spot checks that are over, and what each was drawn from: open to everybody, so that anybody can draw again."""

from typing import Any, Final

import orjson
from chassis.access import NOWHERE, allow
from lilitong.venue.v1 import spot_check_pb2
from starlette.requests import Request
from starlette.responses import Response

from gateway import codec
from gateway.clients import Upstreams
from gateway.documentation.examples import example
from gateway.documentation.schemas import Schemas
from gateway.door import Headers
from gateway.limits import Buckets
from gateway.opened import OpenCall
from gateway.operations import Contract, rules_of
from gateway.tags import tagged

PATH: Final = "/v1/spot-checks/{draw_id}/record"
LIST_PATH: Final = "/v1/published-spot-checks"
_CHECKS: Final = Contract(spot_check_pb2, "SpotCheckService")
RECORD: Final = _CHECKS["GetSpotCheckRecord"]
LIST: Final = _CHECKS["ListPublishedSpotChecks"]
_SECONDS: Final = 15.0
_JSON: Final = "application/json"


class Records:
    """`buckets`: as of `OpenCall`."""

    def __init__(self, upstreams: Upstreams, buckets: Buckets) -> None:
        self._asked = OpenCall(upstreams, RECORD, PATH, buckets, seconds=_SECONDS)
        self._listed = OpenCall(upstreams, LIST, LIST_PATH, buckets, seconds=_SECONDS, query=True)

    @allow(anonymous=True, area=NOWHERE)
    async def serve(self, request: Request) -> Response:
        """The record as the JSON document that it is; refusals are answers too."""
        return await self._asked.respond(request, _record)

    @allow(anonymous=True, area=NOWHERE)
    async def serve_list(self, request: Request) -> Response:
        """Which spot checks are over; refusals are answers too."""
        return await self._listed.respond(request, _page)


def _record(reply: spot_check_pb2.GetSpotCheckRecordResponse, headers: Headers) -> Response:
    # What is published never changes, so whoever keeps copies may hand them out.
    return tagged(Response(reply.record, 200, None, _JSON), headers, cache="public, max-age=86400, immutable")


def _page(reply: spot_check_pb2.ListPublishedSpotChecksResponse, _: Headers) -> Response:
    return Response(orjson.dumps(codec.encode(reply)), 200, {"cache-control": "public, max-age=60"}, _JSON)


def described(schemas: Schemas) -> dict[str, Any]:
    """The paths for the OpenAPI document."""
    return _described_list(schemas) | _described_record()


def _described_list(schemas: Schemas) -> dict[str, Any]:
    return {
        LIST_PATH: {
            "get": {
                "operationId": "listPublishedSpotChecks",
                "tags": ["spot-checks"],
                "summary": "Which spot checks are over",
                "description": "For anybody: the published ones, whose records can be read, and those that were committed to and "
                "never drawn (`lapsed`); the newest commitment first. Pages are followed by `next_page_token`, empty on the last "
                "one.",
                "parameters": [
                    {
                        "name": field.name,
                        "in": "query",
                        "required": False,
                        "schema": schemas.value(field, rules_of(field), given=True),
                    }
                    for field in LIST.takes.fields
                ],
                "responses": {
                    "200": {
                        "description": "A page of them.",
                        "content": {
                            _JSON: {"schema": schemas.named(LIST.gives, given=False), "example": example(LIST.gives)}
                        },
                    },
                    **_problems(400, 429, 503),
                },
                "security": [],
            }
        }
    }


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses}


def _described_record() -> dict[str, Any]:
    shown = {
        "format": "lilitong/spot-check/1",
        "draw_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        "frame": {
            "area": "141102001",
            "area_digits": 12,
            "per_mille": 1000,
            "venues": [["00000000-0000-4000-8000-000000000000", "141102001001", 3]],
        },
        "seed": "577b3c6c24bb0fa1d40aad4ee8e321f1ec62f35fe500dd21d75010afb306029a",
        "pairs": [[1, "30000000-0000-4000-8000-000000000000", "10000000-0000-4000-8000-000000000001",
                   "10000000-0000-4000-8000-000000000002"]],
        "assignments": [["00000000-0000-4000-8000-000000000000", 1]],
    }  # fmt: skip
    return {
        PATH: {
            "get": {
                "operationId": "getSpotCheckRecord",
                "tags": ["spot-checks"],
                "summary": "Read what is needed to draw again",
                "description": "For anybody, once every inspection has begun or the time is over; before that 409 "
                "`NOT_YET_PUBLISHED`. Ids stand for venues, teams and inspectors. docs/spot-checks.md says what is in it "
                "and how to draw again with one command.",
                "parameters": [
                    {
                        "name": "draw_id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string", "format": "uuid"},
                        "example": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
                    }
                ],
                "responses": {
                    "200": {
                        "description": "The record; it never changes.",
                        "content": {_JSON: {"schema": {"type": "object"}, "example": shown}},
                    },
                    "304": {"description": "As `If-None-Match` names it."},
                    **_problems(400, 404, 409, 429, 503),
                },
                "security": [],
            }
        }
    }
