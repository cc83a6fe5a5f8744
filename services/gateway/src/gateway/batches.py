"""Batches: every item is judged on its own, here as behind; one that is wrong spoils nothing but itself."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from chassis.access import Rule
from chassis.auth import Caller
from chassis.errors import DomainError, Kind
from chassis.rpc.admission import check_request
from chassis.rpc.status import from_proto
from google.protobuf.message import Message

from gateway import codec, problems
from gateway.codec import Json
from gateway.door import checked_key
from gateway.operations import KEY_FIELD, Batch, Operation, rules_of
from gateway.visits import VISIT_KEY, refusal, visit_key

_ITEMS = "requests"


@dataclass(slots=True)
class Taken:
    """A batch that was read: the call's request with the good items, and an answer or its index for every item."""

    request: Any
    identity: str
    ids: list[str]
    refused: dict[int, DomainError] = field(default_factory=dict)

    async def send(self, call: Callable[..., Awaitable[Any]], *, seconds: float, lang: str) -> bytes:
        """Call the service with the good items; the JSON body that answers all, in the order of the request."""
        good = [index for index in range(len(self.ids)) if index not in self.refused]
        results: dict[int, Json] = {
            index: {self.identity: self.ids[index], "error": problems.problem(error, lang=lang)}
            for index, error in self.refused.items()
        }
        if good:
            reply = await call(self.request, timeout=seconds)
            for index, result in zip(good, reply.results, strict=True):
                results[index] = {self.identity: self.ids[index], **_result(result, lang)}
        return orjson.dumps({"results": [results[index] for index in range(len(self.ids))]})


def take(operation: Operation, batch: Batch, data: Any, caller: Caller) -> Taken:
    """Decode and judge every item. Raises INVALID when the batch as a whole is malformed, empty or too long."""
    items = _items(data, _most(operation))
    rule = _item_rule(operation.rule)
    taken = Taken(operation.rpc.request(), batch.identity, [])
    kind = getattr(taken.request, _ITEMS)
    for index, item in enumerate(items):
        taken.ids.append(_identity(item, batch.identity))
        try:
            message = _item(kind, item, batch)
            check_request(rule, caller, message)
        except DomainError as error:
            taken.refused[index] = error
            # It was added to be filled; the service must not see it.
            del kind[len(kind) - 1]
    return taken


def _item(into: Any, item: Any, batch: Batch) -> Message:
    message: Message = into.add()
    if batch.item_key == KEY_FIELD:
        codec.decode(item, message)
        return message
    if isinstance(item, Mapping):
        key = item.get(batch.item_key)
        item = {name: value for name, value in item.items() if name != batch.item_key}
        setattr(message, VISIT_KEY, visit_key(checked_key(key)))
    codec.decode(item, message, hidden={VISIT_KEY})
    return message


def _items(data: Any, most: int) -> list[Any]:
    items = data.get(_ITEMS) if isinstance(data, Mapping) and data.keys() <= {_ITEMS} else None
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        raise DomainError(
            Kind.INVALID,
            "INVALID_REQUEST",
            "The request breaks its contract.",
            fields={_ITEMS: f"must be a list of 1 to {most} items, and the only field"},
        )
    return items


def _most(operation: Operation) -> int:
    return int(rules_of(operation.rpc.takes.fields_by_name[_ITEMS]).repeated.max_items)


def _item_rule(rule: Rule) -> Rule:
    """The batch's rule as it binds one item: `requests.area` of the whole is `area` of each."""
    return replace(rule, area=rule.area.removeprefix(f"{_ITEMS}.")) if isinstance(rule.area, str) else rule


def _identity(item: Any, name: str) -> str:
    value = item.get(name, "") if isinstance(item, Mapping) else ""
    return value if isinstance(value, str) else ""


def _result(result: Any, lang: str) -> Json:
    if "error_reason" in result.DESCRIPTOR.fields_by_name:
        refused = refusal(result)
        if refused is not None:
            return {"error": problems.problem(refused, lang=lang)}
        return {"response": codec.encode(result.response)}

    def embedded(status: Any) -> Json:
        unknown = DomainError(Kind.INTERNAL, "PEER_FAILED", "Something failed inside the service.")
        return problems.problem(from_proto(status) or unknown, lang=lang)

    return codec.encode(result, {"google.rpc.Status": embedded})
