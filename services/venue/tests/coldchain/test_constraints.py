"""What the tables refuse whoever writes: SQL as the service's own role, past all of its code."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from .conftest import DISMISS, ENVIRONMENT, NEGATIVE, PACKAGING, POSITIVE

pytestmark = [pytest.mark.connected, pytest.mark.feature("V10")]


class Forger:
    """Writes rows as the service's own role, all in one transaction so that deferred constraints speak at its end."""

    def __init__(self, chain):
        self.chain = chain

    async def refused(self, *statements):
        """Name of the constraint that refuses."""
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as error:
            await self.write(statements)
        return error.value.constraint_name

    async def write(self, statements):
        async with self.chain.house.pool.acquire() as conn, conn.transaction():
            for statement, *arguments in statements:
                await conn.execute(statement, *arguments)

    async def last(self, lot):
        row = await self.chain.house.rows(
            "SELECT ordinal, released, positives, recalled FROM lot_facts WHERE lot_id = $1 ORDER BY ordinal DESC LIMIT 1",
            lot.lot_id,
        )
        return dict(row[0])

    async def fact(self, lot, kind, fact_id, **lies):
        """The statement that adds the next fact; `lies` about what was before."""
        was = await self.last(lot) | lies
        return (
            ("INSERT INTO lot_facts (lot_id, ordinal, kind, fact_id, was_released, was_positives, was_recalled) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)"),
            UUID(lot.lot_id), was["ordinal"] + 1, kind, fact_id, was["released"], was["positives"], was["recalled"],
        )  # fmt: skip

    async def release(self, lot, sample_id, disinfection_id, *, release_id=None, lies=None, **given):
        """The statements of a release that rests on these."""
        owner = self.chain.house.owner
        release_id = release_id or uuid4()
        ordinal = (await self.last(lot))["ordinal"] + 1
        sample = given.get("sample_ordinal") or await owner.fetchval(
            "SELECT ordinal FROM lot_results WHERE sample_id = $1", sample_id
        )
        disinfection = await owner.fetchval(
            "SELECT ordinal FROM lot_disinfections WHERE disinfection_id = $1", disinfection_id
        )
        row = (
            ("INSERT INTO lot_releases (lot_id, release_id, ordinal, sample_id, sample_ordinal, frees, disinfection_id, "
            "disinfection_ordinal, released_by, released_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'forger', now())"),
            UUID(lot.lot_id), release_id, ordinal, sample_id, sample or 1, given.get("frees", True), disinfection_id,
            disinfection or 1,
        )  # fmt: skip
        return row, await self.fact(lot, 6, release_id, **(lies or {}))


@pytest.fixture
def forger(chain):
    return Forger(chain)


async def test_a_release_without_its_own_negative_result_and_its_own_disinfection_cannot_be_written(chain, forger):
    venue = await chain.premises()
    other, lot = await chain.released(venue), await chain.lot(venue)
    foreign = (await chain.get(other)).release
    theirs, bottle = UUID(foreign.sample_id), UUID(foreign.disinfection_id)
    own_bottle = UUID((await chain.disinfect(lot)).disinfection_id)
    packaging = UUID(await chain.tested(lot, kind=PACKAGING))
    pending = UUID((await chain.sample(lot)).sample_id)
    negative = "lot_releases_negative_fkey"
    # The result of another lot, one of the packaging, a sample without result, one that never was.
    for sample_id in (theirs, packaging, pending, uuid4()):
        assert await forger.refused(*await forger.release(lot, sample_id, own_bottle)) == negative
    assert (
        await forger.refused(*await forger.release(lot, packaging, own_bottle, frees=False))
        == "lot_releases_frees_check"
    )
    own = UUID(await chain.tested(lot))
    for bottle_id in (bottle, uuid4()):
        assert await forger.refused(*await forger.release(lot, own, bottle_id)) == "lot_releases_disinfection_fkey"
    # The fact without the row, and the row without the fact.
    assert await forger.refused(await forger.fact(lot, 6, uuid4())) == "lot_facts_release_fkey"
    row, _ = await forger.release(lot, own, own_bottle)
    assert await forger.refused(row) == "lot_releases_fact_fkey"
    assert (await chain.get(lot)).lot.state == 1


