"""RFC 6962 Merkle trees: hashing, compact ranges, and which stored subtrees make up a proof. Pure, no I/O.

A *node* is a complete subtree, named by its level (0 is a leaf) and its position within the level; it covers the leaves
`position << level` up to, not including, `(position + 1) << level`. Complete subtrees never change, so a log stores
each of them once and every root and proof is folded from O(log n) of them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_SIZE = 1 << 62
"""Sizes are Postgres bigints; the bound leaves the arithmetic below free of overflow anywhere."""


class NodeId(NamedTuple):
    level: int
    position: int


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf (RFC 6962 §2.1: 0x00 in front, so that no node can be passed off as a leaf)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 6962 §2.1: 0x01 in front)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root over adjacent complete subtrees, largest and leftmost first."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def cover(begin: int, end: int) -> list[NodeId]:
    """The complete subtrees, left to right, that cover leaves [begin, end) of an RFC 6962 split.

    `begin` must be a multiple of the largest power of two ≤ end - begin, which holds for every range a proof names.
    """
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append(NodeId(level, begin >> level))
        begin += 1 << level
    return nodes


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: everything needed to append to it and to know its root.

    `peaks` are the hashes of `cover(0, size)`: one of 32 bytes per bit set in `size`, largest first.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or len(self.peaks) != self.size.bit_count():
            raise ValueError("a frontier has one peak per bit set in its size")

    def append(self, leaf_hashes: Iterable[bytes]) -> "Frontier":
        size, peaks = self.size, list(self.peaks)
        for hashed in leaf_hashes:
            carried, position = hashed, size
            while position & 1:
                carried = node_hash(peaks.pop(), carried)
                position >>= 1
            peaks.append(carried)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        return fold(self.peaks)


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Root of the tree over these leaf hashes; `EMPTY_ROOT` when there are none."""
    return Frontier().append(leaf_hashes).root()


def inclusion_plan(index: int, size: int) -> list[list[NodeId]]:
    """What to read to prove leaf `index` in the tree of `size`: for each proof element, the nodes that `fold` into it.

    Elements come deepest first (RFC 9162 §2.1.3.1). ValueError when the leaf is not in the tree.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError(f"leaf {index} is not in a tree of size {size}")
    plan: list[list[NodeId]] = []
    begin, end = 0, size
    while end - begin > 1:
        split = begin + _largest_power_below(end - begin)
        if index < split:
            plan.append(cover(split, end))
            end = split
        else:
            plan.append(cover(begin, split))
            begin = split
    plan.reverse()
    return plan


def consistency_plan(first: int, size: int) -> list[list[NodeId]]:
    """What to read to prove that the tree of size `first` is a prefix of that of `size` (RFC 9162 §2.1.4.1)."""
    if not 0 < first <= size <= MAX_SIZE:
        raise ValueError(f"a tree of size {first} is not a prefix of one of size {size}")
    plan: list[list[NodeId]] = []
    begin, end = 0, size
    while first != end:
        split = begin + _largest_power_below(end - begin)
        if first <= split:
            plan.append(cover(split, end))
            end = split
        else:
            plan.append(cover(begin, split))
            begin = split
    if begin:  # the old tree's last subtree: the verifier knows it already when it is the whole old tree
        plan.append(cover(begin, end))
    plan.reverse()
    return plan


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether `proof` places the leaf *hash* `leaf` at `index` under `expected_root` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size <= MAX_SIZE or any(len(part) != HASH_SIZE for part in (leaf, *proof)):
        return False
    position, last, result = index, size - 1, leaf
    for part in proof:
        if not last:
            return False
        if position & 1 or position == last:
            result = node_hash(part, result)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            result = node_hash(result, part)
        position, last = position >> 1, last >> 1
    return not last and result == expected_root


def verify_consistency(first: int, first_root: bytes, size: int, size_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the tree (first, first_root) to be a prefix of (size, size_root) (RFC 9162 §2.1.4.2)."""
    if not 0 < first <= size <= MAX_SIZE or any(len(part) != HASH_SIZE for part in proof):
        return False
    if first == size:
        return not proof and first_root == size_root
    parts = list(proof)
    if first & (first - 1) == 0:
        parts.insert(0, first_root)
    if not parts:
        return False
    shift = ((first - 1) ^ first).bit_length() - 1  # trailing one bits of first - 1
    position, last = (first - 1) >> shift, (size - 1) >> shift
    old = new = parts[0]
    for part in parts[1:]:
        if not last:
            return False
        if position & 1 or position == last:
            old, new = node_hash(part, old), node_hash(part, new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, part)
        position, last = position >> 1, last >> 1
    return not last and old == first_root and new == size_root


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)
