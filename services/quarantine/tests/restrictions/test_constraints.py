"""Rule 1 of the product, tried as the service's own role: what is incomplete the database refuses, by the constraint named."""

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from ledger import merkle
from ledger import store as log

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q10")]

COLUMNS = (
    "restriction_id",
    "resident_id",
    "drill_id",
    "reason",
    "policy_version",
    "case_id",
    "evidence_id",
    "evidence_type",
    "confirmed_case_id",
    "proposal_id",
    "first_approver",
    "second_approver",
    "starts_at",
    "ends_at",
    "leaf_index",
    "leaf_hash",
    "sealed_leaf",
)


async def complete(world: Any) -> dict[str, Any]:
    """A row that lacks nothing: of a close contact found after the confirmation and not restricted yet."""
    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id)
    await world.found(search, [world.hit(person, search.day)])
    contact = (await world.contacts(case_id))[person]
    leaf = secrets.token_bytes(32)
    async with world.pool.acquire() as conn, conn.transaction():
        appended = await log.append(conn, [leaf])
    now = world.clock.now()
    return {
        "restriction_id": uuid4(),
        "resident_id": person,
        "drill_id": "",
        "reason": 2,
        "policy_version": 1,
        "case_id": UUID(case_id),
        "evidence_id": contact["evidence_id"],
        "evidence_type": 2,
        "confirmed_case_id": UUID(case_id),
        "proposal_id": None,
        "first_approver": "approver-1",
        "second_approver": "approver-2",
        "starts_at": now,
        "ends_at": now + timedelta(days=7),
        "leaf_index": appended.first_index,
        "leaf_hash": merkle.leaf_hash(leaf),
        "sealed_leaf": b"sealed",
    }


async def insert(world: Any, row: dict[str, Any]) -> None:
    places = ", ".join(f"${place}" for place in range(1, len(COLUMNS) + 1))
    await world.pool.execute(
        f"INSERT INTO restrictions ({', '.join(COLUMNS)}) VALUES ({places})", *[row[column] for column in COLUMNS]
    )


async def test_a_complete_row_is_taken(world) -> None:
    """Without this, the refusals below would prove nothing."""
    row = await complete(world)
    await insert(world, row)
    assert await world.pool.fetchval("SELECT count(*) FROM restrictions") == 1


async def test_whatever_is_missing_or_false_is_refused_by_name(world) -> None:
    row = await complete(world)
    other = await world.pool.fetchrow("SELECT evidence_id, type FROM evidence WHERE type = 1")
    async with world.pool.acquire() as conn:
        foreign_leaf = merkle.leaf_hash(b"nothing of the kind")
        await conn.execute(
            "INSERT INTO policies SELECT $1, title, infectious_days_before, close_contact_minutes, close_contact_days, case_days,"
            " largest_zone, impact_cap, passage_minutes, effective_from, drafted_by, drafted_at FROM policies LIMIT 1",
            uuid4(),
        )  # a draft: it has no version that could be named
    now = row["starts_at"]
    missing = {column: f"null:{column}" for column in COLUMNS if column not in {"confirmed_case_id", "proposal_id"}}
    false = [
        ({"policy_version": 2}, {"restrictions_policy_fkey", "restrictions_confirmation_fkey"}),
        ({"evidence_id": uuid4()}, {"restrictions_evidence_fkey"}),
        ({"evidence_id": other["evidence_id"]}, {"restrictions_evidence_fkey"}),
        ({"reason": 1}, {"restrictions_reason_check"}),
        ({"reason": 3, "evidence_type": 3}, {"restrictions_evidence_fkey"}),
        ({"second_approver": "approver-1"}, {"restrictions_approvers_check"}),
        ({"second_approver": "somebody"}, {"restrictions_confirmation_fkey"}),
        ({"first_approver": "approver-2", "second_approver": "approver-1"}, {"restrictions_confirmation_fkey"}),
        ({"confirmed_case_id": None}, {"restrictions_decision_check"}),
        ({"confirmed_case_id": None, "proposal_id": row["restriction_id"]}, {"restrictions_decision_check"}),
        ({"ends_at": now}, {"restrictions_end_check"}),
        ({"ends_at": now + timedelta(days=90, seconds=1)}, {"restrictions_end_check"}),
        ({"leaf_index": row["leaf_index"] + 1}, {"restrictions_leaf_fkey"}),
        ({"leaf_hash": foreign_leaf}, {"restrictions_leaf_fkey"}),
        ({"drill_id": "drill"}, {"restrictions_resident_fkey", "restrictions_case_fkey"}),
        ({"resident_id": uuid4()}, {"restrictions_resident_fkey", "restrictions_evidence_fkey"}),
    ]
    for column in missing:
        with pytest.raises(asyncpg.NotNullViolationError) as refused:
            await insert(world, row | {column: None})
        assert refused.value.column_name == column
    for changed, names in false:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            await insert(world, row | changed)
        assert refused.value.constraint_name in names, changed
    assert await world.pool.fetchval("SELECT count(*) FROM restrictions") == 0


