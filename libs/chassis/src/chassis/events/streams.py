"""JetStream streams: declared by their publisher, made where missing, and recognised when they were lost."""

import re
from dataclasses import dataclass
from datetime import timedelta

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream as its publisher wants it.

    `subjects` are NATS patterns (`*` one token, `>` the rest). `max_age` bounds what a consumer can read after an
    absence; the outbox keeps the same window for a rebuild. `duplicate_window` is how long the server remembers
    message ids; later repeats are stopped by the consumers' inboxes. `max_bytes` −1 is unbounded: the oldest messages
    go first. `replicas` None leaves those that there are, and makes one.
    """

    name: str
    subjects: tuple[str, ...]
    max_age: timedelta = timedelta(hours=72)
    duplicate_window: timedelta = timedelta(minutes=2)
    replicas: int | None = None
    max_bytes: int = -1

    @property
    def pattern(self) -> str:
        """The subjects as one regular expression, the same in Python and in Postgres."""
        tokens = {"*": r"[^.]+", ">": ".+"}
        each = (
            r"\.".join(tokens.get(token, re.escape(token)) for token in subject.split(".")) for subject in self.subjects
        )
        return f"^({'|'.join(each)})$"

    def covers(self, subject: str) -> bool:
        return re.match(self.pattern, subject) is not None

    def config(self, replicas: int = 1) -> StreamConfig:
        """What the server is told; `replicas` where the publisher asks for no number of its own."""
        return StreamConfig(
            name=self.name,
            subjects=list(self.subjects),
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            max_age=self.max_age.total_seconds(),
            max_bytes=self.max_bytes,
            num_replicas=self.replicas or replicas,
            duplicate_window=self.duplicate_window.total_seconds(),
        )


@dataclass(frozen=True, slots=True)
class StreamState:
    """Which incarnation of a stream this is, and how far it got."""

    identity: str
    last_seq: int


def _state(info: StreamInfo) -> StreamState:
    # A stream that was deleted and made again has another time of creation; one that was restored has the old one,
    # and shows by its last sequence what it lost.
    created = info.created.isoformat() if info.created else ""
    return StreamState(identity=created, last_seq=info.state.last_seq)


async def look(jetstream: JetStreamContext, spec: StreamSpec) -> StreamState | None:
    """The stream's state, None if there is none. Raises the client's errors while the server does not answer."""
    try:
        return _state(await jetstream.stream_info(spec.name))
    except NotFoundError:
        return None


async def make(jetstream: JetStreamContext, spec: StreamSpec) -> StreamState:
    """The stream, made where it is missing and else left as it is: to change it is `ensure`'s, whose right services lack."""
    return await look(jetstream, spec) or _state(await jetstream.add_stream(spec.config()))


async def ensure(jetstream: JetStreamContext, spec: StreamSpec) -> StreamState:
    """Make the stream, or bring its configuration up to date; never shrinks it to nothing nor deletes it."""
    try:
        info = await jetstream.stream_info(spec.name)
    except NotFoundError:
        return _state(await jetstream.add_stream(spec.config()))
    found = info.config
    wanted = spec.config(found.num_replicas or 1)
    same = (
        sorted(found.subjects or []) == sorted(spec.subjects)
        and found.max_age == wanted.max_age
        and found.num_replicas == wanted.num_replicas
        and found.max_bytes == wanted.max_bytes
        and found.duplicate_window == wanted.duplicate_window
    )
    return _state(info if same else await jetstream.update_stream(wanted))
