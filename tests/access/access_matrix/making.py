"""Making a world through the public API, as the people whose work it is."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from access_table import Endpoint
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import Message
from lilitong.quarantine.v1 import contact_pb2, pass_pb2, register_pb2
from lilitong.venue.v1 import code_task_pb2, duplicate_pb2, inspection_pb2, obligation_pb2, visit_pb2
from passes import presentation, venue_code
from passes.days import day_number, local_day

from access_matrix import supervising
from access_matrix.callers import PURPOSE, Callers
from access_matrix.doors import OK, Door
from access_matrix.samples import (
    figures,
    inspections,
    ladder,
    loop,
    papers,
    people,
    places,
    register,
)
from access_matrix.world import HOME, World, new_id, new_key, now, point, public_key

PATIENCE = timedelta(seconds=30)
ASKED = 3
HOUR = 3600  # seconds
BURST = 62


@dataclass(slots=True)
class Phone:
    """Passes of today and tomorrow, with their keys."""

    resident_id: str
    keys: dict[int, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    passes: dict[int, bytes] = field(default_factory=dict)

    def shown(self, code: str = "", at: datetime | None = None) -> str:
        at = at or now()
        day = day_number(local_day(at))
        context = venue_code.parse(code).to_bytes() if code else b""
        return presentation.present(self.passes[day], self.keys[day], at, context=context).to_text()


class Maker:
    """Calls as somebody who may; every refusal is an error."""

    def __init__(self, door: Door, callers: Callers, endpoints: Mapping[str, Endpoint]) -> None:
        self._door, self._callers = door, callers
        self._by_request = {one.request: one for one in endpoints.values()}
        self._inspected: dict[str, str] = {}

    async def say(self, role: str, request: Message, subject: str = "") -> Any:
        headers = self._callers.person(role, subject=subject) | PURPOSE
        answer = await self._door.call(self._by_request[type(request)], request, headers)
        assert answer.kind == OK, f"{type(request).__name__} as {role}: {answer}"
        return answer.reply

    async def world(self) -> World:
        world = World(operator=f"operator-{new_id()}", inspector=f"inspector-{new_id()}")
        await self._policy()
        world = await self._places(world)
        world = await self._ladder(world)
        world = await self._register(world)
        world = await self._papers(world)
        world = await supervising.lots(self, world)
        world = await supervising.draws(self, world)
        world = await self._person(world)
        world = await self._loop(world)
        await self._until(lambda: supervising.over(self, world))
        return world

    async def _policy(self) -> None:
        draft = loop.draft_policy(World(), "policy_editor")
        draft.effective_from.FromDatetime(now() - timedelta(minutes=1))
        await self.say("policy_editor", draft)
        for _ in range(2):
            approval = loop.approve_policy(World(policy_id=draft.policy_id), "approver")
            await self.say("approver", approval)

    async def _places(self, world: World) -> World:
        venue = (await self.say("venue_officer", places.register_venue(world, ""))).venue
        post = (await self.say("checkpoint_lead", places.register_post(world, ""))).post
        world = replace(world, post_id=post.post_id)
        device = places.enroll_device(world, "")
        device.public_key = public_key(world.device_key)
        await self.say("checkpoint_lead", device)
        revoking = places.enroll_device(world, "")
        await self.say("checkpoint_lead", revoking)
        drill = loop.start_drill(world, "")
        await self.say("command", drill)
        policy = loop.draft_policy(world, "")
        await self.say("policy_editor", policy)
        zones = [zone.zone for zone in venue.zones]
        return replace(
            world,
            venue_id=venue.venue_id,
            zone=zones[0],
            replacing_zone=zones[1],
            revoking_zone=zones[2],
            screen_zone=zones[3],
            venue_code=venue.zones[0].code,
            device_id=device.device_id,
            revoking_device_id=revoking.device_id,
            drill_id=drill.drill_id,
            policy_id=policy.policy_id,
        )

    async def _ladder(self, world: World) -> World:
        """An inspection with a photo, and a venue for each act that changes one."""
        policy = ladder.draft_policy(world, "")
        await self.say("enforcement_lead", policy)
        for _ in range(2):
            await self.say("enforcement_lead", ladder.approve_policy(World(ladder_policy_id=policy.policy_id), ""))
        drafted = ladder.draft_policy(world, "")
        await self.say("enforcement_lead", drafted)
        world = replace(world, ladder_policy_id=drafted.policy_id)
        photo, stored = (inspections.new_photo() for _ in range(2))
        seen = inspections.record(world, "inspector")
        seen.findings[0].photos.extend(sha256(one).digest() for one in (photo, stored))
        await self.say("inspector", seen, world.inspector)
        world = replace(world, inspection_id=seen.inspection_id, photo=stored, stored_photo=stored)
        await self.say("inspector", inspections.upload(world, ""), world.inspector)
        measures = [await self._failed(world) for _ in range(8)]
        rectifying, suspending, suspended, extended, ready, lifting, appealing, appealed = measures
        suspension = ladder.approve_suspension(World(suspending_id=suspended), "")
        await self.say("enforcement_lead", suspension)
        await self.say("enforcement_lead", ladder.approve_suspension(World(suspending_id=extended), ""))
        extension = ladder.propose_extension(World(suspended_id=extended), "")
        await self.say("enforcement_lead", extension)
        for one in (ready, lifting):
            await self.say("venue_officer", ladder.rectify(World(rectifying_id=one), ""))
            await self._looked_again(world, one)
        lift = ladder.propose_lift(World(lift_ready_id=lifting), "")
        await self.say("enforcement_lead", lift)
        appeal = ladder.appeal(World(appealing_id=appealed), "")
        await self.say("venue_operator", appeal, world.operator)
        return replace(
            world,
            photo=photo,
            rectifying_id=rectifying,
            suspending_id=suspending,
            suspended_id=suspended,
            suspension_id=suspension.suspension_id,
            extension_id=extension.extension_id,
            lift_ready_id=ready,
            lift_id=lift.lift_id,
            appealing_id=appealing,
            appeal_id=appeal.appeal_id,
        )

    async def _register(self, world: World) -> World:
        """A venue that grows and one that closes, two applications, an import without its file, two that look like one."""
        growing, closing = [
            (await self.say("venue_officer", places.register_venue(world, ""))).venue.venue_id for _ in range(2)
        ]
        applications = [register.submit(world, "") for _ in range(2)]
        for each in applications:
            await self.say("venue_operator", each, world.operator)
        job = register.create_import(world, "")
        await self.say("venue_officer", job)
        name, pair = f"店{new_id()}", [places.register_venue(world, "") for _ in range(2)]
        for venue in pair:
            venue.name = venue.address = name
            # One licence puts them before all others that look alike.
            venue.particulars.licence = "91141102MA0K99999X"
            await self.say("venue_officer", venue)
        ids = {venue.venue_id for venue in pair}
        candidate = await self._until(lambda: self._candidate(ids))
        return replace(
            world,
            growing_id=growing,
            closing_id=closing,
            approving_application_id=applications[0].application_id,
            returning_application_id=applications[1].application_id,
            import_id=job.import_id,
            candidate_id=candidate,
        )

    async def _candidate(self, ids: set[str]) -> str | None:
        request = duplicate_pb2.ListMergeCandidatesRequest(area=HOME, page_size=200)
        for found in (await self.say("venue_officer", request)).candidates:
            if {found.first.venue_id, found.second.venue_id} == ids:
                return str(found.candidate_id)
        return None

    async def _papers(self, world: World) -> World:
        """A letter that the venue was served with, and a draft of another; the rest of the area has its letters."""
        draft = papers.draft_template(world, "")
        await self.say("venue_officer", draft)
        await self.say("venue_officer", papers.approve_template(World(letter_draft_id=draft.template_id), ""))
        everybody = obligation_pb2.IssueObligationsRequest(request_id=new_id(), area=HOME, limit=500)
        await self.say("venue_officer", everybody)
        held = (await self.say("venue_officer", papers.list_obligations(world, ""))).obligations
        world = replace(world, obligation_id=held[0].obligation_id)
        await self.say("venue_officer", papers.serve(world, ""))
        another = papers.draft_template(world, "")
        await self.say("venue_officer", another)
        return replace(world, letter_draft_id=another.template_id)

    async def _figures(self, world: World, phone: Phone) -> World:
        """An export, and a small shop whose poster was used more often than anybody can come in."""
        export = figures.create_export(world, "")
        await self.say("venue_officer", export, world.officer)
        shop = places.register_venue(world, "")
        shop.zones[0].capacity = 1
        code = (await self.say("venue_officer", shop)).venue.zones[0].code
        # A phone shows one code a second, and is believed for the last minute and the next half; all of them in one hour.
        begun = now().timestamp() % HOUR
        if begun > HOUR - BURST:  # the rest of it is too short
            await asyncio.sleep(HOUR - begun)
            begun = 0
        await asyncio.sleep(max(BURST - begun, 0))
        moments = [now() + timedelta(seconds=each - BURST + 10) for each in range(BURST)]
        requests = [places.check_in(replace(world, venue_code=code), "app_backend") for _ in moments]
        for request, at in zip(requests, moments, strict=True):
            request.credential = phone.shown(code, at)
        await self._until(lambda: self._admits(requests[0]))
        await self.say("app_backend", visit_pb2.BatchCheckInRequest(requests=requests))
        task = await self._until(lambda: self._code_task(shop.venue_id))
        return replace(world, export_id=export.export_id, code_task_id=task)

    async def _admits(self, request: visit_pb2.CheckInRequest) -> bool:
        answer = await self.say("app_backend", request)
        return bool(answer.outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED)

    async def _code_task(self, venue_id: str) -> str | None:
        request = code_task_pb2.ListCodeTasksRequest(area=HOME, page_size=500)
        for found in (await self.say("venue_officer", request)).tasks:
            if found.venue_id == venue_id:
                return str(found.task_id)
        return None

    async def _failed(self, world: World) -> str:
        """A venue of its own that failed its inspection; the measure's id."""
        venue = places.register_venue(world, "")
        await self.say("venue_officer", venue)
        seen = inspections.record(replace(world, venue_id=venue.venue_id), "inspector")
        seen.findings[0].outcome = inspection_pb2.FINDING_OUTCOME_FAILED
        answer = await self.say("inspector", seen, world.inspector)
        assert answer.step == 1
        self._inspected[seen.inspection_id] = venue.venue_id
        return seen.inspection_id

    async def _looked_again(self, world: World, measure_id: str) -> None:
        seen = inspections.record(replace(world, venue_id=self._inspected[measure_id]), "inspector")
        seen.reinspects = measure_id
        await self.say("inspector", seen, world.inspector)

    async def _person(self, world: World) -> World:
        home = await self._household(1)
        phone = await self._phone(home.residents[0].resident_id)
        world = replace(
            world,
            household_id=home.household_id,
            resident_id=phone.resident_id,
            id_number=home.residents[0].id_number,
            suspect_id=(await self._household(1)).residents[0].resident_id,
            shown=phone.shown,
        )
        card = people.issue_card(world, "")
        await self.say("registrar", card)
        world = replace(world, card_id=card.card_id, visit_id=await self._visit(world, phone))
        return await self._figures(world, phone)

    async def _household(self, size: int) -> register_pb2.RegisterHouseholdRequest:
        home = people.register_household(World(), "registrar")
        home.residents.extend(people.resident() for _ in range(size - 1))
        await self.say("registrar", home)
        return home

    async def _phone(self, resident_id: str) -> Phone:
        today = day_number(local_day(now()))
        phone = Phone(resident_id, {day: new_key() for day in (today, today + 1)})
        keys = [pass_pb2.DayPhoneKey(day=day, phone_key=point(key)) for day, key in phone.keys.items()]
        request = pass_pb2.IssuePassesRequest(request_id=new_id(), resident_id=resident_id, keys=keys)
        answer = await self.say("app_backend", request)
        phone.passes = {one.day: getattr(one, "pass") for one in answer.passes}
        return phone

    async def _visit(self, world: World, phone: Phone, *, staff: bool = False) -> str:
        """Staff's word makes a proven visit, a printed code one that leaves a question."""
        role = "venue_operator" if staff else "app_backend"
        request = places.check_in(replace(world, shown=phone.shown), role)
        # The venue's replicas learn of a new zone a moment after it was registered.
        for _ in range(100):
            answer = await self.say(role, request, subject=world.operator if staff else "")
            if answer.outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED:
                return str(answer.visit_ids[0])
            await asyncio.sleep(0.1)
        raise AssertionError(f"nobody is admitted: {answer}")

    async def _suspect(self, resident_id: str) -> tuple[str, str]:
        about = World(suspect_id=resident_id)
        case = loop.open_case(about, "")
        await self.say("tracer", case)
        result = loop.lab_result(about, "")
        await self.say("laboratory", result)
        return case.case_id, result.lab_result_id

    async def _loop(self, world: World) -> World:
        """A confirmed case with three restricted relatives and three people to be asked, and two cases not so far."""
        home = await self._household(4)
        index = await self._phone(home.residents[0].resident_id)
        await self._visit(world, index, staff=True)
        for _ in range(ASKED):
            other = await self._household(1)
            await self._visit(world, await self._phone(other.residents[0].resident_id))
        case_id, result_id = await self._suspect(index.resident_id)
        about = World(case_id=case_id, approving_case_id=case_id, approving_result_id=result_id)
        await self.say("approver", loop.approve_case(about, ""))
        await self._until(lambda: self._searched(about))
        await self.say("approver", loop.approve_case(about, ""))
        contacts = await self._until(lambda: self._restricted(case_id))
        # The resident's own visit to the same zone leaves a question about them too.
        task, *asked = await self._until(lambda: self._tasks(case_id))
        evidence, proposed = [await self._evidence(one) for one in asked[:2]]
        proposal = loop.propose_restriction(World(evidence_id=proposed), "")
        await self.say("tracer", proposal)
        stays, lifting, proposed_lift = contacts
        lift = loop.propose_lift(World(lifting_id=proposed_lift.restriction_id), "")
        await self.say("tracer", lift)
        suspect = (await self._household(1)).residents[0].resident_id
        closing = (await self._household(1)).residents[0].resident_id
        approving_case_id, approving_result_id = await self._suspect(suspect)
        return replace(
            world,
            case_id=case_id,
            approving_case_id=approving_case_id,
            approving_result_id=approving_result_id,
            closing_case_id=(await self._suspect(closing))[0],
            restriction_id=stays.restriction_id,
            restricted_id=stays.resident_id,
            lifting_id=lifting.restriction_id,
            lift_proposed_id=proposed_lift.restriction_id,
            evidence_id=evidence,
            proposal_id=proposal.restriction_id,
            task_id=task,
        )

    async def _evidence(self, task_id: str) -> str:
        answer = await self.say("tracer", loop.complete_task(World(task_id=task_id), ""))
        return str(answer.evidence_id)

    async def _searched(self, about: World) -> Any:
        """The impact, when every search was answered and all who were there are found."""
        impact = await self.say("approver", loop.case_impact(about, ""))
        answered = impact.searches and impact.searches == impact.searches_answered
        return impact if answered and impact.people_to_ask >= ASKED else None

    async def _tasks(self, case_id: str) -> Any:
        request = contact_pb2.ListInterviewTasksRequest(area="141102", case_id=case_id)
        tasks = (await self.say("tracer", request)).tasks
        return [one.task_id for one in tasks] if len(tasks) >= ASKED else None

    async def _restricted(self, case_id: str) -> Any:
        answer = await self.say("tracer", contact_pb2.ListContactsRequest(case_id=case_id))
        relatives = [one for one in answer.contacts if one.kind == contact_pb2.CONTACT_KIND_HOUSEHOLD]
        return relatives if relatives and all(one.restriction_id for one in relatives) else None

    async def _until(self, look: Any) -> Any:
        deadline = now() + PATIENCE
        while True:
            found = await look()
            if found:
                return found
            assert now() < deadline, f"nothing came of {look}"
            await asyncio.sleep(0.05)