async def test_a_release_beside_a_positive_result_cannot_be_written(chain, forger):
    lot = await chain.lot(await chain.premises())
    negative = UUID(await chain.tested(lot))
    bottle = UUID((await chain.disinfect(lot)).disinfection_id)
    await chain.tested(lot, POSITIVE, ENVIRONMENT)
    assert await forger.refused(*await forger.release(lot, negative, bottle)) == "lot_facts_held_check"
    # As if there had been none: the chain does not continue from such a row.
    lied = await forger.release(lot, negative, bottle, lies={"positives": 0})
    assert await forger.refused(*lied) == "lot_facts_former_fkey"
    # Nor can it be put in an earlier place.
    early = await forger.release(lot, negative, bottle, lies={"positives": 0, "ordinal": 1})
    assert await forger.refused(*early) in {"lot_facts_pkey", "lot_releases_fact_fkey", "lot_facts_release_fkey"}
    # Nor waved away by one person, or without a later negative result.
    assert await forger.refused(await forger.fact(lot, 10, uuid4())) == "lot_facts_decision_fkey"


async def test_a_positive_result_cannot_be_written_without_what_it_proposes(chain, forger):
    lot = await chain.lot(await chain.premises())
    sample_id = UUID((await chain.sample(lot)).sample_id)
    ordinal = (await forger.last(lot))["ordinal"] + 1
    result = (
        (
            "INSERT INTO lot_results (sample_id, lot_id, sample_kind, outcome, ordinal, laboratory, tested_at, entered_at, "
            "proposal_id) "
            "VALUES ($1, $2, 1, $3, $4, 'forger', now(), now(), $5)"
        ),
    )
    given = (sample_id, UUID(lot.lot_id))
    quiet = (*result, *given, POSITIVE, ordinal, uuid4())
    # Named as negative in the chain, or not at all.
    assert await forger.refused(quiet, await forger.fact(lot, 3, sample_id)) == "lot_results_fact_fkey"
    assert await forger.refused(quiet) in {"lot_results_fact_fkey", "lot_results_proposal_fkey"}
    assert await forger.refused(quiet, await forger.fact(lot, 4, sample_id)) == "lot_results_proposal_fkey"
    assert await forger.refused((*result, *given, POSITIVE, ordinal, None)) == "lot_results_outcome_check"
    assert await forger.refused(await forger.fact(lot, 4, sample_id)) == "lot_facts_positive_fkey"
    await chain.result(await chain.sample(lot))
    second = (*result, *given, NEGATIVE, ordinal, None)
    await chain.result(type("Sample", (), {"sample_id": str(sample_id)}), POSITIVE)
    assert await forger.refused(second) == "lot_results_pkey"


