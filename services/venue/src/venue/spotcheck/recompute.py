"""Draw again what was published.

`python -m venue.spotcheck.recompute FILE [--key 'name+hash+key']` takes the record of a spot check (or the API's answer that
holds it), from a file or, as `-`, from standard input. Exit code 0: the same draw. 1: it does not come out so, or is not proven
by the log. 2: what was given cannot be read. The log's key comes from the command line and never from the record, for a
forger would put in their own; without a key everything but the checkpoint's signature is checked.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ledger import note

from venue.spotcheck.record import RecordError, verify


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="venue.spotcheck.recompute", description="Draws a published spot check again."
    )
    parser.add_argument("file", help="the published record, JSON; - for standard input")
    parser.add_argument("--key", action="append", default=[], help="trusted log key: name+hash+base64 (repeatable)")
    given = parser.parse_args(arguments)
    try:
        keys = [note.Verifier.parse(key) for key in given.key]
    except note.NoteError as error:
        return _say(2, f"The key given is unusable: {error}.")
    try:
        said = json.loads(sys.stdin.read() if given.file == "-" else Path(given.file).read_text("utf-8"))
        if "record" in said:
            said = json.loads(said["record"])
        drawn = verify(said, keys)
    except OSError as error:
        return _say(2, f"The record cannot be read: {error.strerror}.")
    except RecordError as error:
        return _say(1, f"NOT THE SAME. {error}")
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError):
        return _say(2, "This is not the record of a spot check.")
    loads = Counter(drawn.assignments.values())
    sizes = [loads[pair.number] for pair in drawn.pairs]
    loads_text = f"{min(sizes)} to {max(sizes)} venues each"
    signature = "" if keys else " The checkpoint's signature was not checked: no --key was given."
    return _say(
        0,
        f"SAME. {len(drawn.assignments)} venues, {len(drawn.pairs)} pairs, {loads_text}.{signature}",
    )


def _say(code: int, sentence: str) -> int:
    stream = sys.stderr if code else sys.stdout
    stream.write(sentence + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
