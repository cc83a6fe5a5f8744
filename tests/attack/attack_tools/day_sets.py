"""A log of a day, and day sets that are not what it holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from access_matrix.world import now
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from daysets.segment import Entry, Segment
from daysets.testing import MemoryLog
from ledger import note
from passes.days import local_day

TAG = b"\x0b" * 16
REF = b"\x0c" * 8


class Log(MemoryLog):
    """A log with a base of the day (nobody in it), a change that denies TAG, and another that denies somebody else."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        day = local_day(now())
        self.base = self.segment(1, [Entry(b"\x01" * 16, 2, REF)], day=day)
        self.change = self.segment(2, [Entry(TAG, 2, REF)], day=day)
        self.other = self.segment(3, [Entry(b"\x02" * 16, 2, REF)], day=day)
        self.lift = self.segment(4, [Entry(TAG, 2, REF, lift=True)], day=day)
        self.drill = self.segment(1, [Entry(TAG, 2, REF)], day=day, drill_id="drill")


def signed_by(segment: Segment, signer: note.Signer, **changes: object) -> bytes:
    checkpoint, _ = note.parse(segment.checkpoint)
    return note.sign(replace(checkpoint, **changes), signer)


def alter(**changes: object) -> Callable[[Log], Segment]:
    return lambda log: replace(log.change, **{k: v(log.change) if callable(v) else v for k, v in changes.items()})


def flip(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def stranger(name: str = "example.org/log") -> note.Signer:
    return note.Signer(name, Ed25519PrivateKey.generate())


def entries(*records: Entry) -> bytes:
    return b"".join(record.pack() for record in records)


FORGED: dict[str, Callable[[Log], Segment]] = {
    "entry: another person": alter(entries=entries(Entry(b"\x0d" * 16, 2, REF))),
    "entry: reason": alter(entries=entries(Entry(TAG, 1, REF))),
    "entry: reference": alter(entries=entries(Entry(TAG, 2, REF[:-1] + b"x"))),
    "entry: end": alter(entries=entries(Entry(TAG, 2, REF, 1440))),
    "entry: end taken away": alter(entries=entries(Entry(TAG, 2, REF, None)), salt=b"s" * 16),
    "entry: one more": alter(entries=lambda s: s.entries + entries(Entry(b"\xff" * 16, 2, REF))),
    "entry: cut short": alter(entries=lambda s: s.entries[:-1]),
    "entry: twice": alter(entries=lambda s: s.entries * 2),
    "entry: out of order": alter(entries=lambda s: entries(Entry(b"\xff" * 16, 2, REF)) + s.entries),
    "entry: a minute that is none": alter(entries=lambda s: s.entries[:-2] + b"\x7f\xff"),
    "entry: a bit off": alter(entries=lambda s: flip(s.entries, 0)),
    "entry: of a lift": lambda log: replace(log.lift, entries=entries(Entry(TAG, 2, REF))),
    "card slipped in": alter(cards=b"\x01" * 8 + TAG),
    "card cut short": alter(cards=b"\x01" * 9),
    "another day": alter(day=lambda s: s.day + timedelta(days=1)),
    "a former day": alter(day=lambda s: s.day - timedelta(days=1)),
    "another generation": alter(generation=2),
    "generation 0": alter(generation=0),
    "another number": alter(number=5),
    "number 0": alter(number=0),
    "made a base": alter(base_parts=9),
    "no base": alter(base_parts=0),
    "a drill's, made real": lambda log: replace(log.drill, drill_id="", number=7),
    "real, made a drill's": alter(drill_id="another"),
    "a drill's name too long": alter(drill_id="d" * 65),
    "another salt": alter(salt=b"s" * 16),
    "no salt": alter(salt=b""),
    "leaf 0": alter(leaf_index=0),
    "the next leaf": alter(leaf_index=lambda s: s.leaf_index + 1),
    "a leaf beyond the tree": alter(leaf_index=10**9),
    "a leaf beyond 64 bits": alter(leaf_index=2**64 - 1),
    "another size": alter(tree_size=lambda s: s.tree_size + 1),
    "size 0": alter(tree_size=0),
    "no proof": alter(proof=()),
    "proof cut short": alter(proof=lambda s: s.proof[:-1]),
    "proof with more": alter(proof=lambda s: (*s.proof, bytes(32))),
    "proof reordered": lambda log: replace(log.lift, entries=log.change.entries, number=6, proof=log.lift.proof[::-1]),
    "proof a bit off": alter(proof=lambda s: (flip(s.proof[0], 0), *s.proof[1:])),
    "proof of short hashes": alter(proof=lambda s: tuple(one[:31] for one in s.proof)),
    "proof of zeros": alter(proof=lambda s: (bytes(32),) * len(s.proof)),
    "proof of another leaf": lambda log: replace(log.change, proof=log.other.proof, leaf_index=log.other.leaf_index),
    "proof too long": alter(proof=(bytes(32),) * 100),
    "no checkpoint": alter(checkpoint=b""),
    "checkpoint not text": alter(checkpoint=b"\xff\xfe"),
    "checkpoint cut short": alter(checkpoint=lambda s: s.checkpoint[:-2]),
    "checkpoint with a line more": alter(checkpoint=lambda s: s.checkpoint + b"x\n"),
    "checkpoint unsigned": alter(checkpoint=lambda s: s.checkpoint.split(b"\n\n")[0] + b"\n\n"),
    "checkpoint of another root": lambda log: replace(log.change, checkpoint=signed_by(log.change, stranger(), root=bytes(32))),
    "checkpoint by a stranger": lambda log: replace(log.change, checkpoint=signed_by(log.change, stranger())),
    "checkpoint by a stranger of another name": lambda log: replace(
        log.change, checkpoint=signed_by(log.change, stranger("evil.example/log"), origin="evil.example/log")
    ),
    "checkpoint's size altered": alter(checkpoint=lambda s: s.checkpoint.replace(b"\n%d\n" % s.tree_size, b"\n999\n")),
    "checkpoint's root altered": alter(checkpoint=lambda s: _other_root(s.checkpoint)),
    "checkpoint's signature of another": lambda log: replace(
        log.change, checkpoint=log.change.checkpoint.split(b"\n\n")[0] + b"\n\n" + log.other.checkpoint.split(b"\n\n")[1]
    ),
    "checkpoint stale": lambda log: replace(log.change, checkpoint=log.base.checkpoint),
    "checkpoint stale, size told": lambda log: replace(
        log.change, checkpoint=log.base.checkpoint, tree_size=log.base.tree_size
    ),
    "checkpoint's spelling": alter(checkpoint=lambda s: s.checkpoint.replace(b"\n", b"\r\n")),
    "another log, well proven": lambda _: Log(9).change,
    "another log under our key's name": lambda log: replace(
        Log(9).change, checkpoint=signed_by(Log(9).change, stranger(log.signer.name))
    ),
}  # fmt: skip


def _other_root(checkpoint: bytes) -> bytes:
    lines = checkpoint.split(b"\n")
    lines[2] = lines[2][:-2] + (b"A=" if lines[2][-2:] != b"A=" else b"E=")
    return b"\n".join(lines)
