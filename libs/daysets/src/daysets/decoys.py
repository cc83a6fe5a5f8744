"""Padding: entries that belong to nobody, so that the size of a segment says nothing about how many people it is about.

Without it a segment of one entry, sent for today and again for tomorrow, would link that person's tags of both days.
"""

import random
import secrets
from collections.abc import Iterable
from dataclasses import replace

from daysets.segment import REF_SIZE, TAG_SIZE, Entry

_SYSTEM = random.SystemRandom()


def pad(entries: Iterable[Entry], *, multiple: int, reason: int) -> list[Entry]:
    """The entries and as many decoys as it takes to reach the next multiple (at least one).

    A decoy has a random tag and ref and otherwise looks like a randomly chosen real entry; with none to copy it has
    the given reason and no end that day.
    """
    real = list(entries)
    if multiple < 1:
        raise ValueError("multiple is positive")
    wanted = max(multiple, -(-len(real) // multiple) * multiple)
    models = real or [Entry(bytes(TAG_SIZE), reason, bytes(REF_SIZE))]
    decoys = [
        replace(_SYSTEM.choice(models), tag=secrets.token_bytes(TAG_SIZE), ref=secrets.token_bytes(REF_SIZE))
        for _ in range(wanted - len(real))
    ]
    return real + decoys
