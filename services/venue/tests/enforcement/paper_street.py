# ruff: noqa: N802 - methods are named by the requests
"""The street without a service: requests become facts by the rules alone, so that thousands of lives take seconds."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID, uuid4

from chassis.clock import ManualClock
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import enforcement_pb2 as pb
from venue.enforcement.ladder import facts as f
from venue.enforcement.ladder import model, rules
from venue.enforcement.ladder.encoding import encode_standing
from venue.enforcement.ladder.measuring import terms_of
from venue.enforcement.policies.model import Paper, Policy, Rules, Step, in_force
from venue.register.model import Venue

from .conftest import LADDERS, MET, Street

START = datetime(2022, 3, 10, 4, tzinfo=UTC)


def policy(area):
    body, steps = LADDERS[area]
    made = tuple(Step(tuple(map(Paper, each.papers)), each.suspension_days, each.rectify_hours) for each in steps)
    return Policy(UUID(int=int(area)), area, "x", Rules(60, made, 24, 24, body), START, "d", 1, ("a", "b"), START)


class PaperStreet(Street):
    """One venue at a time; `call` does what the service does with a request, with nothing stored."""

    def __init__(self):
        super().__init__(SimpleNamespace(clock=ManualClock(START)), None, None, None)
        self.facts, self.rules = [], [policy(area) for area in LADDERS]

    async def venue(self, area, **_):
        self.facts, self.area = [], f"{area}001"
        self.place = Venue(uuid4(), "x", 3, self.area, "x", ("shop-1",), "", ())
        return SimpleNamespace(venue_id=str(self.place.venue_id), category=3)

    async def checklist(self, subject=1, category=3):
        return ["masks"]

    async def agrees(self, venue, standing):
        """There is nothing else here that could differ."""

    def standing_at(self, at):
        return model.standing(self.facts, self.rules, self.area, at)

    async def call(self, caller, request):
        try:
            return getattr(self, type(request).__name__)(caller.subject, request)
        except rules.LadderError as error:
            raise DomainError(Kind.PRECONDITION, error.reason, error.text) from None

    def add(self, kind, identity, who, **given):
        common = {"ordinal": len(self.facts) + 1, "fact_id": UUID(identity), "actor": who}
        self.facts.append(kind(**common, happened_at=self.now(), recorded_at=self.now(), **given))

    def fact(self, identity):
        return next(each for each in self.facts if each.fact_id == UUID(identity))

    def GetStandingRequest(self, _, request):
        at = request.at.ToDatetime(UTC) if request.HasField("at") else self.now()
        return pb.GetStandingResponse(standing=encode_standing(self.place, self.standing_at(at)))

    def RecordInspectionRequest(self, who, request):
        passed = all(each.outcome == MET for each in request.findings)
        terms = None
        if not passed:
            ladder = in_force(self.rules, self.area, self.now())
            terms = terms_of(ladder, model.step_of_next(self.facts, ladder, self.now()), self.now())
        looked = UUID(request.reinspects) if request.reinspects else None
        both = (request.first_inspector, request.second_inspector)
        self.add(
            f.Inspected, request.inspection_id, who, passed=passed, inspectors=both, reinspects=looked, terms=terms
        )
        return SimpleNamespace(step=terms.step if terms else 0)

    def SubmitRectificationRequest(self, who, request):
        measure = UUID(request.measure_id)
        rules.rectify(self.standing_at(self.now()), measure)
        self.add(f.Rectified, request.rectification_id, who, measure_id=measure)

    def ApproveSuspensionRequest(self, who, request):
        measure = rules.suspend(self.standing_at(self.now()), UUID(request.measure_id), who)
        self.suspended(request.suspension_id, who, measure, self.now(), measure.terms.rules.suspension_days)

    def suspended(self, identity, who, measure, starts, days, extension=None):
        ends = rules.suspension_end(starts, days)
        where = {"measure_id": measure.measure_id, "extension_id": extension}
        self.add(f.Suspended, identity, who, starts_at=starts, ends_at=ends, **where)

    def ProposeSuspensionExtensionRequest(self, who, request):
        measure = UUID(request.measure_id)
        rules.propose_extension(self.standing_at(self.now()), measure, request.days)
        self.add(f.ExtensionProposed, request.extension_id, who, measure_id=measure, days=request.days)

    def ApproveSuspensionExtensionRequest(self, who, request):
        asked = self.fact(request.extension_id)
        measure = rules.approve_extension(self.standing_at(self.now()), asked.measure_id, asked.fact_id, who)
        starts = rules.extension_start(measure, self.now())
        self.suspended(request.suspension_id, who, measure, starts, asked.days, asked.fact_id)

    def ProposeMeasureLiftRequest(self, who, request):
        measure = UUID(request.measure_id)
        rules.propose_lift(self.standing_at(self.now()), measure)
        self.add(f.LiftProposed, request.lift_id, who, measure_id=measure)

    def ApproveMeasureLiftRequest(self, who, request):
        asked = self.fact(request.lift_id)
        rules.approve_lift(self.standing_at(self.now()), asked.measure_id, asked.fact_id, who)
        self.add(f.Lifted, request.request_id, who, measure_id=asked.measure_id, lift_id=asked.fact_id)

    def FileAppealRequest(self, who, request):
        measure = UUID(request.measure_id)
        rules.appeal(self.standing_at(self.now()), measure)
        self.add(f.Appealed, request.appeal_id, who, measure_id=measure)

    def DecideAppealRequest(self, who, request):
        filed = self.fact(request.appeal_id)
        rules.decide(self.standing_at(self.now()), filed.measure_id, filed.fact_id, who)
        upheld = request.decision == pb.APPEAL_DECISION_UPHELD
        given = {"measure_id": filed.measure_id, "appeal_id": filed.fact_id, "upheld": upheld}
        self.add(f.AppealDecided, request.request_id, who, **given)
