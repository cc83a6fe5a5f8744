"""All SQL of passages. Functions take the connection first and do not commit."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from operator import itemgetter
from typing import Any, Final

from checkpoint.scanning.model import Passage, Scan, Stored

Db = Any  # asyncpg's Connection, or the proxy that its pool lends

# First half of the two-part advisory lock that passages and searches of one day share; the second half is the day.
# Advisory locks belong to the database, so the services' numbers have to differ: this one spells "ckpt".
LOCK_CLASS: Final = 0x636B7074
_EPOCH: Final = date(1970, 1, 1)

_Key = tuple[date, bytes, bytes]
_KEY: Final = itemgetter(2, 0, 1)


async def lock_days(conn: Db, days: Iterable[date], *, searching: bool) -> None:
    """Held until the transaction ends: writers of a day share it, a search of that day has it alone.

    Without it a search could read before a passage commits while that passage's transaction looks for open searches
    before the search commits, and the two would never meet. Days are locked in ascending order by everybody, so
    nobody waits in a circle.
    """
    function = "pg_advisory_xact_lock" if searching else "pg_advisory_xact_lock_shared"
    await conn.execute(
        f"SELECT {function}($1, day) FROM unnest($2::int[]) AS day",
        LOCK_CLASS,
        sorted({(day - _EPOCH).days for day in days}),
    )


async def insert(conn: Db, scans: Sequence[Scan]) -> list[Stored]:
    """Writes what is not there yet; for each scan, in order, whether it was new and the first answer given to it.

    A scan is known by (day, tag, scan id), or by (scan id, about that day) if it is anonymous. `lock_days` comes
    first. CheckViolation when a day has no partition.
    """
    rows = _rows(scans)
    new = await conn.fetch(f"{_INSERT} ON CONFLICT ON CONSTRAINT passages_pkey DO NOTHING {_KEYS}", *_columns(rows))
    if len(new) == len(rows) and all(scan.tags for scan in scans):
        return [Stored(True, scan.verdict, scan.reasons) for scan in scans]  # nearly always
    answers = await _answers(conn, scans, {(row["day"], row["tag"], row["scan_id"]) for row in new})
    answers |= await _insert_anonymous(conn, [scan for scan in scans if not scan.tags])
    fresh = {key for key, stored in answers.items() if stored.fresh}
    results = []
    for scan in scans:
        keys = _keys(scan)
        written = [key for key in keys if key in fresh]
        fresh.difference_update(written)  # the same scan twice in one batch: the first of them wrote it
        first = next((answers[key] for key in keys if not answers[key].fresh), answers[keys[0]])
        results.append(Stored(bool(written), first.verdict, first.reasons))
    return results


async def insert_new(conn: Db, scans: Sequence[Scan]) -> None:
    """Writes scans that all have tags and none of which is there. UniqueViolation when one is: then nothing is written.

    To look for each row first, and to say of each whether it was written, costs half as much again as the rows do.
    """
    await conn.copy_records_to_table("passages", records=_rows(scans), columns=_COLUMNS)


_INSERT: Final = """
    INSERT INTO passages (tag, scan_id, day, post, passed_at, verdict, reasons, grade, late, drill_id)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::date[], $4::int[], $5::timestamptz[], $6::smallint[],
                         $7::bigint[], $8::smallint[], $9::boolean[], $10::text[])
