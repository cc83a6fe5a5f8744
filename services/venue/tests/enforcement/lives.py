"""A random life of a venue beside the plain ladder, as a state machine: whoever plays the service, the two never differ."""

import asyncio
from datetime import UTC
from uuid import uuid4

from chassis.errors import DomainError
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from lilitong.venue.v1 import enforcement_pb2 as pb

from .conftest import FENGSHAN, LADDERS, LIANHUACHI, person
from .plain_ladder import Plain

APPEALS = {1: "open", 2: "escalated", 3: "upheld", 4: "rejected", 5: "lapsed"}
# Leads who have had no part in anything yet are the ones who can do most.
WHO = st.sampled_from(["lead-1", "lead-2", "lead-8", "lead-9", "inspector-1", "inspector-3"])
WHICH = st.integers(0, 3)
HOURS = st.sampled_from([1, 5, 11, 12, 13, 24, 30, 72, 200, 24 * 61])


def moment(stamp):
    return stamp.ToDatetime(UTC)


def picture(standing):
    """The service's standing in the plain ladder's words."""
    return {
        "failed": standing.failed_counting,
        "current": standing.current_measure_id,
        "until": moment(standing.suspended_until) if standing.suspended else None,
        "card": standing.card,
        "cases": [
            (
                each.measure_id,
                each.state,
                each.step,
                sorted(each.papers_in_force),
                each.suspension_pending,
                each.extension_proposal_id,
                each.lift_proposal_id,
                APPEALS.get(each.appeal.state, ""),
                [(moment(one.starts_at), moment(one.effective_until)) for one in each.suspensions],
            )
            for each in standing.measures
        ],
    }


