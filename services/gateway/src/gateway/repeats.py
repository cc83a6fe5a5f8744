"""Objects that name a field twice: which of the two counts differs between programs, so whoever looks at a request on its way
may have seen another one than we do.
"""

import json
from typing import Any


class _RepeatedError(Exception):
    """A field stands twice in one object."""


def repeats_a_field(body: bytes, parsed: Any) -> bool:
    """Whether an object in a JSON text names a field twice; `parsed` is what the text was read as.

    A microsecond for a flat object without escapes, as check-ins are: every field has one colon, the others stand in its
    texts. Anything else is read a second time by a parser that tells of pairs.
    """
    if type(parsed) is dict and b"\\" not in body:
        colons = len(parsed)
        for name, value in parsed.items():
            kind = type(value)
            if kind is dict or kind is list:
                break
            colons += name.count(":") + (value.count(":") if kind is str else 0)
        else:
            return body.count(b":") != colons
    try:
        json.loads(body, object_pairs_hook=_once, parse_int=len, parse_float=len)
    except _RepeatedError:
        return True
    return False


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) != len(dict(pairs)):
        raise _RepeatedError
