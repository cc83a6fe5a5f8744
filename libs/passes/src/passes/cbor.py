"""A strict reader for the few CBOR shapes that passes and codes use (RFC 8949, core deterministic encoding).

A general decoder would accept many encodings of one statement, tags with behaviour of their own and nesting as deep
as its input. This one is driven by the schema: the caller says what comes next, so there is no recursion, no
indefinite length, no unknown type, and every statement has exactly one accepted encoding. Whatever does not fit is
`Reason.MALFORMED`.
"""

from functools import lru_cache

import cbor2

from passes.errors import PassError, Reason

UINT, NINT, BSTR, TSTR, ARRAY, MAP, TAG = range(7)
_LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_SMALLEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


def malformed() -> PassError:
    """The refusal for bytes that are not in our format."""
    return PassError(Reason.MALFORMED)


@lru_cache(maxsize=256)
def _encoded(labels: tuple[int, ...]) -> bytes:
    """The one encoding of these integers."""
    return b"".join([cbor2.dumps(label, canonical=True) for label in labels])


class Reader:
    """Reads items one after the other from `data`.

    Every method raises PassError(MALFORMED) when the next item is something else.
    """

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def uint(self) -> int:
        """An unsigned integer."""
        return self._head(UINT)

    def label(self) -> int:
        """A map key: an integer of either sign."""
        data, at = self._data, self._at
        if at < len(data) and data[at] >> 5 == NINT:
            return -1 - self._head(NINT)
        return self._head(UINT)

    def expect(self, *labels: int) -> None:
        """Exactly these integers, in this order.

        Reading maps this way refuses duplicate, missing, unknown and unsorted keys at once.
        """
        # One encoding is accepted, so the bytes may be compared; a pass has twenty such integers.
        wanted = _encoded(labels)
        if not self._data.startswith(wanted, self._at):
            raise malformed()
        self._at += len(wanted)

    def bstr(self, shortest: int, longest: int) -> bytes:
        """A byte string whose length in bytes is within the bounds, both included."""
        return self._string(BSTR, shortest, longest)

    def tstr(self, shortest: int, longest: int) -> str:
        """A text string of visible ASCII, its length within the bounds, both included."""
        raw = self._string(TSTR, shortest, longest)
        if not raw.isascii() or not (text := raw.decode("ascii")).isprintable():
            raise malformed()
        return text

    def array(self, shortest: int, longest: int) -> int:
        """Head of an array; the number of items that follow, within the bounds."""
        return self._bounded(self._head(ARRAY), shortest, longest)

    def map(self, shortest: int, longest: int) -> int:
        """Head of a map; the number of pairs that follow, within the bounds."""
        return self._bounded(self._head(MAP), shortest, longest)

    def tag(self, number: int) -> None:
        """Exactly this tag."""
        if self._head(TAG) != number:
            raise malformed()

    def end(self) -> None:
        """Nothing follows."""
        if self._at != len(self._data):
            raise malformed()

    def _string(self, major: int, shortest: int, longest: int) -> bytes:
        length = self._bounded(self._head(major), shortest, longest)
        start = self._at
        self._at = stop = start + length
        if stop > len(self._data):
            raise malformed()
        return self._data[start:stop]

    def _head(self, major: int) -> int:
        data, at = self._data, self._at
        if at >= len(data) or data[at] >> 5 != major:
            raise malformed()
        info = data[at] & 31
        at += 1
        if info < 24:  # noqa: PLR2004 - the number RFC 8949 gives
            self._at = at
            return info
        size = _LENGTHS.get(info)
        if size is None or at + size > len(data):
            raise malformed()
        value = int.from_bytes(data[at : at + size], "big")
        if value < _SMALLEST[info]:
            raise malformed()  # a longer encoding than needed: a second spelling of the same statement
        self._at = at + size
        return value

    @staticmethod
    def _bounded(value: int, shortest: int, longest: int) -> int:
        if not shortest <= value <= longest:
            raise malformed()
        return value
