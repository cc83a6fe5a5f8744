"""Structured logs: JSON lines on standard error with service, level and trace ids; colours on a terminal.

Nothing that points at a person may be logged, so keys that usually hold such things are refused: in
tests by raising, elsewhere by redacting, because a log line must not take a service down.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor

FORBIDDEN = frozenset({
    "tag", "tags", "person", "person_id", "person_ids", "resident", "resident_id", "holder", "name", "full_name",
    "id_number", "national_id", "phone", "address", "token", "tokens", "authorization", "password", "secret", "pass",
    "pass_text", "presentation", "card", "card_number", "plate", "payload", "body", "private_key", "cookie",
    "caller", "database_url", "dsn",
})  # fmt: skip
_REDACTED = "[redacted]"
_NOISY = {"grpc": logging.WARNING, "httpx": logging.WARNING, "httpcore": logging.WARNING, "asyncio": logging.WARNING}


class PersonalDataError(Exception):
    """A log call used a key that may hold personal data or a secret; raised in tests only."""


class Guard:
    """Refuses the keys of `FORBIDDEN`, nested ones included; `strict` raises, else the value is replaced."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        self._clean(event)
        return event

    def _clean(self, mapping: MutableMapping[str, Any]) -> None:
        for key, value in mapping.items():
            if isinstance(key, str) and key.lower() in FORBIDDEN:
                if self._strict:
                    raise PersonalDataError(f"{key!r} may hold personal data or a secret and must not be logged")
                mapping[key] = _REDACTED
            elif isinstance(value, dict):
                mapping[key] = copy = dict(value)
                self._clean(copy)


def add_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add `trace_id` and `span_id` of the current span, if any."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        event["trace_id"] = f"{current.trace_id:032x}"
        event["span_id"] = f"{current.span_id:016x}"
    return event


def setup(service: str, *, level: str = "INFO", strict: bool = False, stream: TextIO | None = None) -> None:
    """Configure structlog and the standard library's logging for this process.

    `level` is a standard name. JSON unless the stream is a terminal. `strict` makes forbidden keys raise: for tests.
    Exceptions are rendered as type and place only, without messages: those quote rows and requests.
    """
    out = stream if stream is not None else sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]

    def add_service(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        add_service,
        add_trace,
        Guard(strict=strict),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        short_exception,
    ]
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if out.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name, floor in _NOISY.items():
        logging.getLogger(name).setLevel(max(floor, number))


def short_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's type and the frames it passed, innermost last, at most twelve."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if not isinstance(error, BaseException):
        return event
    frames: list[str] = []
    trace_back = error.__traceback__
    while trace_back is not None:
        code = trace_back.tb_frame.f_code
        frames.append(f"{trace_back.tb_frame.f_globals.get('__name__', '?')}:{trace_back.tb_lineno} {code.co_name}")
        trace_back = trace_back.tb_next
    event["error"] = type(error).__name__
    event["frames"] = frames[-12:]
    cause = error.__cause__ or error.__context__
    if cause is not None:
        event["cause"] = type(cause).__name__
    return event
