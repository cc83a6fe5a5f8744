"""Rule 1 for venues, by SQL as the service's own role: no suspension without a failed inspection by two, a policy that two approved,
another approver, an end and its entry in the log; and none but such a one closes a door.
"""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from ledger import store as log
from venue.enforcement.ladder import store
from venue.enforcement.ladder.leaf import leaf_of
from venue.register import store as register_store

from .conftest import DECISION, FORM

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7"), pytest.mark.feature("S3")]


class Forger:
    """Writes rows as the service could, each with one thing wrong."""

    def __init__(self, street, measure, connection):
        self.street, self.measure, self.connection = street, measure, connection

    async def suspension(self, *, fact=None, leaf=True, append=True, **given):
        """A fact and a suspension; by default everything is right."""
        row = await self.connection.fetchrow("SELECT * FROM measures WHERE measure_id = $1", self.measure)
        head = await self.connection.fetchval(
            "SELECT max(ordinal) FROM ladder_facts WHERE venue_id = $1", row["venue_id"]
        )
        identity, now = uuid4(), self.street.now()
        fields = {
            "suspension_id": identity,
            "kind": 3,
            "venue_id": row["venue_id"],
            "measure_id": self.measure,
            "policy_id": row["policy_id"],
            "step": row["step"],
            "suspension_days": row["suspension_days"],
            "first_inspector": row["first_inspector"],
            "second_inspector": row["second_inspector"],
            "proposer": "inspector-1",
            "approver": "lead-1",
            "starts_at": now,
            "ends_at": now + timedelta(days=1),
            "seal_number": "1",
        } | {name: value for name, value in given.items() if not name.startswith("leaf")}
        entry = leaf_of(
            identity, fields["venue_id"], self.measure, fields["policy_id"], fields["step"],
            fields["starts_at"], fields["ends_at"] or now, "",
        )  # fmt: skip
        index = (await log.append(self.connection, [entry.data])).first_index if append else 999_999
        fields |= {"leaf_index": index, "leaf_hash": entry.hash, "salt": entry.salt, "leaf_content": entry.content}
        fields |= {name: value for name, value in given.items() if name.startswith("leaf")}
        happened = {
            "fact_id": identity,
            "venue_id": row["venue_id"],
            "ordinal": head + 1,
            "kind": 3,
            "measure_id": self.measure,
            "refers_to": self.measure,
            "proposed_by": fields["proposer"],
            "actor": fields["approver"],
            "happened_at": now,
            "recorded_at": now,
        } | (fact or {})
        if leaf:
            await self.insert("ladder_facts", happened)
        await self.insert("suspensions", fields)

    async def insert(self, table, fields):
        marks = ", ".join(f"${number}" for number in range(1, len(fields) + 1))
        await self.connection.execute(f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({marks})", *fields.values())


@pytest.fixture
async def forge(street):
    """`await forge(**wrong)`: the name of the constraint that refused it, "" if none did; everything is rolled back."""
    await street.policies()
    venue = await street.venue()
    for _ in range(3):
        answer = await street.fail(venue)
    measure = UUID(answer.inspection.inspection_id)

    async def attempt(act=Forger.suspension, **wrong):
        async with street.house.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await act(Forger(street, measure, connection), **wrong)
            except (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError) as error:
                return getattr(error, "constraint_name", None) or type(error).__name__
            finally:
                await transaction.rollback()
        return ""

    attempt.venue = venue
    return attempt


async def test_the_forger_knows_how_it_is_done_rightly(forge):
    assert await forge() == ""


@pytest.mark.parametrize(("wrong", "constraint"), [
    ({"first_inspector": "nobody"}, "suspensions_measure_fkey"),
    ({"policy_id": UUID(int=7)}, "suspensions_measure_fkey"),
    ({"step": 1, "suspension_days": 0}, "suspensions_end_check"),
    ({"measure_id": UUID(int=7)}, "suspensions_measure_fkey"),
    ({"approver": "inspector-1", "proposer": "lead-1"}, "ladder_facts_refers_fkey"),
    ({"approver": "inspector-2"}, "suspensions_approver_check"),
    ({"approver": "inspector-1"}, "ladder_facts_second_person_check"),
    ({"proposer": "somebody"}, "ladder_facts_refers_fkey"),
    ({"ends_at": None}, "NotNullViolationError"),
    ({"suspension_days": 30}, "suspensions_measure_fkey"),
    ({"append": False}, "suspensions_leaf_fkey"),
    ({"leaf_index": 0}, "suspensions_leaf_fkey"),
    ({"leaf_hash": bytes(32)}, "suspensions_leaf_check"),
    ({"leaf_content": b"something else"}, "suspensions_leaf_check"),
    ({"leaf": False}, "suspensions_fact_fkey"),
    ({"fact": {"kind": 5}}, "suspensions_fact_fkey"),
    ({"fact": {"refers_to": None, "proposed_by": None}}, "ladder_facts_second_person_check"),
    ({"kind": 4}, "suspensions_kind_check"),
])  # fmt: skip
async def test_no_statement_of_the_service_gets_around_one_of_its_conditions(forge, wrong, constraint):
    assert await forge(**wrong) == constraint


async def test_no_suspension_without_an_end_or_longer_than_the_policy_says(forge, street):
    now = street.now()
    for starts, ends in ((now, now), (now, now - timedelta(days=1)), (now, now + timedelta(days=3, seconds=1))):
        assert await forge(starts_at=starts, ends_at=ends) == "suspensions_end_check"


async def test_one_entry_of_the_log_serves_one_suspension_and_one_proposal_one_approval(forge):
    async def twice(forger):
        await forger.suspension()
        await forger.suspension()

    assert await forge(twice) == "ladder_facts_answer_key"


async def test_a_measure_needs_a_failed_inspection_by_two_and_an_approved_policy(forge, street):
    good = await street.passes(forge.venue)

    def measure(**wrong):
        async def act(forger):
            row = dict(await forger.connection.fetchrow("SELECT * FROM measures WHERE measure_id = $1", forger.measure))
            await forger.insert("measures", row | {"measure_id": uuid4()} | wrong)

        return act

    identity = UUID(good.inspection.inspection_id)
    assert await forge(measure()) == "measures_inspection_fkey"
    assert await forge(measure(measure_id=identity)) == "measures_inspection_fkey"
    assert await forge(measure(measure_id=identity, passed=True)) == "measures_failed_check"

    async def alone(forger):
        row = dict(
            await forger.connection.fetchrow("SELECT * FROM inspections WHERE inspection_id = $1", forger.measure)
        )
        await forger.insert("inspections", row | {"inspection_id": uuid4(), "second_inspector": "inspector-1"})

    async def glossed(forger):
        row = dict(await forger.connection.fetchrow("SELECT * FROM inspections WHERE inspection_id = $1", identity))
        await forger.insert("inspections", row | {"inspection_id": uuid4(), "passed": False})

    assert await forge(alone) == "inspections_inspectors_check"
    assert await forge(glossed) == "inspections_passed_check"


async def test_a_policy_in_force_has_two_approvers_who_did_not_draft_it_and_all_its_steps(forge, street):
    async def policy(forger, *, steps=(1, 2), approvers=("a", "b"), late=()):
        identity, now = uuid4(), street.now()
        await forger.insert(
            "ladder_policies",
            {
                "policy_id": identity, "area": "14", "title": "t", "window_days": 1, "step_count": 2, "reinspect_hours": 1,
                "climb_hours": 1, "issuing_body": "某某办公室", "effective_from": now, "drafted_by": "d", "drafted_at": now,
            },
        )  # fmt: skip

        async def step(number, count=2):
            await forger.insert(
                "ladder_steps",
                {
                    "policy_id": identity, "step_count": count, "step": number, "papers": [FORM, DECISION],
                    "suspension_days": 1, "rectify_hours": 1,
                },
            )  # fmt: skip

        for number in steps:
            await step(number)
        for ordinal, approver in enumerate(dict.fromkeys(approvers), start=1):
            await forger.insert(
                "ladder_policy_approvals",
                {
                    "policy_id": identity,
                    "ordinal": ordinal,
                    "approver": approver,
                    "drafted_by": "d",
                    "approved_at": now,
                },
            )
        await forger.insert(
            "ladder_policy_versions",
            {
                "policy_id": identity, "area": "14", "version": 1, "step_count": 2, "first_approver": approvers[0],
                "second_approver": approvers[1], "approved_at": now,
            },
        )  # fmt: skip
        for number in late:
            await step(number)

    assert await forge(policy) == ""
    assert await forge(policy, steps=(1,)) == "ladder_policy_versions_steps_fkey"
    assert await forge(policy, steps=(2,)) == "ladder_steps_former_fkey"
    assert await forge(policy, late=(3,)) == "ladder_steps_step_check"
    assert await forge(policy, approvers=("a", "a")) == "ladder_policy_versions_approvers_check"
    assert await forge(policy, approvers=("a", "d")) == "ladder_policy_approvals_drafter_check"


async def test_a_lift_needs_a_second_person_too(forge):
    async def lift(forger, actor):
        proposal, now = uuid4(), forger.street.now()
        venue = await forger.connection.fetchval("SELECT venue_id FROM measures WHERE measure_id = $1", forger.measure)
        common = {"venue_id": venue, "measure_id": forger.measure, "happened_at": now, "recorded_at": now}
        await forger.insert("ladder_facts", common | {"fact_id": proposal, "ordinal": 4, "kind": 5, "actor": "lead-1"})
        own = {"fact_id": uuid4(), "ordinal": 5, "kind": 6, "actor": actor}
        await forger.insert("ladder_facts", common | own | {"refers_to": proposal, "proposed_by": "lead-1"})

    assert await forge(lift, actor="lead-2") == ""
    assert await forge(lift, actor="lead-1") == "ladder_facts_second_person_check"


@pytest.mark.parametrize("table", [
    "inspections", "inspection_findings", "inspection_photos", "stored_photos", "ladder_facts", "ladder_policies", "ladder_steps",
    "ladder_policy_approvals", "ladder_policy_versions", "measures", "suspensions", "measure_papers", "documents", "checklists",
])  # fmt: skip
async def test_what_happened_is_never_changed(street, table):
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {await _column(street, table)} = NULL"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await street.house.pool.execute(statement)


async def _column(street, table):
    return await street.house.owner.fetchval(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1", table
    )


async def test_a_head_that_was_tampered_with_suspends_nobody(forge, street):
    await street.house.pool.execute("UPDATE ladder_heads SET state = 3, step = 3, suspension_pending = true")
    async with street.house.pool.acquire() as connection:
        venue = (await register_store.venues(connection, [UUID(forge.venue.venue_id)]))[UUID(forge.venue.venue_id)]
        await store.touch_zones(connection, venue.venue_id, await register_store.raise_version(connection))
    await street.house.zones.look()
    assert not street.house.zones.find(forge.venue.zones[0].zone).suspensions
    assert not (await street.standing(forge.venue)).suspended
