"""The bar of P3: a bare FastAPI route that takes JSON through a pydantic model, on the gateway's own server.

    python -m bench.p3_bare PORT

Same process frame as every service (uvloop, frozen garbage), same granian with the same settings, one process.
"""

import sys

from chassis.run import Service, run
from fastapi import FastAPI
from gateway.lines import Lines
from gateway.server import RestServer
from pydantic import BaseModel


class CheckIn(BaseModel):
    """A check-in's body, and nothing asked of it."""

    credential: str
    venue_code: str
    scanned_by_staff: bool = False


def bare_api() -> FastAPI:
    """One route that does nothing."""
    api = FastAPI(openapi_url=None)

    @api.post("/v1/check-ins")
    async def check_in(_: CheckIn) -> dict[str, str]:
        return {"outcome": "admitted"}

    return api


def main() -> int:
    listen = f"127.0.0.1:{int(sys.argv[1])}"

    async def wire(service: Service) -> None:
        service.server(RestServer(listen, bare_api(), Lines()))

    return run("bare", wire)


if __name__ == "__main__":
    sys.exit(main())
