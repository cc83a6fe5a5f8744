"""What an attack saw."""

import json
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

from rest_attack import judging
from rest_attack.calls import Call
from rest_attack.wire import Answer

_LONG = 12  # shorter ones stand anywhere by chance
DONE = frozenset({200, 201, 202, 207, 304})


def done(answer: Answer) -> bool:
    """Whether anything was done or told; of a batch, about one item at least."""
    if answer.status == 207:
        return any(not one.get("error") for one in json.loads(answer.body)["results"])
    return answer.status in DONE


@dataclass(slots=True)
class Report:
    """Counts and complaints.

    `reached`: calls that domain code decided; `check_ins`: those of them that went in batches. `said`: some of the texts that were
    sent, to be looked for where they must not stand.
    """

    calls: int = 0
    reached: int = 0
    check_ins: int = 0
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[str] = field(default_factory=Counter)
    callers: Counter[str] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    said: deque[str] = field(default_factory=lambda: deque(maxlen=800))

    def count(self, call: Call, answer: Answer) -> None:
        """Judges and counts one answer."""
        about = call.draft.about
        self.calls += 1
        self.callers[call.caller] += 1
        self.said.extend(text for text in call.said[:2] if len(text) >= _LONG and judging.is_content(text))
        self.statuses[about][answer.status] += 1
        reason = judging.reason_of(answer)
        self.reasons[reason or str(answer.status)] += 1
        if judging.reached(answer):
            self.reached += 1
            self.check_ins += call.operation.hot
        for fault in judging.faults(about, answer, call.said):
            self.fault(call, fault)

    def fault(self, call: Call, text: str) -> None:
        """Something that must not be, about an operation; the text quotes nothing that was sent."""
        self.faults[f"{call.draft.about}, {call.draft.mode}, {call.caller}: {text}"] += 1

    def table(self) -> str:
        """Status × operation, and what was said."""
        columns = sorted({status for found in self.statuses.values() for status in found})
        total: Counter[int] = sum(self.statuses.values(), Counter())
        lines = [f"{'':58}" + "".join(f"{status:>7}" for status in columns)]
        for about, found in [*sorted(self.statuses.items()), ("all", total)]:
            lines.append(f"{about:58}" + "".join(f"{found[status] or '':>7}" for status in columns))
        lines.append("reasons: " + ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common()))
        lines.append(f"callers: {dict(self.callers)}; repeats: {dict(self.repeats)}")
        return "\n".join(lines)
