"""What people of a district do, as calls of the public API: register, approve, check in, report. For the demo and tests.

Everything goes through the gateway with a token of the role that may do it; nothing here touches a database.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
from passes.days import local_day

from devstack.api import AGAIN, Api, Json
from devstack.phone import Phone
from devstack.system import SERVICES, System
from devstack.tokens import DISTRICT

Progress = Callable[[str, int, int], None]
TOKEN_SECONDS = 60 * 24 * 3600
TOKEN_DAYS_BACK = 20
"""Further than the demo's clock ever goes."""

RULES: Json = {
    "infectious_days_before": 2,
    "close_contact_minutes": 15,
    "close_contact_days": 7,
    "case_days": 14,
    "largest_zone": 400,
    "impact_cap": 1000,
    "passage_minutes": 10,
}


class DistrictError(Exception):
    """The API refused what the demo needs; the text says what."""


def _silent(_what: str, _done: int, _total: int) -> None:
    """Progress nobody watches."""


class District:
    """A district's people at work. One REST client per role and subject, closed by `close`."""

    def __init__(
        self,
        stack: System,
        *,
        progress: Progress = _silent,
        patience: float = 0.0,
        credentials: grpc.ChannelCredentials | None = None,
        verify: ssl.SSLContext | bool = True,
        area: str = DISTRICT,
    ) -> None:
        """`credentials` of gRPC channels, none: in plain text; `verify`: whom the REST clients trust; `area`: the county."""
        self.area = area
        self.stack = stack
        self.credentials = credentials
        self._verify = verify
        self._patience = patience
        self.offset = timedelta()
        self._apis: dict[tuple[Any, ...], Api] = {}
        self._progress = progress

    def progress(self, what: str, done: int, total: int) -> None:
        """Tells whoever watches how far a long piece of work is."""
        self._progress(what, done, total)

    def now(self) -> datetime:
        """The services' time."""
        return datetime.now(UTC) + self.offset

    def travel(self, offset: timedelta, services: Sequence[str] = SERVICES) -> None:
        """Moves the services' clocks, or those of some, to the machine's time plus `offset`."""
        self.offset = offset
        self.stack.set_clock(offset.total_seconds(), services)

    def api(self, role: str, subject: str = "", *, purpose: tuple[str, str] | None = None) -> Api:
        """The API as a person of that role sees it. Tokens hold for the demo's days, wherever its clock is."""
        key = (role, subject, purpose)
        if key not in self._apis:
            start = (datetime.now(UTC) - timedelta(days=TOKEN_DAYS_BACK)).timestamp()
            token = self.stack.minter.person(
                subject or f"{role}-1", [role], [self.area], seconds=TOKEN_SECONDS, now=start
            )
            self._apis[key] = Api(
                self.stack.gateway_url, token, purpose=purpose, patience=self._patience, verify=self._verify
            )
        return self._apis[key]

    async def close(self) -> None:
        await asyncio.gather(*(api.close() for api in self._apis.values()))

    async def batches(
        self, what: str, api: Api, path: str, items: Sequence[Json], size: int, at_once: int = 4
    ) -> list[Json]:
        """Sends items in batches, several at once; the results in the items' order. Raises DistrictError on a refused one."""
        gate = asyncio.Semaphore(at_once)
        done = 0

        async def send(batch: Sequence[Json]) -> list[Json]:
            nonlocal done
            async with gate:
                results = await self._insist(api, path, list(batch))
            done += len(batch)
            self._progress(what, done, len(items))
            return results

        batches = [items[start : start + size] for start in range(0, len(items), size)]
        results = [result for part in await asyncio.gather(*map(send, batches)) for result in part]
        for result in results:
            if result.get("error"):
                raise DistrictError(f"{what}: {result['error']}")
        return results

    async def _insist(self, api: Api, path: str, batch: list[Json]) -> list[Json]:
        """One batch's results; what the other side could not take for now is sent again while the patience lasts.

        Every item carries an id of its own, so that what was taken after all counts once.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        results: list[Json] = (await api.post(path, {"requests": batch}))["results"]
        while loop.time() < until:
            again = [place for place, item in enumerate(results) if (item.get("error") or {}).get("status") in AGAIN]
            if not again:
                break
            await asyncio.sleep(0.2)
            answer = await api.post(path, {"requests": [batch[place] for place in again]})
            for place, result in zip(again, answer["results"], strict=True):
                results[place] = result
        return results

    async def register_venues(self, registrations: Sequence[Json]) -> list[Json]:
        """Registers venues; the stored venues with their zones and codes."""
        results = await self.batches("venues", self.api("venue_officer"), "/venue-batches", registrations, 250)
        return [result["venue"] for result in results]

    async def register_households(self, registrations: Sequence[Json]) -> None:
        """Registers households."""
        await self.batches("households", self.api("registrar"), "/household-batches", registrations, 100)

    async def issue_phones(self, phones: Sequence[Phone], days: Iterable[date]) -> None:
        """Fetches passes of the days for every phone."""
        wanted = list(days)
        asked = [{"request_id": str(uuid4()), **phone.ask(wanted)} for phone in phones]
        results = await self.batches("passes", self.api("app_backend"), "/pass-batches", asked, 100)
        for phone, result in zip(phones, results, strict=True):
            phone.take(result["passes"])

    async def start_policy(self, **changes: Any) -> Json:
        """Drafts a policy and has it approved by two people; effective at once."""
        policy_id = str(uuid4())
        draft = {
            "policy_id": policy_id,
            "title": "演示方案 (demo protocol, 7+3)",
            "rules": RULES | changes,
            "effective_from": (self.now() - timedelta(minutes=1)).isoformat(),
        }
        await self.api("policy_editor").post("/policies", draft)
        await self.api("approver", "approver-1").post(f"/policies/{policy_id}/approvals")
        return await self.api("approver", "approver-2").post(f"/policies/{policy_id}/approvals")

    async def check_in(self, credential: str, code: str, *, operator: str = "", **more: Any) -> Json:
        """One check-in: by the visitor's app, or by staff when `operator` names the venue's account."""
        api = self.api("venue_operator", operator) if operator else self.api("app_backend")
        body = {"credential": credential, "venue_code": code, "scanned_by_staff": bool(operator), **more}
        return await api.post("/check-ins", body)

    async def check_in_many(self, visits: Sequence[tuple[str, str]], operator: str = "") -> list[Json]:
        """(credential, code) of many visitors, in batches; the answers in order."""
        api = self.api("venue_operator", operator) if operator else self.api("app_backend")
        items = [
            {
                "idempotency_key": str(uuid4()),
                "credential": credential,
                "venue_code": code,
                "scanned_by_staff": bool(operator),
            }
            for credential, code in visits
        ]
        results = await self.batches("check-ins", api, "/check-in-batches", items, 250)
        return [result["response"] for result in results]

    async def suspect(self, resident_id: str, *, specimen_at: datetime | None = None) -> tuple[str, str]:
        """Opens a case and enters a positive result; (case id, lab result id)."""
        case_id, result_id = str(uuid4()), str(uuid4())
        await self.api("tracer").post("/cases", {"case_id": case_id, "resident_id": resident_id})
        result = {
            "lab_result_id": result_id,
            "resident_id": resident_id,
            "specimen_at": (specimen_at or self.now() - timedelta(hours=1)).isoformat(),
            "outcome": "positive",
        }
        await self.api("laboratory").post("/lab-results", result)
        return case_id, result_id

    async def approve(self, case_id: str, result_id: str, approver: str) -> Json:
        """One approval of a case."""
        return await self.api("approver", approver).post(f"/cases/{case_id}/approvals", {"lab_result_id": result_id})

    async def impact(self, case_id: str, *, seconds: float = 30.0) -> Json:
        """The impact preview, once every search of the case was answered."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            impact = await self.api("approver", "approver-2").get(f"/cases/{case_id}/impact")
            if impact["searches"] and impact["searches_answered"] == impact["searches"]:
                return impact
            if asyncio.get_running_loop().time() > deadline:
                raise DistrictError(f"searches not answered after {seconds:.0f} s: {impact}")
            await asyncio.sleep(0.05)

    async def settled_tasks(self, case_id: str, count: int, *, seconds: float = 15.0) -> list[Json]:
        """Every interview task of a case, once there are `count` (they follow the confirmation within a moment)."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            found = await self.tasks(case_id)
            if len(found) >= count or asyncio.get_running_loop().time() > deadline:
                return found
            await asyncio.sleep(0.05)

    async def tasks(self, case_id: str) -> list[Json]:
        """Every interview task of a case."""
        found: list[Json] = []
        token = ""
        while True:
            page = await self.api("tracer").get(
                "/interview-tasks", area=self.area, case_id=case_id, page_size=200, page_token=token
            )
            found += page["tasks"]
            if not (token := page.get("next_page_token", "")):
                return found

    async def contacts(self, case_id: str) -> list[Json]:
        """Every contact of a case, read for the purpose of tracing it."""
        found: list[Json] = []
        token = ""
        api = self.api("tracer", purpose=("tracing", case_id))
        while True:
            page = await api.get(f"/cases/{case_id}/contacts", page_size=200, page_token=token)
            found += page["contacts"]
            if not (token := page.get("next_page_token", "")):
                return found


@asynccontextmanager
async def district(stack: System, *, progress: Progress = _silent) -> AsyncIterator[District]:
    """A district whose clients are closed at the end."""
    opened = District(stack, progress=progress)
    try:
        yield opened
    finally:
        await opened.close()


def days_around(instant: datetime, before: int = 1, after: int = 1) -> list[date]:
    """Local days around an instant's own."""
    today = local_day(instant)
    return [today + timedelta(days=step) for step in range(-before, after + 1)]
