"""A recalled lot of the cold chain: who handled it at work is asked by a tracer, and stopped by nobody."""

import asyncio
from datetime import UTC
from uuid import uuid4

import pytest
from devstack import scene
from devstack.gateclient import GateClient
from lilitong.checkpoint.v1 import scan_pb2


@pytest.mark.feature("V10")
async def test_who_handled_a_recalled_lot_is_asked_and_not_stopped(district, stack):
    place = await scene.venue(district, category="cold_chain")
    (worker,) = await scene.people(district, 1)
    shop = district.api("venue_operator", place.operator)
    premises = {"venue_id": place.venue_id, "licence_number": f"SX-{uuid4().hex[:8].upper()}"}
    await district.api("venue_officer").post("/importing-premises", premises)
    lot_id, trace_code = str(uuid4()), f"T{uuid4().hex[:12]}"
    lot = {
        "lot_id": lot_id, "premises_id": place.venue_id, "declaration_number": "223120221000012345", "origin_country": "EC",
        "trace_code": trace_code, "product": "冻虾", "quantity": 1000, "unit": "kilogram",
        "arrived_at": district.now().astimezone(UTC).isoformat(),
    }  # fmt: skip
    await shop.post("/lots", lot)
    shown = worker.show_anew(district.now())
    await shop.post(f"/lots/{lot_id}/handlers", {"venue_id": place.venue_id, "credential": shown})
    proposal_id = str(uuid4())
    first = {"proposal_id": proposal_id, "reason": "上游通报阳性"}
    await district.api("enforcement_lead", "lead-1").post(f"/lots/{lot_id}/recall-proposals", first)
    second = {"decision_id": str(uuid4()), "decision": "recall", "reason": "经研判"}
    await district.api("enforcement_lead", "lead-2").post(f"/recall-proposals/{proposal_id}/decisions", second)

    tracer = district.api("tracer")
    for _ in range(150):
        found = (await tracer.get("/interview-tasks", area="141102", lot_id=lot_id))["tasks"]
        if found and found[0]["lot"]["product"]:  # the lot and its handlers are told apart, in any order
            break
        await asyncio.sleep(0.1)
    (task,) = found
    assert (task["resident_id"], task["reason"], task["case_id"]) == (worker.resident_id, "recalled_lot", "")
    assert (task["lot"]["product"], task["lot"]["trace_code"]) == ("冻虾", trace_code)

    answered = await tracer.post(
        f"/interview-tasks/{task['task_id']}/outcome", {"outcome": "advised", "statement": "搬过两箱"}
    )
    assert (answered["task"]["outcome"], answered["evidence_id"]) == ("advised", "")
    gate = await scene.gate(district)
    async with GateClient(stack.address("checkpoint"), gate) as client:
        now = district.now()
        passed = await client.scan(worker.show_anew(now), now)
    assert passed.verdict == scan_pb2.VERDICT_ALLOW
