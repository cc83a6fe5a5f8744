"""What a database holds, counted and hashed, so that a restored one can be compared with the one that was saved.

A table's hash does not depend on the order of its rows: it is the sum, per half, of the MD5 of each row's text. It finds what was
lost, doubled or changed on the way; who could forge such sums has the log against them, whose whole tree is computed anew.
"""

from typing import Any, Final, TypeAlias

from asyncpg import Connection, Record
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from daysets import wire
from ledger import note
from ledger.merkle import Frontier

SCHEMAS: Final = ("quarantine", "venue", "checkpoint")
Db: TypeAlias = "Connection[Record]"
Inventory: TypeAlias = dict[str, dict[str, Any]]
"""Schema → `tables` (name → [rows, hash]), `sequences` (name → value), `rules` (name → hash), `log` ([size, root]) if any."""

_LEAVES_AT_ONCE: Final = 10_000
_NEWEST: Final = 100
# A row's text must not depend on who asks.
_FORM: Final = (
    "SET LOCAL search_path = pg_catalog",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL statement_timeout = 0",
)


class UnsoundError(Exception):
    """The log's tree is not that of its leaves, or does not contain what was published; the text says which."""


async def take(db: Db) -> Inventory:
    """Counts and hashes of every schema that is there, in the caller's transaction. Raises `UnsoundError`."""
    for statement in _FORM:
        await db.execute(statement)
    there = {row["nspname"] for row in await db.fetch("SELECT nspname FROM pg_namespace")}
    return {schema: await _schema(db, schema) for schema in SCHEMAS if schema in there}


def differences(before: Inventory, after: Inventory) -> list[str]:
    """What is not the same, one sentence each."""
    found = []
    for schema in sorted(before.keys() | after.keys()):
        one, other = before.get(schema, {}), after.get(schema, {})
        for kind in ("tables", "sequences", "rules"):
            for name in sorted(one.get(kind, {}).keys() | other.get(kind, {}).keys()):
                saved, here = one.get(kind, {}).get(name), other.get(kind, {}).get(name)
                if saved != here and kind == "rules":
                    state = "is missing" if here is None else "is new" if saved is None else "differs"
                    found.append(f"{schema}: {name} {state}")
                elif saved != here:
                    found.append(f"{schema}.{name}: {_said(saved)} saved, {_said(here)} here")
        if one.get("log") != other.get("log"):
            found.append(f"{schema}: the log is {_said(one.get('log'))} saved, {_said(other.get('log'))} here")
    return found


def counted(found: Inventory) -> str:
    """A line for each schema, with its tables, rows and log."""
    lines = []
    for schema, parts in found.items():
        rows = sum(rows for rows, _ in parts["tables"].values())
        log = f", log of {parts['log'][0]} entries" if "log" in parts else ""
        lines.append(f"{schema}: {len(parts['tables'])} tables, {rows} rows{log}\n")
    return "".join(lines)


def _said(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"{value[0]} ({value[1][:12]}…)"
    return str(value)


async def _schema(db: Db, schema: str) -> dict[str, Any]:
    tables = await db.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' ORDER BY relname", schema
    )
    sequences = await db.fetch(
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = $1 ORDER BY 1", schema
    )
    found: dict[str, Any] = {
        "tables": {row["relname"]: await _table(db, schema, row["relname"]) for row in tables},
        "sequences": {row["sequencename"]: row["last_value"] for row in sequences},
        "rules": await _rules(db, schema),
    }
    if "ledger_head" in found["tables"]:
        found["log"] = await _log(db, schema)
    return found


async def _table(db: Db, schema: str, table: str) -> list[Any]:
    row = await db.fetchrow(
        f"""
        SELECT count(*) AS rows, coalesce(sum(('x' || left(digest, 16))::bit(64)::bigint::numeric), 0)::text AS high,
               coalesce(sum(('x' || right(digest, 16))::bit(64)::bigint::numeric), 0)::text AS low
        FROM (SELECT md5(stored::text) AS digest FROM "{schema}"."{table}" AS stored) AS hashed
        """
    )
    if row is None:
        raise RuntimeError("an aggregate has a row")
    return [row["rows"], f"{row['high']}/{row['low']}"]


