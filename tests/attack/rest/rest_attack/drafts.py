"""Requests as schemathesis makes them from the committed description of the API, in processes of their own.

A draft is data: what to send, not yet by whom nor about whom. Its making costs more CPU than its answer.
"""

import json
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

DESCRIPTION = Path(__file__).parents[4] / "docs/api/openapi.json"
POSITIVE, NEGATIVE, SAMPLED = "positive", "negative", "sampled"
PROCESSES = 2
_PER_TASK = 60


@dataclass(frozen=True, slots=True)
class Draft:
    """One request. `body`: JSON value, bytes to be sent as they are, or `NOTHING`. `about`: "POST /v1/cases".

    A `SAMPLED` one has nothing in it: the access matrix makes such a request of the things in a world.
    """

    about: str
    mode: str
    path: dict[str, Any]
    query: dict[str, Any]
    headers: dict[str, str]
    body: Any


NOTHING = "\x00nothing"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many drafts of one operation and mode."""

    about: str
    mode: str
    count: int


@cache
def _schema() -> Any:
    import schemathesis

    return schemathesis.openapi.from_dict(json.loads(DESCRIPTION.read_text()))


def draw(wanted: Wanted, seed: int) -> list[Draft]:
    """Runs in another process. The same seed gives the same drafts."""
    import hypothesis
    from schemathesis import GenerationMode

    warnings.simplefilter("ignore")  # of the libraries, about how they were called
    verb, _, path = wanted.about.partition(" ")
    found: list[Draft] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=wanted.count,
        database=None,
        phases=[hypothesis.Phase.generate],
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=_schema()[path][verb].as_strategy(generation_mode=GenerationMode(wanted.mode)))
    def collect(case: Any) -> None:
        found.append(_draft(wanted, case))

    try:
        collect()
    except hypothesis.errors.Unsatisfiable:
        return []  # nothing can be wrong about a request without any parts
    return found


def _draft(wanted: Wanted, case: Any) -> Draft:
    body = case.body
    if type(body).__name__ == "NotSet":
        body = NOTHING
    return Draft(
        wanted.about,
        wanted.mode,
        dict(case.path_parameters or {}),
        dict(case.query or {}),
        {str(name).lower(): str(value) for name, value in dict(case.headers or {}).items()},
        _whole(body) if wanted.mode == POSITIVE else body,
    )


def _whole(value: Any) -> Any:
    """JSON Schema takes 60.0 for an integer; this API, like most programs, writes integers without a fraction."""
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def stream(wanted: list[Wanted], seed: int) -> Iterator[list[Draft]]:
    """Drafts in portions as they are made; blocks while none is ready, so it belongs into a thread."""
    tasks = [
        (Wanted(one.about, one.mode, min(_PER_TASK, one.count - start)), seed * 1_000_003 + place * 1009 + start)
        for start in range(0, max(one.count for one in wanted), _PER_TASK)
        for place, one in enumerate(wanted)
        if start < one.count
    ]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        futures: list[Future[list[Draft]]] = [pool.submit(draw, *task) for task in tasks]
        for done in as_completed(futures):
            yield done.result()
