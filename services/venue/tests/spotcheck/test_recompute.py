"""Drawing again from what was published: the command, and every lie that it has to find. No database."""

import base64
import json
import subprocess
import sys
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import merkle, note
from ledger.commitment import Leaf
from ledger.note import Signer
from venue.spotcheck import recompute, sealing
from venue.spotcheck.drawing import Frame, draw
from venue.spotcheck.record import Entry, Record, pairs_of, verify

from .frames import COMMUNITIES, frame

pytestmark = pytest.mark.feature("V9")
DRAW = UUID("6f0c2b3e-8f5a-4c60-9a58-0f6d5b0f2a11")
EXAMPLE = Path(__file__).with_name("example.json")
KEY = Ed25519PrivateKey.from_private_bytes(sha256(b"the example's log").digest())
SIGNER = Signer("lilitong/venue", KEY)


def audit(leaves, index):
    """The inclusion proof by the definition of RFC 6962."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*audit(leaves[:half], index), merkle.root(leaves[half:])]
    return [*audit(leaves[half:], index - half), merkle.root(leaves[:half])]


def published():
    """A whole record, made from nothing but the documented steps; always the same."""
    made = frame(
        [(f"00000000-0000-4000-8000-{n:012d}", COMMUNITIES[n % 3], 3 + n % 2) for n in range(9)],
        [
            (f"00000000-0000-4000-9000-{n:012d}", f"00000000-0000-4000-a000-{n % 2:012d}", f"14110900100{n}")
            for n in range(5)
        ],
    )
    frame_hash = sha256(made.canonical()).digest()
    secret = sealing.secret_of(b"vault", DRAW, frame_hash)
    content = _commitment(frame_hash, sealing.hash_of_secret(secret))
    ours = Leaf(content, sha256(b"salt").digest()[:16])
    number = sha256(b"eleven dice").digest()
    theirs = sealing.opening(sealing.opening_content(DRAW, ours.hash, number))
    between = [merkle.leaf_hash(each) for each in (b"a suspension", b"another")]
    leaves = [merkle.leaf_hash(b"before"), ours.hash, *between, theirs.hash]
    beacon = merkle.root(leaves)
    signed = note.sign(note.Checkpoint(SIGNER.name, len(leaves), beacon), SIGNER)
    drawn = draw(sealing.seed_of(secret, DRAW, beacon), made)
    return Record(
        draw_id=DRAW,
        frame=made,
        secret=secret,
        contribution=number,
        commitment=Entry(ours, 1, audit(leaves, 1)),
        opening=Entry(theirs, 4, audit(leaves, 4)),
        checkpoint=signed.decode(),
        pairs=pairs_of(drawn),
        assignments=drawn.assignments,
    ).as_json()


def _commitment(frame_hash, secret_hash):
    from datetime import UTC, datetime

    at, end = datetime(2022, 3, 10, 4, tzinfo=UTC), datetime(2022, 3, 17, 4, tzinfo=UTC)
    return sealing.commitment_content(DRAW, frame_hash, secret_hash, at, end, "")


@pytest.fixture
def said():
    return json.loads(EXAMPLE.read_text("utf-8"))


def run(tmp_path, said, *more):
    path = tmp_path / "record.json"
    path.write_text(said if isinstance(said, str) else json.dumps(said), "utf-8")
    return recompute.main([str(path), *more])


def test_the_documented_example_is_what_the_code_draws_to_this_day(said):
    """If this fails the draw has changed: published draws would no longer come out. Write a new format instead."""
    assert said == published()


@pytest.mark.case("happy path")
def test_the_documented_command_draws_the_example_again(tmp_path):
    """As a process of its own, from the file alone, with nothing of the service running."""
    given = [sys.executable, "-m", "venue.spotcheck.recompute", str(EXAMPLE), "--key", SIGNER.verifier.encode()]
    done = subprocess.run(given, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    page = (Path(__file__).parents[4] / "docs/spot-checks.md").read_text("utf-8")
    assert done.stdout.strip() in page, "the page shows what the command says"
    assert SIGNER.verifier.encode() in page


def test_the_page_shows_how_a_rank_is_checked_by_hand(said):
    """The page's line, hashed as it stands there, is what it says."""
    page = (Path(__file__).parents[4] / "docs/spot-checks.md").read_text("utf-8")
    line = f"lilitong/spot-check-order/1|{said['seed']}|venue|{said['assignments'][0][0]}"
    assert line in page
    assert sha256(line.encode()).hexdigest() in page


def test_the_answer_of_the_api_is_taken_as_it_is(tmp_path, said, capsys):
    assert run(tmp_path, {"record": json.dumps(said)}) == 0
    assert "was not checked" in capsys.readouterr().out


def _other_assignment(said):
    first = said["assignments"][0]
    first[1] = first[1] % len(said["pairs"]) + 1