async def _rules(db: Db, schema: str) -> dict[str, str]:
    """What the database refuses and who may do what, each by its name and a hash: half of the safety is there.

    Without parentheses: a restored `(a AND b) AND c` is written `a AND b AND c`.
    """
    rows = await db.fetch(
        """
        WITH ours AS (SELECT oid, relkind, relowner, relacl FROM pg_class WHERE relnamespace = $1::regnamespace)
        SELECT name, md5(string_agg(rule, E'\n' ORDER BY rule COLLATE "C")) AS hash FROM (
            SELECT 'constraint ' || conname || ' of ' || conrelid::regclass::text AS name,
                translate(pg_get_constraintdef(oid), '()', '') AS rule
            FROM pg_constraint WHERE connamespace = $1::regnamespace AND contype <> 'n'
            UNION ALL
            SELECT 'trigger ' || tgname || ' of ' || tgrelid::regclass::text, tgenabled::text || pg_get_triggerdef(oid)
            FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM ours)
            UNION ALL
            SELECT 'function ' || oid::regprocedure::text, pg_get_functiondef(oid)
            FROM pg_proc WHERE pronamespace = $1::regnamespace
            UNION ALL
            SELECT 'rights of function ' || oid::regprocedure::text, acl::text
            FROM pg_proc, unnest(coalesce(proacl, acldefault('f', proowner))) AS acl WHERE pronamespace = $1::regnamespace
            UNION ALL
            SELECT 'owner of ' || oid::regclass::text, relowner::regrole::text FROM ours WHERE relkind IN ('r', 'p', 'S')
            UNION ALL
            SELECT 'rights of ' || ours.oid::regclass::text, acl::text
            FROM ours, unnest(
                coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) AS acl
            WHERE relkind IN ('r', 'p', 'S')
            UNION ALL
            SELECT 'rights of ' || attrelid::regclass::text || '.' || attname, acl::text
            FROM pg_attribute, unnest(attacl) AS acl WHERE NOT attisdropped AND attrelid IN (SELECT oid FROM ours)
            UNION ALL
            SELECT 'index ' || indexrelid::regclass::text, translate(pg_get_indexdef(indexrelid), '()', '')
            FROM pg_index WHERE indrelid IN (SELECT oid FROM ours)
        ) AS rules GROUP BY name
        """,
        schema,
    )
    return {row["name"]: row["hash"] for row in rows}


async def _log(db: Db, schema: str) -> list[Any]:
    """[size, root in hex] of the tree, computed anew from all leaves, held against the head and what was published of it."""
    notes = await _published(db) if schema == "quarantine" else []
    wanted = {checkpoint.size for checkpoint in notes}
    edge, roots = Frontier(), {0: Frontier().root()}
    async for leaf in db.cursor(
        f"SELECT leaf_index, leaf_hash FROM {schema}.ledger_leaves ORDER BY leaf_index", prefetch=_LEAVES_AT_ONCE
    ):
        if leaf["leaf_index"] != edge.size:
            raise UnsoundError(f"{schema}: leaf {edge.size} of the log is missing")
        edge = edge.append([leaf["leaf_hash"]])
        if edge.size in wanted:
            roots[edge.size] = edge.root()
    head = await db.fetchrow(f"SELECT size, frontier FROM {schema}.ledger_head")
    if head is None or (head["size"], tuple(head["frontier"])) != (edge.size, edge.peaks):
        raise UnsoundError(f"{schema}: the log's head is not that of its leaves")
    for checkpoint in notes:
        if roots.get(checkpoint.size) != checkpoint.root:
            raise UnsoundError(f"{schema}: what was published at size {checkpoint.size} is not a part of this log")
    return [edge.size, edge.root().hex()]


async def _published(db: Db) -> list[note.Checkpoint]:
    """The signed checkpoints of the newest lists that went out; each signature is verified by the log's own keys."""
    # Every log key that there ever was: what it signed while it was good stays signed.
    keys = [
        note.Verifier(
            row["origin"], load_der_public_key(row["public_key"]).public_bytes(Encoding.Raw, PublicFormat.Raw)
        )
        for row in await db.fetch("SELECT origin, public_key FROM quarantine.signing_keys WHERE use = 'log'")
    ]
    rows = await db.fetch(
        "SELECT segment FROM quarantine.day_set_published ORDER BY day DESC, generation DESC, number DESC LIMIT $1",
        _NEWEST,
    )
    try:
        return [note.open_checkpoint(wire.decode(row["segment"]).checkpoint, keys) for row in rows]
    except note.NoteError as error:
        raise UnsoundError(f"quarantine: a published checkpoint is not signed by the log's keys: {error}") from None
