"""The ladder once more, as plainly as it can be said: one venue, changed step by step as things happen, with nothing derived.

Written apart from `venue.enforcement.ladder`, to be compared with it; it shares no code with it. Every act returns "" or the reason
for which it is refused.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
FORM, NOTICE, YELLOW, RED, DECISION, SEAL = 1, 2, 3, 4, 5, 6


@dataclass
class Case:
    """A failed inspection."""

    id: str
    at: datetime
    step: int
    papers: list
    days: int
    people: set
    inspectors: set
    rectified: bool = False
    passed: bool = False
    over: str = ""  # "closed" or "annulled"
    lapsed: bool = False
    cards_gone: bool = False
    suspensions: list = field(default_factory=list)  # [start, real end, end as decided]
    decided_end: datetime | None = None
    extension: tuple | None = None  # (id, days, who)
    lift: tuple | None = None  # (id, who)
    appeal: str = ""  # open, escalated, upheld, rejected, lapsed
    appeal_id: str = ""
    filed: datetime | None = None
    counts: bool = True


class Plain:
    """`steps`: papers, days of suspension. Times only grow; call `tick` with each new time."""

    def __init__(self, steps, window_days=60):
        self.steps, self.window = steps, timedelta(days=window_days)
        self.cases, self.now = [], None

    # What time does.

    def tick(self, now):
        self.now = now
        for case in self.cases:
            if case.appeal in ("open", "escalated"):
                if now >= case.filed + 12 * HOUR:
                    case.appeal = "escalated"
                if now >= case.filed + 24 * HOUR:
                    case.appeal, case.lapsed, case.cards_gone = "lapsed", True, True
                    self.cut(case, case.filed + 24 * HOUR)
                    if case.passed and not case.over:
                        case.over = "closed"

    @staticmethod
    def cut(case, at):
        for span in case.suspensions:
            span[1] = min(span[1], at)

    # What is asked.

    @property
    def current(self):
        waiting = [case for case in self.cases if not case.over]
        return waiting[-1] if waiting else None

    def counting(self):
        return sum(case.counts and case.over != "annulled" and case.at > self.now - self.window for case in self.cases)

    def wrong_case(self, case):
        if case is self.current:
            return ""
        return "MEASURE_CLOSED" if case.over else "MEASURE_SUPERSEDED"

    def state(self, case):
        if case.over:
            return {"closed": 4, "annulled": 5}[case.over]
        if case is not self.current:
            return 6
        return 3 if case.passed else 2 if case.rectified else 1

    def limited(self, case):
        """Whether a suspension may still come of it."""
        return self.state(case) in (1, 2) and not case.lapsed

    # What people do.

    def fail(self, identity, inspectors):
        step = min(self.counting() + 1, len(self.steps))
        papers, days = self.steps[step - 1]
        for case in self.cases:
            case.lift = None
        self.cases.append(Case(identity, self.now, step, papers, days, set(inspectors), set(inspectors)))
        return step

    def good(self, identity):
        """A good inspection that looks at this case again, or at none."""
        case = self.current
        if case is None or case.id != identity or not case.rectified or case.passed:
            return
        for each in self.cases:
            if not each.over and not each.passed:
                each.passed, each.extension = True, None
                gave = {YELLOW, RED} & set(each.papers) or each.suspensions
                if each.lapsed or not gave:
                    each.over = "closed"

    def rectify(self, case):
        wrong = self.wrong_case(case)
        if wrong:
            return wrong
        if case.passed:
            return "REINSPECTED_ALREADY"
        if case.rectified:
            return "ALREADY_RECTIFIED"
        case.rectified = True
        return ""

    def suspend(self, case, who):
        wrong = self.wrong_case(case)
        if wrong:
            return wrong
        if not self.limited(case) or not case.days or case.suspensions:
            return "NO_SUSPENSION_PROPOSED"
        if who in case.inspectors:
            return "SECOND_PERSON_NEEDED"
        self._suspend(case, self.now, case.days, who)
        return ""

    def _suspend(self, case, start, days, who):
        case.decided_end = start + 24 * days * HOUR
        end = case.decided_end
        if case.appeal in ("open", "escalated"):
            end = min(end, case.filed + 24 * HOUR)
        case.suspensions.append([start, end, case.decided_end])
        case.people.add(who)

    def may_extend(self, case, days):
        wrong = self.wrong_case(case)
        if wrong:
            return wrong
        if not case.suspensions:
            return "NOT_SUSPENDED"
        if case.passed or case.lapsed:
            return "NOTHING_TO_EXTEND"
        if case.suspensions[-1][0] > self.now:
            return "EXTENDED_ALREADY"
        return "EXTENSION_TOO_LONG" if days > case.days else ""

    def propose_extension(self, case, identity, days, who):
        wrong = self.may_extend(case, days)
        if not wrong:
            case.extension = (identity, days, who)
            case.people.add(who)
        return wrong

    def extend(self, case, identity, who):
        wrong = self.wrong_case(case)
        if wrong:
            return wrong
        if case.extension is None or case.extension[0] != identity or not self.limited(case):
            return "NO_EXTENSION_PROPOSED"
        if who in case.inspectors or who == case.extension[2]:
            return "SECOND_PERSON_NEEDED"
        wrong = self.may_extend(case, case.extension[1])
        if wrong:
            return wrong
        self._suspend(case, max(self.now, case.decided_end), case.extension[1], who)
        case.extension = None
        return ""

    def propose_lift(self, case, identity, who):
        wrong = self.wrong_case(case)
        if wrong:
            return wrong
        if not case.passed:
            return "NOT_REINSPECTED"
        case.lift = (identity, who)
        case.people.add(who)
        return ""

    def lift(self, case, identity, who):
        wrong = self.wrong_case(case)
        if wrong:
            return wrong
        if not case.passed:
            return "NOT_REINSPECTED"
        if case.lift is None or case.lift[0] != identity:
            return "NO_LIFT_PROPOSED"
        if who == case.lift[1]:
            return "SECOND_PERSON_NEEDED"
        for each in self.cases:
            each.counts, each.cards_gone = False, True
            each.over = each.over or "closed"
            self.cut(each, self.now)
        return ""

    def file_appeal(self, case, identity, who):
        if case.over:
            return "MEASURE_CLOSED"
        if case.appeal in ("open", "escalated"):
            return "APPEAL_OPEN"
        if case.appeal == "lapsed":
            return "APPEAL_LAPSED"
        case.appeal, case.appeal_id, case.filed = "open", identity, self.now
        case.people.add(who)
        self.cut(case, self.now + 24 * HOUR)
        return ""

    def decide(self, case, identity, who, *, upheld):
        if case.appeal_id != identity or case.appeal in ("upheld", "rejected"):
            return "APPEAL_DECIDED"
        if case.appeal == "lapsed":
            return "APPEAL_LAPSED"
        if who in case.people:
            return "INVOLVED"
        if upheld:
            case.appeal, case.over, case.cards_gone = "upheld", "annulled", True
            self.cut(case, self.now)
        else:
            case.appeal = "rejected"
            for span in case.suspensions:
                if not case.over:  # what was lifted meanwhile stays lifted
                    span[1] = span[2]
        return ""

    # What is compared.

    def picture(self):
        return {
            "failed": self.counting(),
            "current": self.current.id if self.current else "",
            "until": self.until(),
            "card": max(
                [paper for case in self.cases for paper in self.papers(case) if paper in (YELLOW, RED)], default=0
            ),
            "cases": [
                (
                    case.id,
                    self.state(case),
                    case.step,
                    sorted(self.papers(case)),
                    self.limited(case) and bool(case.days) and not case.suspensions,
                    case.extension[0] if case.extension and self.limited(case) else "",
                    case.lift[0] if case.lift and self.state(case) == 3 else "",
                    case.appeal,
                    [tuple(span[:2]) for span in case.suspensions],
                )
                for case in self.cases
            ],
        }

    def papers(self, case):
        if case.over == "annulled":
            return []
        held = [FORM]
        suspended = any(span[0] <= self.now < span[1] for span in case.suspensions)
        for paper in case.papers:
            if paper == NOTICE and not case.passed and case is self.current:
                held.append(paper)
            if paper in (YELLOW, RED) and not case.cards_gone:
                held.append(paper)
            if paper in (DECISION, SEAL) and suspended:
                held.append(paper)
        return held

    def until(self):
        """The end of the time without a gap in which the venue is shut, from now on."""
        end = self.now
        for span in sorted(span for case in self.cases for span in case.suspensions):
            if span[0] <= end < span[1]:
                end = span[1]
        return None if end == self.now else end
