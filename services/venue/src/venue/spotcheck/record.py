"""What is published of a draw, and the proof that it could not have come out otherwise. No database, no network."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import cbor2
from ledger import merkle, note
from ledger.commitment import Leaf

from venue.spotcheck import sealing
from venue.spotcheck.drawing import Drawn, Frame, FrameError, draw

FORMAT: Final = "lilitong/spot-check/1"
_COMMITMENT_PARTS: Final = 7


class RecordError(ValueError):
    """The record does not prove its draw; the text says which step failed and is safe to show."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf of the log with its place and its proof in the tree that the checkpoint signs."""

    leaf: Leaf
    index: int
    proof: Sequence[bytes]

    def as_json(self) -> dict[str, Any]:
        return {
            "content": _text(self.leaf.content),
            "salt": _text(self.leaf.salt),
            "index": self.index,
            "proof": [_text(each) for each in self.proof],
        }

    @classmethod
    def parse(cls, said: Mapping[str, Any]) -> "Entry":
        if type(said["index"]) is not int:
            raise TypeError("index is a number")
        leaf = Leaf(_bytes(said["content"]), _bytes(said["salt"]))
        return cls(leaf, said["index"], [_bytes(each) for each in said["proof"]])


@dataclass(frozen=True, slots=True)
class Record:
    """All that a draw rests on, and its outcome. `checkpoint`: the signed note of the log right after the opening."""

    draw_id: UUID
    frame: Frame
    secret: bytes
    contribution: bytes
    commitment: Entry
    opening: Entry
    checkpoint: str
    pairs: Sequence[tuple[int, str, str, str]]
    assignments: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        beacon = note.parse(self.checkpoint.encode())[0].root
        return {
            "format": FORMAT,
            "draw_id": str(self.draw_id),
            "frame": self.frame.as_json(),
            "secret": self.secret.hex(),
            "contribution": self.contribution.hex(),
            "seed": sealing.seed_of(self.secret, self.draw_id, beacon).hex(),
            "commitment": self.commitment.as_json(),
            "opening": self.opening.as_json(),
            "checkpoint": self.checkpoint,
            "pairs": [list(each) for each in self.pairs],
            "assignments": [[venue_id, pair] for venue_id, pair in sorted(self.assignments.items())],
        }


def pairs_of(drawn: Drawn) -> list[tuple[int, str, str, str]]:
    """(number, team, first inspector, second inspector), as published."""
    return [(each.number, each.team_id, each.first.inspector_id, each.second.inspector_id) for each in drawn.pairs]


def verify(said: Mapping[str, Any], keys: Iterable[note.Verifier] = ()) -> Drawn:
    """Draw again from what was published and compare. `keys`: trusted keys of the log; without one signatures are not checked.

    Raises `RecordError` for a record that proves nothing, and KeyError, TypeError or ValueError for what is none.
    """
    if said["format"] != FORMAT:
        raise TypeError("another format")
    draw_id, secret = UUID(said["draw_id"]), bytes.fromhex(said["secret"])
    try:
        frame = Frame.parse(said["frame"])
    except FrameError as error:
        raise RecordError(str(error)) from None
    commitment, opening = Entry.parse(said["commitment"]), Entry.parse(said["opening"])
    _check_commitment(commitment, draw_id, frame, secret)
    expected = sealing.opening_content(draw_id, commitment.leaf.hash, bytes.fromhex(said["contribution"]))
    if opening.leaf != sealing.opening(expected):
        raise RecordError("The opening in the log is not of this commitment and this number.")
    beacon = _check_log(commitment, opening, said["checkpoint"].encode(), list(keys))
    seed = sealing.seed_of(secret, draw_id, beacon)
    if seed.hex() != said["seed"]:
        raise RecordError("The seed does not follow from the secret and the checkpoint.")
    try:
        drawn = draw(seed, frame)
    except FrameError as error:
        raise RecordError(str(error)) from None
    if [list(each) for each in pairs_of(drawn)] != said["pairs"]:
        raise RecordError("The pairs are not those that the seed draws.")
    if [[venue_id, pair] for venue_id, pair in sorted(drawn.assignments.items())] != said["assignments"]:
        raise RecordError("The assignments are not those that the seed draws.")
    return drawn


def _check_commitment(commitment: Entry, draw_id: UUID, frame: Frame, secret: bytes) -> None:
    try:
        promised = cbor2.loads(commitment.leaf.content)
    except cbor2.CBORDecodeError:
        promised = None
    if not isinstance(promised, list) or len(promised) != _COMMITMENT_PARTS:
        raise RecordError("The commitment in the log is not one of a spot check.")
    if promised[:2] != ["lilitong/spot-check-commitment/1", draw_id.bytes]:
        raise RecordError("The commitment in the log is of another spot check.")
    if promised[2] != sha256(frame.canonical()).digest():
        raise RecordError("The frame is not the one that was committed to.")
    if promised[3] != sealing.hash_of_secret(secret):
        raise RecordError("The secret is not the one that was committed to.")


def _check_log(commitment: Entry, opening: Entry, signed: bytes, keys: Sequence[note.Verifier]) -> bytes:
    """The root that went into the seed."""
    try:
        checkpoint = note.open_checkpoint(signed, keys) if keys else note.parse(signed)[0]
    except note.NoteError as error:
        raise RecordError(f"The checkpoint is not trustworthy: {error}.") from None
    if not commitment.index < opening.index == checkpoint.size - 1:
        raise RecordError("The checkpoint is not the one right after the opening, or the commitment came later.")
    for name, entry in (("commitment", commitment), ("opening", opening)):
        if not merkle.verify_inclusion(entry.leaf.hash, entry.index, checkpoint.size, entry.proof, checkpoint.root):
            raise RecordError(f"The {name} is not proven to be in the log.")
    return checkpoint.root


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
