"""What a running system exports is what the pages, rules and dashboards are made from."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tools.operations import queries
from tools.operations.exported import PREFIX, SERVICES, families

pytestmark = [pytest.mark.connected, pytest.mark.feature("X11"), pytest.mark.asyncio(loop_scope="module")]


async def scraped(stack, service):
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{stack.children[service].metrics}/metrics")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_exports_exactly_what_its_code_was_asked_for(stack, service):
    found = await scraped(stack, service)
    expected = {family.name: family for family in families(service)}
    # When a counter was created is the client library's own addition.
    ours = {name for name in found if name.startswith(PREFIX) and not name.endswith("_created")}
    assert ours == expected.keys()
    for name, family in expected.items():
        assert found[name].type == family.kind
        for sample in found[name].samples:
            assert sample.labels.keys() - {"le"} == set(family.labels), sample.name


async def test_rules_and_dashboards_name_what_the_running_system_exports(stack):
    known = set(queries.recorded()) | queries.PLATFORM.keys()
    for service in SERVICES:
        for name, family in (await scraped(stack, service)).items():
            ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
            known |= {name + end for end in ends}
    asked = [rule["expr"] for rule in queries.rules()] + [expression for _, expression in queries.panel_expressions()]
    assert set().union(*map(queries.names, asked)) - known == set()


async def test_values_that_alerts_wait_for_are_good_on_a_sound_system(stack):
    quarantine, checkpoint = await scraped(stack, "quarantine"), await scraped(stack, "checkpoint")

    def value(of, name):
        return [sample.value for sample in of[name].samples]

    assert value(quarantine, "lilitong_day_keys_ahead") == [8]
    assert value(quarantine, "lilitong_database_up") == [1]
    assert value(quarantine, "lilitong_bus_connected") == [1]
    assert value(quarantine, "lilitong_loop_waiting_seconds") == [0]
    assert value(checkpoint, "lilitong_list_age_seconds")[0] < 10
    assert set(value(quarantine, "lilitong_consumer_stalled_seconds")) == {0}
    tasks = {sample.labels["task"] for sample in quarantine["lilitong_sweep_done_timestamp_seconds"].samples}
    assert {"day keys", "day sets", "signing keys", "key ages"} <= tasks
