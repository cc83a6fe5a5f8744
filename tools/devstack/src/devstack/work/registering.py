"""Venues from a file as an office has it: CSV in the encoding of its spreadsheet, imported as a job."""

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from devstack.api import Json
from devstack.demo.places import CATEGORIES, venues
from devstack.district import District, DistrictError
from devstack.work.ladders import SubDistrict
from devstack.work.pace import pages

TITLES: Final = ("场所名称", "场所类别", "区划代码", "详细地址", "分区", "容量", "经营者", "负责人", "账号")
CHINESE: Final = dict(
    zip(
        (category for category, *_ in CATEGORIES),
        (
            "社区", "宾馆酒店", "超市", "商场", "农贸市场", "餐饮", "学校及培训机构", "诊所药店", "娱乐场所", "体育场馆",
            "客运站", "服务大厅及商店", "冷链",
        ),
        strict=True,
    )
)  # fmt: skip
PAGE: Final = 500
WAIT_SECONDS: Final = 180.0


def sheet(registrations: Sequence[Json]) -> str:
    """The file's text, with the titles and words that the register's manual names."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(TITLES)
    for each in registrations:
        zones = "|".join(zone["name"] for zone in each["zones"])
        capacities = "|".join(str(zone["capacity"]) for zone in each["zones"])
        row = (each["name"], CHINESE[each["category"]], each["area"], each["address"], zones, capacities)
        writer.writerow((*row, "演示商户", "演示负责人", "|".join(each["operators"])))
    return out.getvalue()


async def load(district: District, work: SubDistrict, encoding: str) -> Json:
    """Imports the sub-district's file; the job when it is done. Raises DistrictError if it is not within `WAIT_SECONDS`."""
    wanted = venues(work.area, work.venues)
    officer = district.api("venue_officer", f"officer-{work.area}")
    import_id = str(uuid4())
    described = {"import_id": import_id, "area": work.area, "file_name": f"{work.name}场所.csv"}
    await officer.post("/venue-imports", described)
    await officer.upload(f"/venue-imports/{import_id}/file", sheet(wanted).encode(encoding), "text/csv")
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while (job := await officer.get(f"/venue-imports/{import_id}"))["state"] not in ("done", "failed"):
        district.progress(work.name, int(job["rows_read"]), len(wanted))
        if asyncio.get_running_loop().time() > deadline:
            raise DistrictError(f"the import of {work.name} is not done after {WAIT_SECONDS:.0f} s: {job}")
        await asyncio.sleep(0.1)
    return job


async def register(district: District, work: SubDistrict, encoding: str) -> list[Json]:
    """Imports the sub-district's venues; the stored ones in the order of the file. Raises DistrictError if a row is refused."""
    job = await load(district, work, encoding)
    if (job["created"], job["rejected"]) != (work.venues, 0):
        raise DistrictError(f"{work.venues} venues of {work.name} were to be imported: {job}")
    officer = district.api("venue_officer", f"officer-{work.area}")
    stored = {each["name"]: each for each in await pages(officer, "/venues", "venues", area=work.area, page_size=PAGE)}
    return [stored[each["name"]] for each in venues(work.area, work.venues)]
