import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from ledger import merkle, note
from ledger.note import Checkpoint, NoteError, Signer, Verifier

pytestmark = pytest.mark.feature("X3")

SIGNER = Signer("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
CHECKPOINT = Checkpoint("example.org/log", 7, merkle.leaf_hash(b"root"))
NOTE = note.sign(CHECKPOINT, SIGNER)


def test_a_signed_checkpoint_opens_to_what_was_signed():
    assert note.open_checkpoint(NOTE, [SIGNER.verifier]) == CHECKPOINT
    assert note.parse(NOTE)[0] == CHECKPOINT


def test_the_note_has_the_form_of_the_specification():
    lines = NOTE.decode().split("\n")
    assert lines[:4] == ["example.org/log", "7", base64.b64encode(CHECKPOINT.root).decode(), ""]
    dash, name, blob = lines[4].split(" ")
    assert (dash, name, lines[5:]) == ("\u2014", "example.org/log", [""])
    assert base64.b64decode(blob)[:4] == SIGNER.verifier.key_hash
    assert len(base64.b64decode(blob)) == 68


def test_the_published_example_key_of_the_go_checksum_database_parses():
    """A real log's key, computed by another implementation: its hash covers name, newline, type and key."""
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert Verifier.parse(text).encode() == text


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_no_altered_byte_is_accepted(at, change):
    altered = bytearray(NOTE)
    altered[at] ^= change
    with pytest.raises(NoteError):
        note.open_checkpoint(bytes(altered), [SIGNER.verifier])


@given(st.binary(max_size=300))
def test_bytes_that_are_no_note_are_refused_and_nothing_else_happens(data):
    with pytest.raises(NoteError):
        note.open_checkpoint(data, [SIGNER.verifier])


def test_another_key_of_the_same_name_is_not_the_log():
    other = Signer(SIGNER.name, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(NoteError, match="no trusted key"):
        note.open_checkpoint(NOTE, [other.verifier])
    with pytest.raises(NoteError, match="no trusted key"):
        note.open_checkpoint(NOTE, [])


def test_a_trusted_key_speaks_for_its_own_origin_only():
    other = Signer("example.org/other", SIGNER.private_key)
    with pytest.raises(NoteError, match="own origin"):
        note.sign(CHECKPOINT, other)
    text = CHECKPOINT.text()
    blob = base64.b64encode(other.verifier.key_hash + other.private_key.sign(text.encode())).decode()
    forged = f"{text}\n\u2014 {other.name} {blob}\n".encode()
    with pytest.raises(NoteError, match="no trusted key"):
        note.open_checkpoint(forged, [other.verifier, SIGNER.verifier])


def test_signatures_of_unknown_witnesses_are_ignored():
    witness = f"\u2014 witness.example {base64.b64encode(b'abcd' + bytes(72)).decode()}\n".encode()
    assert note.open_checkpoint(NOTE + witness, [SIGNER.verifier]) == CHECKPOINT


def test_a_wrong_signature_beside_a_right_one_spoils_the_note():
    blob = base64.b64encode(SIGNER.verifier.key_hash + bytes(64)).decode()
    with pytest.raises(NoteError, match="does not fit"):
        note.open_checkpoint(NOTE + f"\u2014 {SIGNER.name} {blob}\n".encode(), [SIGNER.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "example.org/log\n07\n{root}\n",
        "example.org/log\n-7\n{root}\n",
        "example.org/log\n+7\n{root}\n",
        "example.org/log\n7\u0667\n{root}\n",
        "example.org/log\n9223372036854775807\n{root}\n",
        "example.org/log\n7\n{root}=\n",
        "example.org/log\n7\nAAAA\n",
        "example.org/log\n7\n",
        "\n7\n{root}\n",
        "example.org/log\r\n7\n{root}\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text):
    signed = text.format(root=base64.b64encode(CHECKPOINT.root).decode()).encode()
    blob = base64.b64encode(SIGNER.verifier.key_hash + SIGNER.private_key.sign(signed))
    whole = signed + b"\n\xe2\x80\x94 example.org/log " + blob + b"\n"
    with pytest.raises(NoteError):
        note.open_checkpoint(whole, [SIGNER.verifier])


def test_roots_have_one_spelling():
    """Base64 of 32 bytes ends in two unused bits: with them set it decodes alike, but is another text."""
    encoded = base64.b64encode(CHECKPOINT.root).decode()
    spelled = encoded[:-2] + chr(ord(encoded[-2]) + 1) + "="
    assert base64.b64decode(spelled) == CHECKPOINT.root
    text = f"example.org/log\n7\n{spelled}\n".encode()
    blob = base64.b64encode(SIGNER.verifier.key_hash + SIGNER.private_key.sign(text))
    with pytest.raises(NoteError, match="canonical"):
        note.open_checkpoint(text + b"\n\xe2\x80\x94 example.org/log " + blob + b"\n", [SIGNER.verifier])


def test_extension_lines_are_kept():
    longer = Checkpoint(SIGNER.name, 7, CHECKPOINT.root, ("one", "two"))
    assert note.open_checkpoint(note.sign(longer, SIGNER), [SIGNER.verifier]) == longer


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b"])
def test_key_names_have_neither_spaces_nor_plus_signs(name):
    with pytest.raises(NoteError):
        Verifier(name, bytes(32))


@pytest.mark.parametrize(
    "text",
    ["", "a+b", "example.org/log+00000000+AQAA", SIGNER.verifier.encode().replace("+", "+0", 1), "a+12345678+%%%"],
)
def test_an_unusable_verifier_key_is_refused(text):
    with pytest.raises(NoteError):
        Verifier.parse(text)
