"""From a draft to bytes: about whom and what, by whom, and sometimes spoiled in one place."""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from access_table import ROLES
from devstack.stack import Stack
from gateway.operations import Operation
from gateway.routes import OPERATIONS

from rest_attack import wire
from rest_attack.drafts import NEGATIVE, NOTHING, Draft
from rest_attack.things import Things
from rest_attack.values import NASTY, Values, fresh_uuid

ROUTES: Mapping[str, Operation] = {f"{one.verb} {one.path}": one for one in OPERATIONS}
ELSEWHERE = ("141102003", "110101")
_SUBJECTS = 6
RIGHT = "right"
_SET_BY_US = ("authorization", "content-length", "transfer-encoding", "host", "connection", "expect", "upgrade", "te")


@dataclass(slots=True)
class Call:
    """A request ready to be sent. `caller`: RIGHT, or what is wrong with who calls. `said`: what must not be echoed."""

    draft: Draft
    caller: str
    key: str
    target: str
    data: bytes
    body: Any
    said: tuple[str, ...] = field(repr=False)

    @property
    def operation(self) -> Operation:
        return ROUTES[self.draft.about]


class Cast:
    """Tokens of everybody. Several people of each role, so that nobody is held up by the limit of one."""

    def __init__(self, stack: Stack, things: Things, random: Random) -> None:
        self._random, self._things = random, things
        mint = stack.minter.person
        self._right = {role: [mint(f"attack-{role}-{n}", [role]) for n in range(_SUBJECTS)] for role in ROLES}
        self._away = {role: [mint(f"away-{role}-{n}", [role], ELSEWHERE) for n in range(_SUBJECTS)] for role in ROLES}
        self._operators = [mint(name, ["venue_operator"]) for name in things.operators]
        forged = self._right["tracer"][0]
        self._bad = ["Bearer " + forged[:-6] + "AAAAAA", "Bearer", "Basic YTpi", f"Bearer {forged[:40]}", "Device x"]

    def somebody(self, operation: Operation, caller: str) -> tuple[str, str]:
        """(role, Authorization) of a caller of that sort; "" for no header."""
        random = self._random
        role = random.choice(sorted(operation.rule.roles))
        if caller == "nobody":
            return role, ""
        if caller == "forger":
            return role, random.choice(self._bad)
        if caller == "wrong role":
            role = random.choice([one for one in ROLES if one not in operation.rule.roles])
        if caller == "wrong area":
            return role, "Bearer " + random.choice(self._away[role])
        if role == "venue_operator" and random.random() < 0.85:
            return role, "Bearer " + random.choice(self._operators)
        return role, "Bearer " + random.choice(self._right[role])


class Caller:
    """Makes calls of drafts. `fed`: how many of the values in a positive draft are replaced by real ones."""

    def __init__(self, cast: Cast, things: Things, random: Random, *, fed: float = 0.9, spoiled: float = 0.08) -> None:
        self._cast, self._random, self._fed, self._spoiled = cast, random, fed, spoiled
        self._values, self._things = Values(things, random), things

    def call(self, draft: Draft, caller: str = RIGHT, *, key: str = "") -> Call:
        """One call; with `key`, under an Idempotency-Key given before."""
        operation = ROUTES[draft.about]
        role, authorization = self._cast.somebody(operation, caller)
        body, path, query = deepcopy(draft.body), dict(draft.path), dict(draft.query)
        headers = {name: value for name, value in draft.headers.items() if name not in _SET_BY_US}
        if draft.mode != NEGATIVE:
            self._feed(body, draft.about, role)
            for values in (path, query):
                self._feed(values, draft.about, role)
            for name, value in self._things.together(draft.about, self._random).items():
                for values in (path, query, body):
                    if isinstance(values, dict) and name in values:
                        values[name] = value
            if self._random.random() < self._spoiled:
                self._spoil(body if isinstance(body, dict) else query)
            if operation.keyed and not operation.reads:
                headers["idempotency-key"] = key or fresh_uuid(self._random)
        if authorization:
            headers["authorization"] = authorization
        return self._finish(draft, caller, path, query, headers, body)

    def _finish(
        self,
        draft: Draft,
        caller: str,
        path: Mapping[str, Any],
        query: Mapping[str, Any],
        headers: dict[str, str],
        body: Any,
    ) -> Call:
        verb, _, template = draft.about.partition(" ")
        target = template.format_map({name: quote(str(value), safe="") for name, value in path.items()})
        if query:
            target += "?" + urlencode(
                {name: _text(value) for name, value in query.items()}, doseq=True, errors="replace"
            )
        raw = None
        if isinstance(body, bytes):
            raw = body
        elif not (isinstance(body, str) and body == NOTHING):
            raw = json.dumps(body, ensure_ascii=self._random.random() < 0.5).encode("utf-8", "surrogatepass")
        if raw is not None:
            headers.setdefault("content-type", "application/json")
        data = wire.request(verb, target, headers.items(), raw)
        said = tuple(_leaves([body if not isinstance(body, bytes) else "", list(path.values()), list(query.values())]))
        return Call(draft, caller, headers.get("idempotency-key", ""), target, data, body, said)

    def _feed(self, value: Any, about: str, role: str) -> None:
        if isinstance(value, list):
            for one in value[:20]:
                self._feed(one, about, role)
        elif isinstance(value, dict):
            for name in list(value):
                if isinstance(value[name], dict | list) and name not in {"rules", "operators", "companion_ids"}:
                    self._feed(value[name], about, role)
                elif self._random.random() < self._fed:
                    sensible = self._values.of(name, about, role)
                    value[name] = value[name] if sensible is None else sensible
            if {"credential", "venue_code"} <= value.keys() and self._random.random() < self._fed:
                self._values.presented(value)
            if value.get("channel") == "proxy" and value.get("consent") is None:
                value["consent"] = {
                    name: self._values.of(name, about, role) for name in ("given_at", "evidence_sha256")
                }

    def _spoil(self, value: Any) -> None:
        """One value somewhere is replaced by a nasty one."""
        while isinstance(value, dict | list) and value:
            place = self._random.choice(list(value)) if isinstance(value, dict) else self._random.randrange(len(value))
            if isinstance(value[place], dict | list) and value[place] and self._random.random() < 0.8:
                value = value[place]
                continue
            value[place] = self._random.choice(NASTY)
            return


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else value


def _leaves(value: Any) -> Sequence[str]:
    """Every text in a value that is long enough to be known again."""
    found: list[str] = []
    walk: list[Callable[[], Any] | Any] = [value]
    while walk:
        one = walk.pop()
        if isinstance(one, dict):
            walk += one.values()
        elif isinstance(one, list):
            walk += one
        elif isinstance(one, str) and len(one) >= 8:
            found.append(one)
    return found
