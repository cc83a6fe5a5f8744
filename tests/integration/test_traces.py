"""One loop is one span tree, from the caller's first request to the list that scanners carry."""

import asyncio
import json
import secrets

import pytest
from devstack import scene
from devstack.api import Api
from devstack.gateclient import GateClient
from lilitong.checkpoint.v1 import scan_pb2


def spans_of(stack, trace_id):
    """Spans of one trace: span id → (parent id, name, service)."""
    found = {}
    for path in (stack.folder / "spans").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            span = json.loads(line)
            if span["trace_id"] == trace_id:
                found[span["span_id"]] = (span["parent_id"] or "", span["name"], span["service"])
    return found


@pytest.mark.feature("X11")
async def test_one_loop_is_one_span_tree(district, stack):
    trace_id, root = secrets.token_hex(16), secrets.token_hex(8)

    def api(role, subject):
        token = stack.token(role, subject=subject)
        return Api(stack.gateway_url, token, traceparent=f"00-{trace_id}-{root}-01")

    place, gate = await scene.venue(district), await scene.gate(district)
    index, contact = await scene.people(district, 2)
    await scene.visit(district, place, [index, contact])
    case_id, result_id = await district.suspect(index.resident_id)
    body = {"lab_result_id": result_id}
    async with api("approver", "approver-1") as first, api("approver", "approver-2") as second:
        await first.post(f"/cases/{case_id}/approvals", body)
        await district.impact(case_id)
        await second.post(f"/cases/{case_id}/approvals", body)
    async with GateClient(stack.address("checkpoint"), gate) as client:
        await client.scan_until(lambda: (contact.show(district.now()), district.now()), scan_pb2.VERDICT_DENY)
    spans = {}
    for _ in range(50):
        spans = spans_of(stack, trace_id)
        if {service for _, _, service in spans.values()} >= {"gateway", "quarantine", "venue", "checkpoint"}:
            break
        await asyncio.sleep(0.2)
    assert {service for _, _, service in spans.values()} == {"gateway", "quarantine", "venue", "checkpoint"}
    orphans = {span: entry for span, entry in spans.items() if entry[0] != root and entry[0] not in spans}
    assert orphans == {}
    assert any(service == "checkpoint" and parent in spans for parent, _, service in spans.values())