def _other_venue(said):
    drawn = {venue for venue, _ in said["assignments"]}
    said["assignments"][0][0] = next(venue for venue, *_ in said["frame"]["venues"] if venue not in drawn)


def _redrawn(said, secret):
    """All that follows from a secret and the frame, so that nothing but the promise in the log speaks against it."""
    beacon = note.parse(said["checkpoint"].encode())[0].root
    seed = sealing.seed_of(secret, DRAW, beacon)
    drawn = draw(seed, Frame.parse(said["frame"]))
    said["secret"], said["seed"] = secret.hex(), seed.hex()
    said["pairs"] = [list(each) for each in pairs_of(drawn)]
    said["assignments"] = [list(each) for each in sorted(drawn.assignments.items())]


def _other_secret(said):
    """A seed to one's liking, with all that follows from it."""
    _redrawn(said, sha256(b"to one's liking").digest())


def _candidate_taken_out(said):
    said["frame"]["venues"].pop()
    kept = said["frame"]
    rest = frame(kept["venues"], kept["inspectors"])
    said["frame"] = rest.as_json()
    _redrawn(said, bytes.fromhex(said["secret"]))


def _opened_with_another_number(said):
    said["contribution"] = sha256(b"another throw").hexdigest()


def _opening_with_another_salt(said):
    said["opening"]["salt"] = base64.b64encode(b"0123456789abcdef").decode()


def _commitment_after_the_opening(said):
    said["commitment"], said["opening"] = said["opening"], said["commitment"]


def _commitment_out_of_the_log(said):
    said["commitment"]["proof"].reverse()


def _later_checkpoint(said):
    root = note.parse(said["checkpoint"].encode())[0].root
    said["checkpoint"] = note.sign(note.Checkpoint(SIGNER.name, 6, root), SIGNER).decode()


def _other_draw(said):
    said["draw_id"] = str(UUID(int=7))


@pytest.mark.parametrize(
    ("lie", "because"),
    [
        (_other_assignment, "The assignments are not those"),
        (_other_venue, "The assignments are not those"),
        (_other_secret, "The secret is not the one"),
        (_candidate_taken_out, "The frame is not the one"),
        (_opened_with_another_number, "The opening in the log is not"),
        (_opening_with_another_salt, "The opening in the log is not"),
        (_commitment_after_the_opening, "The commitment in the log is not"),
        (_commitment_out_of_the_log, "The commitment is not proven"),
        (_later_checkpoint, "The checkpoint is not the one right after"),
        (_other_draw, "The commitment in the log is of another"),
        (lambda said: said["pairs"][0].__setitem__(2, said["pairs"][1][2]), "The pairs are not those"),
        (lambda said: said.__setitem__("seed", "00" * 32), "The seed does not follow"),
    ],
)
@pytest.mark.case("bad input")
def test_a_draw_that_was_steered_is_found_out(tmp_path, said, capsys, lie, because):
    before = deepcopy(said)
    lie(said)
    assert said != before
    assert run(tmp_path, said) == 1
    assert capsys.readouterr().err.startswith(f"NOT THE SAME. {because}")


def test_a_checkpoint_signed_by_somebody_else_is_not_believed(tmp_path, said, capsys):
    forger = Signer("lilitong/venue", Ed25519PrivateKey.generate())
    assert run(tmp_path, said, "--key", forger.verifier.encode()) == 1
    assert "not trustworthy" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "7", "{}", "[]", "[" * 100_000, '{"record": "x"}', '{"format": "lilitong/spot-check/2"}']
)
@pytest.mark.case("bad input")
def test_what_is_no_record_is_said_to_be_none(tmp_path, text, capsys):
    assert run(tmp_path, text) == 2
    assert capsys.readouterr().err


def test_a_file_that_is_not_there_and_a_key_that_is_none_are_said(tmp_path, said):
    assert recompute.main([str(tmp_path / "nothing.json")]) == 2
    assert run(tmp_path, said, "--key", "no key") == 2


@given(st.data())
@settings(max_examples=150)
def test_a_record_changed_in_any_place_never_passes(data):
    """Any leaf of the document, changed to something else."""
    said = json.loads(EXAMPLE.read_text("utf-8"))
    at, key = said, data.draw(st.sampled_from(sorted(said)))
    while isinstance(at[key], dict | list) and at[key]:
        at = at[key]
        key = data.draw(st.sampled_from(sorted(at))) if isinstance(at, dict) else data.draw(st.integers(0, len(at) - 1))
    former = at[key]
    at[key] = data.draw(
        st.one_of(st.integers(-1, 9), st.text(max_size=4), st.just([])).filter(lambda new: new != former)
    )
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError, IndexError)):
        verify(said, [SIGNER.verifier])
