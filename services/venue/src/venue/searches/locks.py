"""The lock between searches and the writers of visits.

A search reads the visits and stores itself; a writer stores a visit and reads the open searches. Done at the same
time, neither would see the other: a contact would be missed for good. So writers share a lock for the day of each
visit they write, and a search takes the locks of all days that it reads alone. It lasts as long as the search's
transaction, a few milliseconds. Transaction-level advisory locks, because they work behind PgBouncer and cost a writer
no row. Everybody takes them in the order of days, so no two wait for each other.
"""

from datetime import date
from typing import Any, Final

from passes.days import day_number

# Advisory locks are one space per database: this number keeps ours apart from those of other services ("venu").
LOCK_CLASS: Final = 0x76656E75


async def lock_days(connection: Any, first: date, last: date) -> None:
    """Shut the writers of visits of these days out until the transaction ends."""
    # One statement per day: the order within one statement is the planner's business.
    for number in range(day_number(first), day_number(last) + 1):
        await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", LOCK_CLASS, number)
