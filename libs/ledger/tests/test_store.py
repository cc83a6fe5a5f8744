import asyncio
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import merkle, note, store
from ledger.verify import verify_inclusion

pytestmark = [pytest.mark.connected, pytest.mark.feature("X3")]

ROOT = Path(__file__).parents[3]
FOLDERS = [ROOT / "libs/chassis/migrations", store.MIGRATIONS]
SIGNER = note.Signer("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def leaves(first: int, count: int) -> list[bytes]:
    return [b"leaf %d" % n for n in range(first, first + count)]


def expected_root(size: int) -> bytes:
    return merkle.root(map(merkle.leaf_hash, leaves(0, size)))


@pytest.fixture
async def database(make_service_database):
    return await make_service_database(quarantine=FOLDERS)


@pytest.fixture
async def conn(database):
    """As the service's own role."""
    connection = await asyncpg.connect(database.url("quarantine"))
    yield connection
    await connection.close()


@pytest.fixture
async def superuser(database):
    connection = await asyncpg.connect(database.superuser_url())
    await connection.execute("SET search_path = quarantine")
    yield connection
    await connection.close()


async def test_an_empty_log_signs_the_empty_root(conn):
    opened = note.open_checkpoint(await store.checkpoint(conn, SIGNER), [SIGNER.verifier])
    assert (opened.size, opened.root) == (0, merkle.EMPTY_ROOT)


async def test_batches_of_all_sizes_keep_the_root_of_the_reference(conn):
    size = 0
    for count in (1, 1, 2, 3, 5, 8, 13, 500, 1, 64):
        appended = await store.append(conn, leaves(size, count))
        assert (appended.first_index, appended.size) == (size, size + count)
        size += count
        assert appended.frontier.root() == expected_root(size)
        assert await store.frontier(conn) == appended.frontier


async def test_every_leaf_is_proven_at_every_later_size(conn):
    for n in range(40):
        await store.append(conn, leaves(n, 1))
    for size in range(1, 41):
        proofs = await store.inclusion_proofs(conn, range(size), size)
        root = expected_root(size)
        for index, proof in enumerate(proofs):
            assert merkle.verify_inclusion(merkle.leaf_hash(b"leaf %d" % index), index, size, proof, root)
    for first in range(1, 41):
        proof = await store.consistency_proof(conn, first, 40)
        assert merkle.verify_consistency(first, expected_root(first), 40, expected_root(40), proof)


async def test_an_entry_is_verified_from_what_the_append_returns(conn):
    await store.append(conn, leaves(0, 6))
    async with conn.transaction():
        appended = await store.append(conn, [b"mine"])
        proof = await store.inclusion_proof(conn, appended.first_index, appended.size)
        signed = await store.checkpoint(conn, SIGNER)
    assert appended.checkpoint(SIGNER) == signed
    assert verify_inclusion(b"mine", 6, proof, signed, [SIGNER.verifier]).size == 7


async def test_a_proof_for_a_size_the_log_has_not_reached_is_refused(conn):
    await store.append(conn, leaves(0, 3))
    for index, size in ((0, 4), (3, 3), (0, 100)):
        with pytest.raises(ValueError, match="of"):
            await store.inclusion_proof(conn, index, size)


@pytest.mark.parametrize("batch", [[], [b"x"] * 501])
async def test_a_batch_has_1_to_500_leaves(conn, batch):
    with pytest.raises(ValueError, match="1 to 500"):
        await store.append(conn, batch)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await conn.execute("SELECT ledger_append($1::bytea[])", batch)
    assert refused.value.constraint_name == "ledger_append_batch_check"


async def test_a_rolled_back_append_leaves_no_trace_and_no_gap(conn):
    await store.append(conn, leaves(0, 3))
    before = await store.frontier(conn)
    transaction = conn.transaction()
    await transaction.start()
    assert (await store.append(conn, [b"never"] * 7)).size == 10
    await transaction.rollback()
    assert await store.frontier(conn) == before
    appended = await store.append(conn, leaves(3, 4))
    assert (appended.first_index, appended.frontier.root()) == (3, expected_root(7))


async def test_a_connection_that_dies_in_the_middle_leaves_no_trace(database, conn, superuser):
    await store.append(conn, leaves(0, 3))
    dying = await asyncpg.connect(database.url("quarantine"))
    transaction = dying.transaction()
    await transaction.start()
    await store.append(dying, [b"never"])
    waiting = asyncio.create_task(store.append(conn, leaves(3, 1)))
    await superuser.fetchval("SELECT pg_terminate_backend($1, 5000)", dying.get_server_pid())
    appended = await waiting
    assert (appended.first_index, appended.frontier.root()) == (3, expected_root(4))
    await dying.close(timeout=1)


async def test_concurrent_appenders_leave_no_gap_and_no_order_is_lost(database):
    pool = await asyncpg.create_pool(database.url("quarantine"), min_size=8, max_size=8)
    placed: dict[int, bytes] = {}

    async def appender(who: int) -> None:
        for turn in range(12):
            data = [b"%d/%d/%d" % (who, turn, n) for n in range(1 + (who + turn) % 4)]
            async with pool.acquire() as one:
                transaction = one.transaction()
                await transaction.start()
                appended = await store.append(one, data)
                if turn % 5 == who % 5:
                    await transaction.rollback()
                    continue
                await transaction.commit()
            placed.update(enumerate(data, appended.first_index))

    await asyncio.gather(*(appender(who) for who in range(8)))
    async with pool.acquire() as one:
        edge = await store.frontier(one)
    assert sorted(placed) == list(range(edge.size))
    assert edge.root() == merkle.root(merkle.leaf_hash(placed[n]) for n in range(edge.size))
    await pool.close()


async def constraint_or_right(conn, statement: str) -> str:
    try:
        await conn.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return "no right"
    except asyncpg.RestrictViolationError as error:
        return error.constraint_name
    return "done"


async def test_the_services_own_role_can_only_append(conn):
    await store.append(conn, leaves(0, 2))
    statements = [
        "INSERT INTO ledger_leaves VALUES (99, sha256('x'))",
        "UPDATE ledger_leaves SET leaf_hash = sha256('x')",
        "DELETE FROM ledger_leaves",
        "TRUNCATE ledger_leaves",
        "INSERT INTO ledger_nodes VALUES (1, 99, sha256('x'))",
        "UPDATE ledger_nodes SET hash = sha256('x')",
        "DELETE FROM ledger_nodes",
        "UPDATE ledger_head SET size = 0, frontier = '{}'",
        "DELETE FROM ledger_head",
        "INSERT INTO ledger_head VALUES (true, 0, '{}')",
        "ALTER TABLE ledger_leaves DISABLE TRIGGER ALL",
        "DROP TABLE ledger_leaves",
    ]
    outcomes = {statement: await constraint_or_right(conn, statement) for statement in statements}
    assert outcomes == dict.fromkeys(statements, "no right")


async def test_even_the_owner_is_refused_by_name(database, conn):
    await store.append(conn, leaves(0, 3))
    statements = [
        "UPDATE ledger_leaves SET leaf_hash = sha256('x')",
        "DELETE FROM ledger_leaves",
        "TRUNCATE ledger_leaves",
        "UPDATE ledger_nodes SET hash = sha256('x')",
        "DELETE FROM ledger_nodes",
        "TRUNCATE ledger_nodes",
        "UPDATE ledger_head SET size = 1, frontier = frontier[1:1]",
        "DELETE FROM ledger_head",
        "TRUNCATE ledger_head",
    ]
    owner = await asyncpg.connect(database.owner_url("quarantine"))
    outcomes = {statement: await constraint_or_right(owner, statement) for statement in statements}
    await owner.close()
    assert outcomes == dict.fromkeys(statements, "ledger_append_only")


async def test_the_appending_function_finds_no_table_of_the_callers_choosing(conn, superuser):
    """A definer's function must not be led to another schema's tables by the caller's search path."""
    await superuser.execute("CREATE SCHEMA decoy; GRANT USAGE ON SCHEMA decoy TO quarantine, quarantine_owner")
    await superuser.execute(
        "CREATE TABLE decoy.ledger_head AS SELECT true AS only_row, 7::bigint AS size, '{}'::bytea[] frontier"
    )
    await superuser.execute("GRANT ALL ON decoy.ledger_head TO quarantine, quarantine_owner")
    await conn.execute("SET search_path = decoy, quarantine")
    row = await conn.fetchrow("SELECT * FROM ledger_append($1::bytea[])", [b"leaf 0"])
    assert (row["first_index"], row["new_size"]) == (0, 1)


EDITS = {
    "a leaf changed": "UPDATE ledger_leaves SET leaf_hash = sha256('forged') WHERE leaf_index = 4",
    "a leaf removed": "DELETE FROM ledger_leaves WHERE leaf_index = 4",
    "two leaves swapped": (
        "UPDATE ledger_leaves AS a SET leaf_hash = b.leaf_hash FROM ledger_leaves AS b "
        "WHERE a.leaf_index + b.leaf_index = 9 AND a.leaf_index IN (4, 5)"
    ),
    "a subtree changed": "UPDATE ledger_nodes SET hash = sha256('forged') WHERE level = 2 AND node_index = 0",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
async def test_a_superusers_edit_no_longer_matches_the_checkpoints_already_given_out(conn, superuser, edit):
    """S4: triggers off, history edited in place; whoever holds an old checkpoint finds some entry unprovable."""
    await store.append(conn, leaves(0, 7))
    given_out = note.open_checkpoint(await store.checkpoint(conn, SIGNER), [SIGNER.verifier])
    await superuser.execute("SET session_replication_role = replica")
    await superuser.execute(edit)
    proven = 0
    for index in range(7):
        stored = await conn.fetchval("SELECT leaf_hash FROM ledger_leaves WHERE leaf_index = $1", index)
        try:
            proof = await store.inclusion_proof(conn, index, 7)
        except ValueError:
            continue
        proven += stored is not None and merkle.verify_inclusion(stored, index, 7, proof, given_out.root)
    assert proven < 7


async def test_a_log_rebuilt_with_another_history_is_not_consistent_with_an_old_checkpoint(conn, superuser):
    """S4: truncated and grown again, all hashes in order; only a verifier with an old checkpoint can tell, and does."""
    await store.append(conn, leaves(0, 7))
    old = note.open_checkpoint(await store.checkpoint(conn, SIGNER), [SIGNER.verifier])
    await superuser.execute("SET session_replication_role = replica")
    await superuser.execute("DELETE FROM ledger_leaves; DELETE FROM ledger_nodes")
    await superuser.execute("UPDATE ledger_head SET size = 0, frontier = '{}'")
    await store.append(conn, [*leaves(0, 3), b"forged", *leaves(4, 6)])
    new = await store.frontier(conn)
    proof = await store.consistency_proof(conn, 7, 10)
    assert not merkle.verify_consistency(7, old.root, 10, new.root(), proof)


async def test_other_tables_can_refer_to_an_entry_by_place_and_content(database, conn, superuser):
    await superuser.execute(
        "CREATE TABLE claim (leaf_index bigint, leaf_hash bytea,"
        " CONSTRAINT claim_log_fkey FOREIGN KEY (leaf_index, leaf_hash) REFERENCES ledger_leaves (leaf_index, leaf_hash))"
    )
    await superuser.execute("GRANT INSERT ON claim TO quarantine")
    async with conn.transaction():
        appended = await store.append(conn, [b"mine"])
        await conn.execute("INSERT INTO claim VALUES ($1, $2)", appended.first_index, merkle.leaf_hash(b"mine"))
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await conn.execute("INSERT INTO claim VALUES ($1, $2)", appended.first_index, merkle.leaf_hash(b"other"))
