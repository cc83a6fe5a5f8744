"""Tens of thousands of generated calls at the running system; each test holds one thing about the same attack.

`ATTACK_SEED=` repeats a run's drafts; `ATTACK_EACH=` says how many per operation (default 110: over 20,000 calls in all).
"""

import asyncio
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio
from devstack import scene
from devstack.district import District
from devstack.gateclient import GateClient
from lilitong.checkpoint.v1 import scan_pb2
from rest_attack import counters, stored
from rest_attack.campaign import Campaign
from rest_attack.report import Report
from rest_attack.things import Things

pytestmark = [pytest.mark.slow, pytest.mark.feature("R9"), pytest.mark.timeout(900)]
FULL = 110
EACH = int(os.environ.get("ATTACK_EACH", str(FULL)))
whole = pytest.mark.skipif(EACH < FULL, reason="so few calls need not meet every case")
LEAST_CALLS = 20_000 if EACH >= FULL else 100 * EACH


@dataclass(slots=True)
class Outcome:
    """What the attack left. `changed`: tables that calls which must be refused changed; `had`, `added`: ids by what they are of; venues that were `imported`."""

    campaign: Campaign
    changed: set[str] = field(default_factory=set)
    had: stored.Ids = field(default_factory=dict)
    added: stored.Ids = field(default_factory=dict)
    imported: int = 0
    served: Counter[str] = field(default_factory=Counter)

    @property
    def report(self) -> Report:
        return self.campaign.report


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="attack")
async def _attack(stack) -> Outcome:
    seed = int(os.environ.get("ATTACK_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
    print(f"\nattack on REST: ATTACK_SEED={seed} ATTACK_EACH={EACH}")
    things = await Things.made(stack)
    found = Outcome(Campaign(stack, things, seed))
    served = await counters.served(stack)
    started = time.monotonic()
    async with stored.connected(stack) as database:
        before = await stored.at_rest(database)
        await found.campaign.refused(max(EACH // 7, 1))
        after = await stored.at_rest(database)
        found.changed = {table for table in before | after if before.get(table) != after.get(table)}
        found.had, imported = await stored.ids(database), await stored.imported(database)
        await found.campaign.reaching(EACH)
        await stored.at_rest(database)  # imports go on by themselves
        found.added = {kind: ids - found.had[kind] for kind, ids in (await stored.ids(database)).items()}
        found.imported = await stored.imported(database) - imported
    found.served = await counters.served(stack) - served
    report = found.report
    print(report.table())
    print(
        f"{report.calls} calls in {time.monotonic() - started:.0f} s, {report.reached} decided by domain code "
        f"({report.reached / report.calls:.0%}); the services counted {counters.inside(found.served)} let in, "
        f"check-ins in batches of what came together ({report.check_ins} decided)"
    )
    return found


async def test_no_answer_breaks_the_description_or_is_an_error_of_ours(attack):
    """No 5xx, nothing outside the committed schemas, every refusal a problem that quotes nothing; repeats are the same."""
    assert not attack.report.faults, "\n".join(
        f"{count} × {text}" for text, count in attack.report.faults.most_common()
    )
    assert attack.report.calls >= LEAST_CALLS
    assert min(status for found in attack.report.statuses.values() for status in found) >= 200
    assert max(status for found in attack.report.statuses.values() for status in found) < 500


async def test_most_calls_reach_domain_code_by_the_answers_and_by_the_services_own_counters(attack):
    report = attack.report
    assert report.reached >= report.calls / 2
    # Check-ins are counted inside by the batches they were joined into, so their answers count for them.
    assert counters.inside(attack.served) + report.check_ins >= report.calls / 2
    assert attack.served.total() >= report.reached - report.check_ins


@whole
async def test_every_operation_was_done_refused_and_decided_by_domain_code(attack):
    for about, found in attack.report.statuses.items():
        assert found.keys() & {200, 201, 202, 207}, about
        assert {401, 403} <= found.keys(), about


@pytest.mark.feature("S1")
async def test_who_may_not_changes_nothing_and_a_spoiled_request_neither(attack):
    assert attack.changed == set()


async def test_only_what_was_answered_as_done_is_there_and_all_of_it(attack):
    # Some things can be said again: an application that was returned, a team as it is.
    acknowledged = {kind: attack.campaign.acknowledged.ids[kind] - attack.had[kind] for kind in attack.added}
    # What imports make has ids that no call gave: as many as they say, and nothing else.
    others = attack.added[stored.VENUES] - acknowledged[stored.VENUES]
    assert len(others) == attack.imported
    assert attack.added == acknowledged | {stored.VENUES: acknowledged[stored.VENUES] | others}
    assert all(attack.added.values())


@whole
async def test_the_same_key_was_tried_again_at_once_and_for_something_else(attack):
    repeats = attack.report.repeats
    assert min(repeats["again"], repeats["at once"], repeats["other content 422"]) >= 5


async def test_the_system_works_afterwards(attack, stack):
    async with httpx.AsyncClient(base_url=stack.gateway_url, trust_env=False) as client:
        assert (await client.get("/readyz")).json()["status"] == "ready"
    district = District(stack)
    try:
        await district.start_policy()
        place, gate = await scene.venue(district), await scene.gate(district)
        index, contact = await scene.people(district, 2)
        await scene.visit(district, place, [index, contact])
        await scene.confirm(district, index)

        def shown():
            now = district.now()
            return contact.show(now), now

        async with GateClient(stack.address("checkpoint"), gate) as scanner:
            refused = await scanner.scan_until(shown, scan_pb2.VERDICT_DENY)
        assert refused.verdict == scan_pb2.VERDICT_DENY
    finally:
        await district.close()


async def test_nothing_that_was_sent_stands_in_logs_or_spans(attack, stack):
    await asyncio.sleep(0.5)
    texts = ("演示居民", "DROP TABLE", "jndi:ldap", "LLT1:", "LLV1:", "eyJ", "<script>")
    for path in [*(stack.folder / "logs").iterdir(), *(stack.folder / "spans").iterdir()]:
        text = path.read_text(errors="replace")
        found = [one for one in texts + tuple(attack.report.said) if one in text]
        assert found == [], path.name
