"""Letters of responsibility 责任书 and notices of requirements 告知书: approved by two, issued in bulk, served door by door."""

from collections import defaultdict
from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import uuid4

from devstack.api import Json, encode
from devstack.demo.places import COMMUNITIES
from devstack.district import District
from devstack.work.ladders import SubDistrict
from devstack.work.pace import everyone, pages

ISSUED_AT_ONCE: Final = 500
PAGE: Final = 500
SERVICES: Final = "/obligation-service-batches"
SERVED_AT_ONCE: Final = 100
ROUNDS_AT_ONCE: Final = 4
LETTER: Final = {
    "kind": "letter",
    "title": "疫情防控责任书",
    "body": "本单位作为疫情防控责任主体，承诺落实下列措施，并对落实情况负责。",
    "requirements": [
        "进入人员逐一扫码登记、测温、佩戴口罩。",
        "查验健康码、行程码、场所码，有专人负责。",
        "按规定通风消毒，记录完整。",
        "控制人流，不组织聚集性活动。",
    ],
}
NOTICE: Final = {
    "kind": "notice",
    "title": "疫情防控告知书",
    "body": "根据疫情防控工作要求，现将有关事项告知如下，请遵照执行。",
    "requirements": [
        "在出入口醒目处张贴“离里通”场所码，凭码进入。",
        "没有手机的人员，使用纸质卡或者现场登记，不得拒绝。",
        "发现发热人员立即报告所在社区。",
        "检查不合格的，依照阶梯处置办法处理。",
    ],
}


async def issue(district: District, work: SubDistrict) -> int:
    """Both papers to every venue of the sub-district; how many were issued."""
    writer = district.api("venue_officer", f"officer-{work.area}")
    approver = district.api("venue_officer", f"officer-2-{work.area}")
    for paper in (LETTER, NOTICE):
        template_id = str(uuid4())
        draft = {"template_id": template_id, "area": work.area, "issuing_body": work.issuing_body, **paper}
        await writer.post("/obligation-templates", draft)
        await approver.post(f"/obligation-templates/{template_id}/approvals")
    issued, remaining = 0, 1
    while remaining:
        answer = await writer.post("/obligation-issues", {"area": work.area, "limit": ISSUED_AT_ONCE})
        issued, remaining = issued + int(answer["issued"]), int(answer["remaining"])
        district.progress(f"{work.name} 责任书、告知书", issued, issued + remaining)
    return issued


async def serve(district: District, work: SubDistrict) -> int:
    """Hands out what is missing: each community's grid worker goes from door to door, and sends what was noted in batches. How
    many venues.
    """
    reader = district.api("venue_officer", f"officer-{work.area}")
    waiting: dict[str, list[Json]] = defaultdict(list)
    for each in await pages(reader, "/missing-obligations", "missing", area=work.area, page_size=PAGE):
        waiting[each["venue_id"]].append(each)
    rounds: dict[str, list[Json]] = defaultdict(list)
    for number, (venue_id, papers) in enumerate(waiting.items()):
        noted = {"venue_id": venue_id, "obligation_ids": [each["obligation_id"] for each in papers]}
        rounds[papers[0]["area"]].append({"request_id": str(uuid4()), **noted, **_proof(district, number)})

    async def go(area: str) -> None:
        worker = district.api("grid_worker", f"grid-{area}")
        await district.batches(f"{work.name} 送达", worker, SERVICES, rounds[area], SERVED_AT_ONCE, at_once=1)

    await everyone(f"{work.name} 送达", list(rounds), go, district.progress, at_once=ROUNDS_AT_ONCE)
    return len(waiting)


def _proof(district: District, number: int) -> Json:
    """Most take it in person; some by post, in the app, and a few refuse and have it left there before a witness."""
    at = (district.now() - timedelta(minutes=number % 240)).isoformat()
    photo = encode(sha256(f"demo photo {number}".encode()).digest())
    if number % 50 == 1:
        return {
            "method": "refused",
            "served_at": at,
            "photo_sha256": photo,
            "witness": f"witness-{number % COMMUNITIES}",
        }
    if number % 20 == 2:
        return {"method": "post", "served_at": at, "tracking_number": f"DEMO{number:08d}"}
    if number % 10 == 3:
        return {"method": "app", "served_at": at}
    return {"method": "in_person", "served_at": at, "photo_sha256": photo}