"""
_COLUMNS: Final = ("tag", "scan_id", "day", "post", "passed_at", "verdict", "reasons", "grade", "late", "drill_id")
_KEYS: Final = "RETURNING day, tag, scan_id"


def _rows(scans: Sequence[Scan]) -> list[tuple[Any, ...]]:
    """One for each tag, in the one order in which everybody writes: two batches that share rows cannot deadlock.

    By day first, since COPY gathers the rows of each partition before it writes them. Of rows with one key the first
    stays first.
    """
    rows = [(tag, *scan[1:]) for scan in scans for tag in scan[0]]
    rows.sort(key=_KEY)
    return rows


def _columns(rows: Sequence[tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
    return tuple(zip(*rows, strict=True)) if rows else ((),) * len(Scan._fields)


def passages(scan: Scan) -> list[Passage]:
    """The rows of a scan, as searches see them."""
    return [Passage(scan.day, tag, scan.post, scan.passed_at, scan.late, scan.drill_id) for tag in scan.tags]


def _keys(scan: Scan) -> list[_Key]:
    return [(scan.day, tag, scan.scan_id) for tag in scan.tags] or [(scan.day, b"", scan.scan_id)]


async def _answers(conn: Db, scans: Sequence[Scan], new: AbstractSet[_Key]) -> dict[_Key, Stored]:
    """What was written now, and what stood there before."""
    first = {key: scan for scan in reversed(scans) if scan.tags for key in _keys(scan)}
    answers = {key: Stored(True, scan.verdict, scan.reasons) for key, scan in first.items() if key in new}
    known = [key for key in first if key not in new]
    if known:
        # A statement of its own, so that it sees what another transaction committed while the insert waited for it.
        found = await conn.fetch(
            """
            SELECT p.day, p.tag, p.scan_id, p.verdict, p.reasons
            FROM unnest($1::date[], $2::bytea[], $3::bytea[]) AS known (day, tag, scan_id)
            JOIN passages p ON p.day = known.day AND p.tag = known.tag AND p.scan_id = known.scan_id
            """,
            *zip(*known, strict=True),
        )
        for row in found:
            answers[row["day"], row["tag"], row["scan_id"]] = Stored(False, row["verdict"], row["reasons"])
    return answers


async def _insert_anonymous(conn: Db, scans: Sequence[Scan]) -> dict[_Key, Stored]:
    rows = {_keys(scan)[0]: scan for scan in reversed(scans)}
    if not rows:
        return {}
    ordered = sorted(rows)
    kept = [rows[key] for key in ordered]
    # The server's day of a live scan and the device's day of its repeat may differ around midnight: look at both sides.
    found = await conn.fetch(
        """
        WITH input AS (
            SELECT * FROM unnest($1::date[], $2::bytea[], $3::int[], $4::timestamptz[], $5::smallint[], $6::bigint[],
                                 $7::boolean[], $8::text[])
                AS i (day, scan_id, post, passed_at, verdict, reasons, late, drill_id)
        ), known AS (
            SELECT i.day, i.scan_id, a.verdict, a.reasons
            FROM input i JOIN anonymous_passages a
                ON a.scan_id = i.scan_id AND a.day IN (i.day - 1, i.day, i.day + 1) AND a.post = i.post
        ), written AS (
            INSERT INTO anonymous_passages (day, scan_id, post, passed_at, verdict, reasons, late, drill_id)
            SELECT day, scan_id, post, passed_at, verdict, reasons, late, drill_id FROM input
            WHERE NOT EXISTS (SELECT FROM known k WHERE k.day = input.day AND k.scan_id = input.scan_id)
            ON CONFLICT ON CONSTRAINT anonymous_passages_pkey DO NOTHING
            RETURNING day, scan_id, verdict, reasons
        )
        SELECT day, scan_id, verdict, reasons, false AS fresh FROM known
        UNION ALL SELECT day, scan_id, verdict, reasons, true FROM written
        """,
        [day for day, _, _ in ordered],
        [scan_id for _, _, scan_id in ordered],
        [scan.post for scan in kept],
        [scan.passed_at for scan in kept],
        [scan.verdict for scan in kept],
        [scan.reasons for scan in kept],
        [scan.late for scan in kept],
        [scan.drill_id for scan in kept],
    )
    answers = {(row["day"], b"", row["scan_id"]): Stored(row["fresh"], row["verdict"], row["reasons"]) for row in found}
    for key, scan in rows.items():
        # Neither: another transaction wrote the same one at this moment, with the same answer but for its list.
        answers.setdefault(key, Stored(False, scan.verdict, scan.reasons))
    return answers