class Life(RuleBasedStateMachine):
    """Its rules run on the loop of the test, if it has one; `lived` counts what happened."""

    street = loop = lived = None

    def do(self, coroutine):
        if self.loop is None:  # nothing in it really waits
            try:
                coroutine.send(None)
            except StopIteration as done:
                return done.value
            raise AssertionError("without a loop nobody may wait")
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    @initialize(area=st.sampled_from([LIANHUACHI, FENGSHAN]))
    def opens(self, area):
        self.venue = self.do(self.street.venue(area))
        self.plain = Plain([(list(each.papers), each.suspension_days) for each in LADDERS[area][1]])
        self.plain.tick(self.street.now())
        self.extensions, self.lifts, self.appeals, self.moments = [], [], [], {}

    def refused(self, coroutine):
        try:
            self.do(coroutine)
        except DomainError as error:
            return error.reason
        return ""

    def pick(self, which):
        """The newest most often."""
        return self.plain.cases[-1 - min(which, len(self.plain.cases) - 1)]

    def asked(self, name, **fields):
        return getattr(pb, f"{name}Request")(request_id=str(uuid4()), **fields)

    def call(self, who, request):
        return self.refused(self.street.call(person(who, "enforcement_lead", "inspector"), request))

    @rule(hours=HOURS)
    def waits(self, hours):
        self.street.later(hours=hours)
        self.plain.tick(self.street.now())
        self.lived["waits"] += 1

    @rule(first=st.sampled_from(["inspector-1", "inspector-2"]))
    def fails(self, first):
        self.street.later(seconds=1)
        self.plain.tick(self.street.now())
        request = self.do(
            self.street.inspection(self.venue, bad=["masks"], first_inspector=first, second_inspector="inspector-3")
        )
        answer = self.do(self.street.call(person(first, "inspector"), request))
        assert self.plain.fail(request.inspection_id, [first, "inspector-3"]) == answer.step
        self.lived[f"step {answer.step}"] += 1

    @precondition(lambda self: self.plain.cases)
    @rule(which=WHICH)
    def is_found_good(self, which):
        case = self.pick(which)
        self.do(self.street.passes(self.venue, case.id))
        self.plain.good(case.id)
        self.lived["good"] += 1

    @precondition(lambda self: self.plain.cases)
    @rule(which=WHICH)
    def rectifies(self, which):
        case = self.pick(which)
        self.same("rectify", self.plain.rectify(case), self.refused(self.street.rectify(case.id)))

    @precondition(lambda self: self.plain.cases)
    @rule(which=WHICH, who=WHO)
    def is_suspended(self, which, who):
        case = self.pick(which)
        request = self.asked("ApproveSuspension", suspension_id=str(uuid4()), measure_id=case.id)
        self.same("suspend", self.plain.suspend(case, who), self.call(who, request))

    @precondition(lambda self: self.plain.cases)
    @rule(which=WHICH, who=WHO, days=st.integers(1, 4))
    def may_stay_shut(self, which, who, days):
        case, identity = self.pick(which), str(uuid4())
        request = self.asked(
            "ProposeSuspensionExtension", extension_id=identity, measure_id=case.id, days=days, grounds="x"
        )
        plain = self.plain.propose_extension(case, identity, days, who)
        self.same("propose extension", plain, self.call(who, request))
        if not plain:
            self.extensions.append((case, identity))

    @precondition(lambda self: self.extensions)
    @rule(which=WHICH, who=WHO)
    def stays_shut(self, which, who):
        case, identity = self.extensions[-1 - min(which, len(self.extensions) - 1)]
        request = self.asked("ApproveSuspensionExtension", suspension_id=str(uuid4()), extension_id=identity)
        self.same("extend", self.plain.extend(case, identity, who), self.call(who, request))

    @precondition(lambda self: self.plain.cases)
    @rule(which=WHICH, who=WHO)
    def may_open(self, which, who):
        case, identity = self.pick(which), str(uuid4())
        request = self.asked("ProposeMeasureLift", lift_id=identity, measure_id=case.id, grounds="x")
        plain = self.plain.propose_lift(case, identity, who)
        self.same("propose lift", plain, self.call(who, request))
        if not plain:
            self.lifts.append((case, identity))

    @precondition(lambda self: self.lifts)
    @rule(which=WHICH, who=WHO)
    def opens_again(self, which, who):
        case, identity = self.lifts[-1 - min(which, len(self.lifts) - 1)]
        request = self.asked("ApproveMeasureLift", lift_id=identity)
        self.same("lift", self.plain.lift(case, identity, who), self.call(who, request))

    @precondition(lambda self: self.plain.cases)
    @rule(which=WHICH)
    def appeals_against(self, which):
        case, identity = self.pick(which), str(uuid4())
        request = self.asked("FileAppeal", appeal_id=identity, measure_id=case.id, grounds="x")
        plain = self.plain.file_appeal(case, identity, "shop-1")
        self.same("appeal", plain, self.refused(self.street.call(self.street.shop, request)))
        if not plain:
            self.appeals.append((case, identity))

    @precondition(lambda self: self.appeals)
    @rule(which=WHICH, who=WHO, upheld=st.booleans())
    def is_heard(self, which, who, upheld):
        case, identity = self.appeals[-1 - min(which, len(self.appeals) - 1)]
        decision = pb.APPEAL_DECISION_UPHELD if upheld else pb.APPEAL_DECISION_REJECTED
        request = self.asked("DecideAppeal", appeal_id=identity, decision=decision, grounds="x")
        plain = self.plain.decide(case, identity, who, upheld=upheld)
        self.same("upheld" if upheld else "rejected", plain, self.call(who, request))

    @precondition(lambda self: self.plain.cases)
    @rule(which=WHICH, upheld=st.booleans(), who=st.sampled_from(["lead-9", "lead-9", "inspector-3"]))
    def wins_or_loses(self, which, upheld, who):
        self.appeals_against(which)
        if self.appeals:
            self.is_heard(0, who, upheld)

    @rule(approver=st.sampled_from(["lead-1", "lead-8", "inspector-1"]))
    def climbs_to_the_top(self, approver):
        for _ in range(3):
            self.fails("inspector-1")
        self.is_suspended(0, approver)

    @precondition(lambda self: self.plain.cases)
    @rule(days=st.sampled_from([1, 3, 4]), approver=st.sampled_from(["lead-2", "lead-8"]))
    def is_to_stay_shut(self, days, approver):
        self.may_stay_shut(0, "lead-2", days)
        if self.extensions:
            self.stays_shut(0, approver)

    # One rule that goes the common way, so that long lives reach what random single acts seldom do.
    @precondition(lambda self: self.plain.cases)
    @rule(reopens=st.sampled_from(["", "lead-2", "inspector-3"]))
    def does_all_it_should(self, reopens):
        case = self.plain.cases[-1]
        self.same("rectify", self.plain.rectify(case), self.refused(self.street.rectify(case.id)))
        self.do(self.street.passes(self.venue, case.id))
        self.plain.good(case.id)
        if reopens:
            self.may_open(0, "inspector-3")
            if self.lifts:
                self.opens_again(0, reopens)

    def same(self, what, plain, service):
        assert plain == service, what
        self.lived[what if not plain else f"{what}: {plain}"] += 1

    @invariant()
    def they_never_differ(self):
        now = self.street.now()
        standing = self.do(self.street.standing(self.venue))
        assert picture(standing) == self.plain.picture()
        self.moments[now] = standing
        self.do(self.street.agrees(self.venue, standing))

    def teardown(self):
        """Whatever came later, each moment is told as it was told then."""
        for at, then in getattr(self, "moments", {}).items():
            assert self.do(self.street.standing(self.venue, at)) == then
