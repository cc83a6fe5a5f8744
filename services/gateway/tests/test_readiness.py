import pytest

pytestmark = pytest.mark.feature("X11")


async def test_a_gateway_with_everything_behind_it_is_ready(door):
    response = await door.client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready", "degraded": [], "draining": False,
        "parts": {"quarantine": "ready", "venue": "ready", "checkpoint": "ready", "keys": "ready"},
    }  # fmt: skip


async def test_what_is_away_is_named_and_the_rest_goes_on(door):
    door.peers.healthy["venue"] = False
    response = await door.client.get("/readyz")
    body = response.json()
    assert (response.status_code, body["status"], body["degraded"]) == (200, "degraded", ["venue"])
    assert body["parts"]["venue"] == "unavailable"


async def test_a_gateway_with_nothing_behind_it_takes_no_traffic(door):
    door.peers.healthy = dict.fromkeys(door.peers.healthy, False)
    response = await door.client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"


async def test_a_gateway_that_can_verify_nobody_takes_no_traffic(make_door):
    door = make_door(jwks="http://127.0.0.1:9/jwks.json")  # nobody is there
    response = await door.client.get("/readyz")
    assert (response.status_code, response.json()["parts"]["keys"]) == (503, "unavailable")


async def test_a_gateway_that_is_being_replaced_says_so_and_closes_connections(door):
    door.gateway.lines.draining = True
    response = await door.client.get("/readyz")
    assert (response.status_code, response.json()["draining"]) == (503, True)
    assert response.headers["connection"] == "close"
    assert (await door.client.post("/v1/check-ins")).headers["connection"] == "close"


async def test_being_alive_depends_on_nothing(door):
    door.peers.healthy = {}
    assert (await door.client.get("/healthz")).json() == {"status": "alive"}
