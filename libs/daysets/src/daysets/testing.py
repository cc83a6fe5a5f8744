"""For tests of whoever uses day sets: a log in memory, so that their segments are as truly proven as in production."""

from collections.abc import Iterable
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import merkle, note

from daysets.segment import Draft, Entry, Segment, build


class MemoryLog:
    """Appends leaves and proves them under a key made of `seed`. Proofs cost O(size): not for more than a test."""

    def __init__(self, seed: int = 1) -> None:
        self.signer = note.Signer("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))
        self.hashes: list[bytes] = [merkle.leaf_hash(b"an older entry")]

    @property
    def keys(self) -> list[note.Verifier]:
        return [self.signer.verifier]

    def seal(self, draft: Draft) -> Segment:
        self.hashes.append(draft.leaf_hash())
        return self.prove(draft, len(self.hashes) - 1)

    def prove(self, draft: Draft, index: int) -> Segment:
        size = len(self.hashes)
        plan = merkle.inclusion_plan(index, size)
        proof = [merkle.fold([self._node(*node) for node in part]) for part in plan]
        checkpoint = note.Checkpoint(self.signer.name, size, merkle.root(self.hashes))
        return draft.prove(index, size, proof, note.sign(checkpoint, self.signer))

    def _node(self, level: int, position: int) -> bytes:
        return merkle.root(self.hashes[position << level : (position + 1) << level])

    def segment(
        self,
        number: int,
        entries: Iterable[Entry] = (),
        *,
        day: date,
        generation: int = 1,
        base_parts: int = 1,
        drill_id: str = "",
        cards: Iterable[tuple[bytes, bytes]] = (),
    ) -> Segment:
        return self.seal(
            build(
                day=day,
                generation=generation,
                number=number,
                base_parts=base_parts,
                drill_id=drill_id,
                entries=entries,
                cards=cards,
            )
        )
