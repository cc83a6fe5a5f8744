"""Protobuf that no encoder writes, made of a good request: (name, bytes). All of it must be refused as INVALID_ARGUMENT."""

import random
from collections.abc import Callable
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

Mutate = Callable[[bytes, Descriptor], bytes]


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def delimited(number: int, data: bytes, length: int | None = None) -> bytes:
    return tag(number, 2) + varint(len(data) if length is None else length) + data


BROKEN: Final[dict[str, Mutate]] = {
    "a varint without end": lambda b, _: b + b"\x80" * 9,
    "a varint of eleven bytes": lambda b, _: b + tag(1000, 0) + b"\xff" * 10 + b"\x01",
    "a tag without a field": lambda b, _: b + tag(1000, 0),
    "wire type 6": lambda b, _: b + tag(1000, 6) + b"\x01",
    "wire type 7": lambda b, _: b + tag(1000, 7) + b"\x01",
    "an end without a group": lambda b, _: b + tag(1000, 4),
    "a group without an end": lambda b, _: b + tag(1000, 3),
    "a group ended by another": lambda b, _: b + tag(1000, 3) + tag(1001, 4),
    "groups nested 5,000 deep": lambda b, _: b + tag(1000, 3) * 5000 + tag(1000, 4) * 5000,
    "a length beyond the message": lambda b, _: b + delimited(1000, b"short", length=1 << 20),
    "a length of 2 GiB": lambda b, _: b + delimited(1000, b"", length=(1 << 31) - 1),
    "a length beyond 32 bits": lambda b, _: b + delimited(1000, b"", length=1 << 40),
    "a length of all ones": lambda b, _: b + tag(1000, 2) + b"\xff" * 9 + b"\x01",
    "half of a 32-bit number": lambda b, _: b + tag(1000, 5) + b"\x01\x02",
    "half of a 64-bit number": lambda b, _: b + tag(1000, 1) + b"\x01\x02\x03",
    "rubbish": lambda _, __: b"\xff" * 64,
    "text": lambda _, __: b'{"request_id": "not protobuf"}' + b"\xff",
    "another protocol": lambda _, __: b"GET / HTTP/1.1\r\n\r\n\xff",
}


def first(descriptor: Descriptor, *kinds: int) -> FieldDescriptor | None:
    return next((one for one in descriptor.fields if one.type in kinds), None)


def bad_utf8(descriptor: Descriptor) -> bytes | None:
    """A string of the message that is not UTF-8; None without strings."""
    field = first(descriptor, FieldDescriptor.TYPE_STRING)
    return None if field is None else delimited(field.number, b"\xc3\x28\xff\xfe")


def bad_submessage(descriptor: Descriptor) -> bytes | None:
    """A message within that is cut short; None without any."""
    field = first(descriptor, FieldDescriptor.TYPE_MESSAGE)
    return None if field is None else delimited(field.number, b"\x0a\xff")


def flips(data: bytes, seed: int, count: int) -> list[bytes]:
    """Copies of a request with one to four random bits turned; some of them are good requests of another content."""
    choose = random.Random(seed)
    found = []
    for _ in range(count if data else 0):
        copy = bytearray(data)
        for _ in range(choose.randint(1, 4)):
            copy[choose.randrange(len(copy))] ^= 1 << choose.randrange(8)
        found.append(bytes(copy))
    return found
