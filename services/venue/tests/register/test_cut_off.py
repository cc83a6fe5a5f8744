"""Files that broke off: what is left of their last row is no venue."""

import pytest

from . import files

pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected]


@pytest.mark.case("bad input")
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
async def test_no_part_of_a_row_becomes_a_venue_wherever_the_file_was_cut(office, house, encoding):
    whole = files.text([files.row(1, 账号="")]).removesuffix("\r\n")
    last = files.row(2, 账号="")
    for cells in range(1, len(last)):
        for cut in (",".join(last[:cells]), ",".join(last[:cells])[:-1]):
            job = await office.run(f"{whole}\r\n{cut}".encode(encoding), drill_id=f"cut-{len(cut)}-{cells}")
            assert (job.created, job.rejected) == (1, 1), cut
            assert "ROW_CUT_OFF" in (await office.report(job.import_id)).decode()
    assert await house.owner.fetchval("SELECT array_agg(DISTINCT name) FROM venues") == ["店铺1号"]


@pytest.mark.case("happy path")
async def test_empty_cells_may_be_missing_at_a_row_s_end_and_a_line_end_behind_a_full_last_row(office):
    titles = [*files.TITLES, "", ""]
    short = ",".join(files.row(1)[:4])
    job = await office.run(files.text([], titles=titles) + short + "\r\n" + ",".join(files.row(2)))
    assert (job.created, job.rejected) == (2, 0)
