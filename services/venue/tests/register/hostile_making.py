"""Hostile files as such, and what they are made of. Big ones are made while they are read: none is ever held whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import files

MIB = 1024 * 1024
LIMIT = 32 * MIB
GOOD = files.many(3)
HEAD = files.text([])
TAIL = files.text([files.row(9)]).partition("\r\n")[2]
"""A good row."""


@dataclass(frozen=True)
class Hostile:
    """A file of that name; `pieces` makes its bytes anew."""

    name: str
    pieces: Callable[[], Iterator[bytes]]


def small(name: str, content: bytes) -> Hostile:
    return Hostile(name, lambda: iter([content]))


def big(name: str, piece: bytes, size: int, *, head: bytes = b"", tail: bytes = b"") -> Hostile:
    """`size` bytes of repetitions between head and tail."""

    def pieces() -> Iterator[bytes]:
        block = piece * max(1, 65536 // len(piece))
        yield head
        left = size - len(head) - len(tail)
        while left > 0:
            yield block[: min(left, len(block))]
            left -= len(block)
        yield tail

    return Hostile(name, pieces)


def cells(title: str, values: list[str]) -> list[Hostile]:
    """A file for each value: in the cell of that title, with a good row behind it."""
    return [
        small(
            f"{title} {number}",
            files.text([files.row(1, **{title: value}), files.row(2)]).encode("utf-8", "surrogatepass"),
        )
        for number, value in enumerate(values)
    ]
