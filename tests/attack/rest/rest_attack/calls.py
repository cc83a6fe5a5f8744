"""From a draft to bytes: about whom and what, by whom, and sometimes spoiled in one place."""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from access_matrix.callers import PURPOSE
from access_matrix.doors import written
from access_matrix.samples import request_for
from access_matrix.world import World
from access_table import ROLES
from devstack.stack import Stack
from gateway import codec
from gateway.operations import Operation
from gateway.routes import OPERATIONS

from rest_attack import wire
from rest_attack.drafts import NEGATIVE, NOTHING, SAMPLED, Draft
from rest_attack.things import Things
from rest_attack.values import NASTY, Values, fresh_uuid

ROUTES: Mapping[str, Operation] = {f"{one.verb} {one.path}": one for one in OPERATIONS}
ELSEWHERE = ("141102003", "110101")
_SUBJECTS = 6
_IN_A_WORLD, _NEAR = 0.3, 0.8  # shares
# Fields that are given a sensible value as a whole.
WHOLE = frozenset({"rules", "operators", "companion_ids", "obligation_ids", "team_ids"})
Json = dict[str, Any]
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
    path: Mapping[str, Any]
    body: Any
    said: tuple[str, ...] = field(repr=False)

    @property
    def operation(self) -> Operation:
        return ROUTES[self.draft.about]


class Cast:
    """Tokens of everybody. Several people of each role, so that nobody is held up by the limit of one."""

    def __init__(self, stack: Stack, things: Things, random: Random) -> None:
        self._random = random
        mint = self._mint = cache(lambda name, role: stack.minter.person(name, [role]))
        away = stack.minter.person
        self._right = {role: [mint(f"attack-{role}-{n}", role) for n in range(_SUBJECTS)] for role in ROLES}
        self._away = {role: [away(f"away-{role}-{n}", [role], ELSEWHERE) for n in range(_SUBJECTS)] for role in ROLES}
        self._operators = [mint(name, "venue_operator") for name in things.operators]
        forged = self._right["tracer"][0]
        self._bad = ["Bearer " + forged[:-6] + "AAAAAA", "Bearer", "Basic YTpi", f"Bearer {forged[:40]}", "Device x"]

    def somebody(self, operation: Operation, caller: str, world: World | None = None) -> tuple[str, str]:
        """(role, Authorization) of a caller of that sort; "" for no header. Of a world, whom its things know."""
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
        if world is not None and world.subject(role):
            return role, "Bearer " + self._mint(world.subject(role), role)
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
        operation, random = ROUTES[draft.about], self._random
        lives = draft.mode == SAMPLED or (draft.mode != NEGATIVE and random.random() < _IN_A_WORLD)
        world = random.choice(self._things.worlds) if lives else None
        role, authorization = self._cast.somebody(operation, caller, world)
        body, path, query = deepcopy(draft.body), dict(draft.path), dict(draft.query)
        headers = {name: value for name, value in draft.headers.items() if name not in _SET_BY_US}
        if draft.mode != NEGATIVE:
            if draft.mode != SAMPLED:
                body = self._sensible(draft.about, role, path, query, body)
            if world is not None:
                body = self._of_world(operation, world, role, draft.mode, path, query, body)
            if random.random() < self._spoiled:
                self._spoil(body if isinstance(body, dict) else query)
            if operation.keyed and not operation.reads:
                headers["idempotency-key"] = key or fresh_uuid(random)
            headers |= PURPOSE if operation.rule.purpose else {}
        if operation.raw and random.random() < 0.5:
            headers["accept"] = random.choice(operation.raw)
        if authorization:
            headers["authorization"] = authorization
        return self._finish(draft, caller, path, query, headers, body)

    def _sensible(self, about: str, role: str, path: Json, query: Json, body: Any) -> Any:
        """Real and sensible values for the generated ones; returns the body."""
        if ROUTES[about].upload:
            return self._values.table() if self._random.random() < self._fed else body
        for values in (body, path, query):
            self._feed(values, about, role)
        for name, value in self._things.together(about, self._random).items():
            for values in (path, query, body):
                if isinstance(values, dict) and name in values:
                    values[name] = value
        return body

    def _of_world(
        self, operation: Operation, world: World, role: str, mode: str, path: Json, query: Json, body: Any
    ) -> Any:
        """The request that is good for the things of a world; a generated one is only drawn near to it. Returns the body."""
        request = request_for(type(operation.rpc.request()), world, role)
        fields, given = codec.encode(request), written(operation, request)
        path.update({name: fields[name] for name in operation.parameters})
        if operation.upload:
            return codec.unbase64(fields["data"]) if mode == SAMPLED else body
        if operation.reads:
            query.update(self._some(given, mode))
        elif mode == SAMPLED:
            return given if operation.verb != "DELETE" else NOTHING
        elif isinstance(body, dict) and operation.batch is None:
            body.update(self._some(given, mode))
        return body

    def _some(self, given: Mapping[str, Any], mode: str) -> Json:
        return {name: value for name, value in given.items() if mode == SAMPLED or self._random.random() < _NEAR}

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
        elif isinstance(body, str) and body != NOTHING and ROUTES[draft.about].upload:
            raw = body.encode("utf-8", "surrogatepass")
        elif not (isinstance(body, str) and body == NOTHING):
            raw = json.dumps(body, ensure_ascii=self._random.random() < 0.5).encode("utf-8", "surrogatepass")
        if raw is not None:
            file = ROUTES[draft.about].upload and draft.mode != NEGATIVE
            headers.setdefault("content-type", "text/csv" if file else "application/json")
        data = wire.request(verb, target, headers.items(), raw)
        said = tuple(_leaves([body if not isinstance(body, bytes) else "", list(path.values()), list(query.values())]))
        return Call(draft, caller, headers.get("idempotency-key", ""), target, data, path, body, said)

    def _feed(self, value: Any, about: str, role: str) -> None:
        if isinstance(value, list):
            for one in value[:20]:
                self._feed(one, about, role)
        elif isinstance(value, dict):
            for name in list(value):
                if isinstance(value[name], dict | list) and name not in WHOLE:
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
