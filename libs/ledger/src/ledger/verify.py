"""Offline verification of one log entry: no database, no network, no trust in who hands over the proof.

`python -m ledger.verify PROOF.json --key 'name+hash+key'` checks a proof bundle, a JSON object with

    leaf        base64 of the leaf's data; or instead `salt` and `content`, of which the leaf is the commitment
    index       position of the leaf, a number
    proof       list of base64 hashes, deepest first
    checkpoint  the signed note, as text

Exit code 0: the entry is in the log. 1: it is not proven. 2: the bundle, a key or the call is unreadable. The keys
come from the command line and never from the bundle, for a forger would put in their own.
"""

import argparse
import base64
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ledger import merkle, note
from ledger.commitment import commit


class ProofError(ValueError):
    """The entry is not proven to be in the log; the text says which step failed and is safe to show."""


def verify_inclusion(
    leaf_data: bytes, index: int, proof: Sequence[bytes], signed_note: bytes, keys: Iterable[note.Verifier]
) -> note.Checkpoint:
    """The verified checkpoint whose tree holds `leaf_data` at `index`, else ProofError.

    A caller that wants rollbacks found keeps the checkpoints it gets and compares (`merkle.verify_consistency`).
    """
    try:
        checkpoint = note.open_checkpoint(signed_note, keys)
    except note.NoteError as error:
        raise ProofError(f"The checkpoint is not trustworthy: {error}.") from None
    if not merkle.verify_inclusion(merkle.leaf_hash(leaf_data), index, checkpoint.size, proof, checkpoint.root):
        raise ProofError(f"The proof does not lead from entry {index} to the root of size {checkpoint.size}.")
    return checkpoint


def verify_bundle(bundle: dict[str, Any], keys: Iterable[note.Verifier]) -> note.Checkpoint:
    """As `verify_inclusion` for a decoded JSON bundle; KeyError, TypeError or ValueError when it is not one."""
    salted = "leaf" not in bundle
    leaf = commit(_bytes(bundle["salt"]), _bytes(bundle["content"])) if salted else _bytes(bundle["leaf"])
    index = bundle["index"]
    if type(index) is not int:
        raise TypeError("index is a number")
    return verify_inclusion(
        leaf, index, [_bytes(part) for part in bundle["proof"]], bundle["checkpoint"].encode(), keys
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ledger.verify", description="Checks that an entry is in a transparency log.")
    parser.add_argument("file", type=Path, help="proof bundle, JSON; - for standard input")
    parser.add_argument("--key", action="append", required=True, help="trusted log key: name+hash+base64 (repeatable)")
    given = parser.parse_args(arguments)
    try:
        keys = [note.Verifier.parse(key) for key in given.key]
    except note.NoteError as error:
        return _say(2, f"The key given is unusable: {error}.")
    try:
        text = sys.stdin.read() if str(given.file) == "-" else given.file.read_text("utf-8")
        checkpoint = verify_bundle(json.loads(text), keys)
    except OSError as error:
        return _say(2, f"The bundle cannot be read: {error.strerror}.")
    except ProofError as error:
        return _say(1, f"NOT PROVEN. {error}")
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return _say(
            2, "The bundle is not a proof bundle: it needs leaf (or salt and content), index, proof and checkpoint."
        )
    return _say(0, f"PROVEN. The entry is in the log {checkpoint.origin}, which then had {checkpoint.size} entries.")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _say(code: int, sentence: str) -> int:
    stream = sys.stderr if code else sys.stdout
    stream.write(sentence + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
