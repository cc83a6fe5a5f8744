"""The size of a district."""

import pytest

pytestmark = [pytest.mark.feature("V2"), pytest.mark.connected, pytest.mark.slow]
VENUES = 3_801


async def test_a_sub_district_of_3801_venues_is_issued_letter_and_notice_in_bounded_batches(desk, house):
    await house.owner.execute(
        """
        INSERT INTO venues (venue_id, name, category, area, address, operators, request_id, digest)
        SELECT gen_random_uuid(), 'Venue ' || n, 1 + n % 13, '141102001' || lpad((1 + n % 20)::text, 3, '0'), 'street 1', '{}',
               gen_random_uuid(), sha256(n::text::bytea)
        FROM generate_series(1, $1) AS n
        """,
        VENUES,
    )
    await desk.template(1)
    await desk.template(2)
    issued, calls = 0, 0
    for _ in range(40):
        answer = await desk.issue(limit=500)
        issued, calls = issued + answer.issued, calls + 1
        assert answer.remaining == 2 * VENUES - issued
        if not answer.remaining:
            break
    assert (issued, calls) == (2 * VENUES, 16)
    rows = await house.rows("SELECT series, count(*), max(number) FROM documents GROUP BY series ORDER BY series")
    assert [tuple(row)[1:] for row in rows] == [(VENUES, VENUES)] * 2
    counts = (await desk.coverage()).values()
    assert sum(each[0] for each in counts) == sum(each[1] for each in counts) == 2 * VENUES
