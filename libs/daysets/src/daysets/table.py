"""Looking up a key in sorted fixed-width records in place: four bytes of index a record, not a dict's two hundred."""

from array import array
from itertools import accumulate


class Table:
    """Finds a record by its key (its first `key` bytes) in O(1) on average, keys being uniformly random.

    The records stay the bytes that came over the wire; a table of bucket starts over the first two key bytes, about one
    record per bucket, is all that is added.
    """

    __slots__ = ("_data", "_shift", "_starts", "_width")

    def __init__(self, data: bytes, width: int) -> None:
        """`data`: records of `width` bytes, ascending by key, as `segment.check` has made sure."""
        bits = min(16, (len(data) // width).bit_length())
        self._data, self._width, self._shift = data, width, 16 - bits
        counts = [0] * ((1 << bits) + 1)
        for first, second in zip(data[0::width], data[1::width], strict=True):
            counts[((first << 8 | second) >> self._shift) + 1] += 1
        self._starts = array("I", accumulate(counts))

    def __len__(self) -> int:
        return len(self._data) // self._width

    def find(self, key: bytes) -> bytes | None:
        """The whole record, or None. `key` has exactly the length that the records are sorted by."""
        bucket = (key[0] << 8 | key[1]) >> self._shift
        data, width = self._data, self._width
        for at in range(self._starts[bucket], self._starts[bucket + 1]):
            if data.startswith(key, at * width):
                return data[at * width : (at + 1) * width]
        return None