async def test_what_is_written_cannot_be_changed_or_removed(world) -> None:
    await insert(world, await complete(world))
    for statement in (
        "UPDATE restrictions SET ends_at = ends_at + interval '1 day'",
        "UPDATE restrictions SET second_approver = 'somebody'",
        "DELETE FROM restrictions",
        "TRUNCATE restrictions CASCADE",
        "UPDATE case_confirmations SET second_approver = 'somebody'",
        "DELETE FROM case_approvals",
        "UPDATE evidence SET type = 2",
        "UPDATE policies SET impact_cap = 1000000",
        "DELETE FROM policy_versions",
        "DELETE FROM lifts",
        "ALTER TABLE restrictions DROP CONSTRAINT restrictions_end_check",
        "ALTER TABLE restrictions DISABLE TRIGGER ALL",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.pool.execute(statement)


async def test_a_weak_presence_cannot_be_made_a_ground(world) -> None:
    row = await complete(world)
    (weak,) = await world.household()
    search = await world.search_of(str(row["case_id"]))
    await world.found(search, [world.hit(weak, search.day, grade=3)], part=0, parts=0)
    contact = (await world.contacts(str(row["case_id"])))[weak]
    for kind in (2, 10):
        changed = {"resident_id": weak, "evidence_id": contact["evidence_id"], "evidence_type": kind, "reason": kind}
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            await insert(world, row | changed)
        assert refused.value.constraint_name in {"restrictions_evidence_fkey", "restrictions_reason_check"}


async def test_confirmations_need_two_approvals_of_the_same_result_and_not_the_laboratorys(world) -> None:
    await world.policy()
    (index,) = await world.household()
    case_id, result_id = await world.searching(index)

    async def confirm(first: str, second: str, laboratory: str = "lab") -> str:
        try:
            await world.pool.execute(
                "INSERT INTO case_confirmations (case_id, policy_version, lab_result_id, laboratory, first_approver,"
                " second_approver, confirmed_at) VALUES ($1, 1, $2, $3, $4, $5, now())",
                UUID(case_id), UUID(result_id), laboratory, first, second,
            )  # fmt: skip
        except asyncpg.IntegrityConstraintViolationError as error:
            return str(error.constraint_name)
        return ""

    assert await confirm("approver-1", "approver-1") == "case_confirmations_approvers_check"
    assert await confirm("approver-1", "approver-2") == "case_confirmations_second_fkey"
    assert await confirm("approver-1", "lab") == "case_confirmations_laboratory_check"
    assert await confirm("approver-1", "approver-2", "another") == "case_confirmations_first_fkey"
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await world.pool.execute(
            "INSERT INTO case_approvals (case_id, resident_id, ordinal, approver, lab_result_id, outcome, laboratory, approved_at)"
            " VALUES ($1, $2, 2, 'lab', $3, 1, 'lab', now())",
            UUID(case_id), index, UUID(result_id),
        )  # fmt: skip
    assert refused.value.constraint_name == "case_approvals_laboratory_check"


async def test_only_a_drill_is_lifted_by_one_person(world) -> None:
    row = await complete(world)
    await insert(world, row)
    insert_lift = (
        "INSERT INTO lifts (restriction_id, drill_id, kind, proposed_by, approved_by, lifted_at)"
        " VALUES ($1, $2, $3, $4, 'command', now())"
    )
    for drill_id, kind, proposed_by, name in (
        ("", 2, None, "lifts_kind_check"),
        ("", 1, None, "lifts_kind_check"),
        ("", 1, "command", "lifts_approver_check"),
        ("", 1, "tracer", "lifts_proposal_fkey"),
        ("drill", 2, None, "lifts_restriction_fkey"),
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            await world.pool.execute(insert_lift, row["restriction_id"], drill_id, kind, proposed_by)
        assert refused.value.constraint_name == name
