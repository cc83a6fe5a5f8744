"""One trace goes from the publishing transaction to the handler, sealed on the bus."""

import json

import pytest
from chassis import telemetry
from chassis.events import publish, resuming, sealing

pytestmark = pytest.mark.connected

KEY = bytes(range(32))


async def test_the_handlers_span_is_a_child_of_the_publishers(stage, until, tmp_path):
    traces = telemetry.setup("test", exporter=f"file:{tmp_path / 'spans'}")
    seen = []

    async def handler(_connection, event):
        seen.append(event)

    stage.relay()
    stage.consumer(handler, around=resuming(KEY, "reader"))
    with telemetry.span("command"):
        async with stage.pool.acquire() as connection, connection.transaction():
            await publish(connection, [stage.event("one"), stage.event("two")], seal=sealing(KEY))
    await until(lambda: len(seen) == 2)
    await traces.close()
    spans = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
    [root] = [span for span in spans if span["name"] == "command"]
    children = [span for span in spans if span["kind"] == "consumer"]
    assert [(child["trace_id"], child["parent_id"]) for child in children] == [(root["trace_id"], root["span_id"])] * 2
    assert seen[0].seal != seen[1].seal
    assert bytes.fromhex(root["trace_id"]) not in seen[0].seal