async def test_a_distribution_of_what_is_not_there_or_not_released_cannot_be_written(chain, forger):
    venue = await chain.premises()
    market = await chain.house.register(category=5)
    waiting, lot = await chain.lot(venue), await chain.released(venue)

    def moved(of, ordinal, quantity, distribution_id, drill_id=""):
        return (
            ("INSERT INTO lot_distributions (distribution_id, lot_id, drill_id, ordinal, from_venue, to_venue, recipient, "
            "quantity, distributed_at, recorded_by, recorded_at) VALUES ($1, $2, $7, $3, $4, $5, '', $6, now(), 'forger', now())"),
            distribution_id, UUID(of.lot_id), ordinal, UUID(venue.venue_id), UUID(market.venue_id), quantity, drill_id,
        )  # fmt: skip

    def booked(of, place, ordinal, cause, was, change, fact_id):
        return (
            "INSERT INTO lot_stock (lot_id, venue_id, ordinal, cause, fact_id, was, change) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            UUID(of.lot_id), UUID(place.venue_id), ordinal, cause, fact_id, was, change,
        )  # fmt: skip

    async def attempt(of, quantity, *books, kind=7, drill_id="", **lies):
        distribution_id = uuid4()
        ordinal = (await forger.last(of))["ordinal"] + 1
        return await forger.refused(
            moved(of, ordinal, quantity, distribution_id, drill_id),
            *(booked(of, *book, distribution_id) for book in books),
            await forger.fact(of, kind, distribution_id, **lies),
        )

    left, came = (venue, 2, 2, 1000, -100), (market, 1, 3, 0, 100)
    assert await attempt(waiting, 100, left, came) == "lot_facts_not_released_check"
    assert await attempt(waiting, 100, left, came, released=True) == "lot_facts_former_fkey"
    # Another fact in its place, no booking at all, a booking of less than what went, of more than there is.
    assert await attempt(lot, 100, left, came, kind=5) == "lot_distributions_fact_fkey"
    assert await attempt(lot, 100) == "lot_distributions_left_fkey"
    assert await attempt(lot, 100, left) == "lot_distributions_came_fkey"
    assert await attempt(lot, 200, left, came) in {"lot_stock_left_fkey", "lot_stock_came_fkey"}
    assert await attempt(lot, 1001, (venue, 2, 2, 1000, -1001), (market, 1, 3, 0, 1001)) == "lot_stock_enough_check"
    assert await attempt(lot, 1001, (venue, 2, 2, 2000, -1001), (market, 1, 3, 0, 1001)) == "lot_stock_former_fkey"
    assert await attempt(lot, 100, left, (market, 1, 3, 500, 100)) == "lot_stock_first_check"
    assert await attempt(lot, 100, left, came, drill_id="drill-1") in {
        "lot_distributions_lot_fkey", "lot_distributions_venue_fkey",
    }  # fmt: skip
    # What never arrived is not booked as arrived.
    assert await forger.refused(booked(lot, market, 1, 1, 0, 50, UUID(lot.lot_id))) in {
        "lot_stock_arrived_fkey", "lot_stock_cause_key",
    }  # fmt: skip
    await chain.recalled(lot)
    assert await attempt(lot, 100, left, came) == "lot_facts_held_check"
    assert await attempt(lot, 100, left, came, positives=0) == "lot_facts_recalled_check"
    assert await attempt(lot, 100, left, came, positives=0, recalled=False) == "lot_facts_former_fkey"


async def test_a_recall_or_a_dismissal_by_one_person_cannot_be_written(chain, forger):
    lot = await chain.lot(await chain.premises())
    proposal_id = UUID(await chain.tested(lot, POSITIVE))
    proposed_at = (await forger.last(lot))["ordinal"]
    await chain.decide(str(proposal_id))
    await chain.tested(lot)

    async def decided(decision, first, second, *, kind, leaf=False, retest=None):
        decision_id, ordinal = uuid4(), (await forger.last(lot))["ordinal"] + 1
        row = (
            ("INSERT INTO recall_decisions (proposal_id, decision_id, lot_id, ordinal, proposal_kind, proposal_ordinal, decision, "
            "first_person, second_person, retest_id, retest_ordinal, decided_at, leaf_index, leaf_hash, salt, leaf_content) "
            "VALUES ($1, $2, $3, $4, 4, $5, $6, $7, $8, $9, $10, now(), $11, $12, $13, $14)"),
            proposal_id, decision_id, UUID(lot.lot_id), ordinal, proposed_at, decision, first, second,
            *(retest or (None, None)), *((0, bytes(32), bytes(16), b"x") if leaf else (None,) * 4),
        )  # fmt: skip
        return await forger.refused(row, await forger.fact(lot, kind, decision_id))

    assert await decided(1, "lead-1", "lead-1", kind=9) in {
        "recall_decisions_persons_check",
        "recall_decisions_leaf_check",
    }
    assert await decided(1, "lead-1", "lead-2", kind=9) == "recall_decisions_leaf_check"
    assert await decided(1, "lead-1", "lead-2", kind=9, leaf=True) == "recall_decisions_leaf_check"
    assert await decided(2, "lead-1", "lead-2", kind=10) == "recall_decisions_retest_check"
    late = await chain.house.owner.fetchrow(
        "SELECT sample_id, ordinal FROM lot_results WHERE frees ORDER BY ordinal DESC"
    )
    assert await decided(2, "lead-1", "lead-2", kind=10, retest=tuple(late)) == "recall_decisions_first_fkey"
    voice = (
        ("INSERT INTO recall_voices (proposal_id, lot_id, kind, proposed_by, person, decision, reason, given_at) "
        "VALUES ($1, $2, 4, 'lab-1', 'lab-1', 1, 'forged', now())"),
        proposal_id, UUID(lot.lot_id),
    )  # fmt: skip
    assert await forger.refused(voice) == "recall_voices_laboratory_check"


async def test_a_sample_from_before_a_positive_result_dismisses_it_by_no_statement(chain, forger):
    lot = await chain.lot(await chain.premises())
    before = await chain.sample(lot)
    proposal_id = UUID(await chain.tested(lot, POSITIVE))
    proposed_at = (await forger.last(lot))["ordinal"]
    await chain.result(before, NEGATIVE)
    result_at = (await forger.last(lot))["ordinal"]
    later = UUID(await chain.tested(lot))
    later_at = (await forger.last(lot))["ordinal"]
    await chain.decide(str(proposal_id), DISMISS)

    async def dismissal(sample_id, result, **columns):
        decision_id, ordinal = uuid4(), (await forger.last(lot))["ordinal"] + 1
        more = "".join(f", {name}" for name in columns)
        return (
            (("INSERT INTO recall_voices (proposal_id, lot_id, kind, proposed_by, person, decision, reason, given_at) "
            "VALUES ($1, $2, 4, 'lab-1', 'lead-2', 2, 'forged', now())"), proposal_id, UUID(lot.lot_id)),
            (("INSERT INTO recall_decisions (proposal_id, decision_id, lot_id, ordinal, proposal_kind, proposal_ordinal, "
            f"decision, first_person, second_person, retest_id, retest_ordinal, decided_at{more}) "
            f"VALUES ($1, $2, $3, $4, 4, $5, 2, 'lead-1', 'lead-2', $6, $7, now(){', $8' * len(columns)})"),
            proposal_id, decision_id, UUID(lot.lot_id), ordinal, proposed_at, sample_id, result, *columns.values()),
            await forger.fact(lot, 10, decision_id),
        )  # fmt: skip

    early, check = UUID(before.sample_id), "recall_decisions_retest_check"
    # Its result came later; what counts is when it was taken, said or left out.
    assert result_at > proposed_at
    assert await forger.refused(*await dismissal(early, result_at)) == check
    assert await forger.refused(*await dismissal(early, result_at, retest_sample_ordinal=2)) == check
    lie = await dismissal(early, result_at, retest_sample_ordinal=result_at)
    assert await forger.refused(*lie) == "recall_decisions_retest_sample_fkey"
    # A later one does, also for a version that does not write the column.
    await forger.write(await dismissal(later, later_at))
    stored = "SELECT retest_sample_ordinal FROM recall_decisions WHERE proposal_id = $1"
    assert await chain.house.owner.fetchval(stored, proposal_id) == later_at - 1


async def test_nothing_that_was_written_can_be_changed_or_deleted(chain):
    lot = await chain.released()
    await chain.recalled(lot)
    tables = [
        "importing_premises", "lots", "lot_facts", "lot_samples", "lot_results", "lot_disinfections", "lot_releases",
        "lot_distributions", "lot_stock", "recall_proposals", "recall_voices", "recall_decisions", "lot_handlers",
    ]  # fmt: skip
    async with chain.house.pool.acquire() as conn:
        for table in tables:
            column = await chain.house.owner.fetchval(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1", table
            )
            for statement in (
                f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}", f"TRUNCATE {table}",
                f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            ):  # fmt: skip
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await conn.execute(statement)
