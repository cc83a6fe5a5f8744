"""C2SP signed notes and checkpoints: what the log says about itself, signed with Ed25519.

Formats: c2sp.org/signed-note and c2sp.org/tlog-checkpoint. Parsing is strict: one byte form per statement, so that two
verifiers never read a note differently.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger import merkle

MAX_NOTE = 64 * 1024
_ED25519 = b"\x01"
_PUBLIC_SIZE = 32
_KEY_HASH_SIZE = 4
_SIGNATURE_SIZE = 64
_MARK = "\u2014 "
_MAX_SIGNATURES = 100
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CHECKPOINT_LINES = 3


class NoteError(ValueError):
    """A note that is malformed, or that no trusted key has signed. The text is safe to show."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` had `size` leaves under `root` (32 bytes). `extensions` are further lines, opaque here."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode("ascii"), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Verifier:
    """A log's public key (32 raw Ed25519 bytes) under its name, which is also the origin it may speak for."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public_key) != _PUBLIC_SIZE:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @property
    def key_hash(self) -> bytes:
        """The first four bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ key), as the signed-note specification has it."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:_KEY_HASH_SIZE]

    def encode(self) -> str:
        """The usual one-line form, `name+hash+base64 key`."""
        key = base64.b64encode(_ED25519 + self.public_key).decode("ascii")
        return f"{self.name}+{self.key_hash.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        parts = text.split("+", 2)
        key = _decode(parts[2]) if len(parts) == _CHECKPOINT_LINES else b""
        if key[:1] != _ED25519:
            raise NoteError("a verifier key reads name+hash+key, and the key is of type Ed25519")
        verifier = cls(parts[0], key[1:])
        if parts[1] != verifier.key_hash.hex():
            raise NoteError("the verifier key's hash does not belong to its name and key")
        return verifier

    def accepts(self, signature: bytes, text: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A log's private key and name."""

    name: str
    private_key: Ed25519PrivateKey

    def __post_init__(self) -> None:
        _check_name(self.name)

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.private_key.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_hash: bytes
    signature: bytes


def sign(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The signed note, UTF-8. NoteError when the signer is not named as the origin, or a line is not allowed."""
    if signer.name != checkpoint.origin:
        raise NoteError("a log signs checkpoints of its own origin only")
    text = checkpoint.text()
    _parse_text(text)
    blob = base64.b64encode(signer.verifier.key_hash + signer.private_key.sign(text.encode())).decode("ascii")
    return f"{text}\n{_MARK}{signer.name} {blob}\n".encode()


def parse(note: bytes) -> tuple[Checkpoint, tuple[Signature, ...]]:
    """What a note says and who claims to have signed it, nothing verified. NoteError for any other text."""
    text, signatures = _split(note)
    return _parse_text(text), signatures


def open_checkpoint(note: bytes, verifiers: Iterable[Verifier]) -> Checkpoint:
    """The checkpoint of a note that a trusted key of its own origin has signed, else NoteError.

    Signatures by unknown keys (witnesses) are ignored, as the specification asks. A wrong signature by a known one
    spoils the note.
    """
    text, signatures = _split(note)
    checkpoint = _parse_text(text)
    known = {(verifier.name, verifier.key_hash): verifier for verifier in verifiers}
    signed_by_log = False
    for claimed in signatures:
        verifier = known.get((claimed.name, claimed.key_hash))
        if verifier is None:
            continue
        if not verifier.accepts(claimed.signature, text.encode()):
            raise NoteError("the signature of a trusted key does not fit the note")
        signed_by_log = signed_by_log or verifier.name == checkpoint.origin
    if not signed_by_log:
        raise NoteError("no trusted key of the log has signed the note")
    return checkpoint


def _split(note: bytes) -> tuple[str, tuple[Signature, ...]]:
    if len(note) > MAX_NOTE:
        raise NoteError("the note is too long")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("the note is not UTF-8") from None
    if any(character < " " and character != "\n" for character in whole):
        raise NoteError("the note has control characters")
    cut = whole.rfind("\n\n")
    if cut < 0 or not whole.endswith("\n"):
        raise NoteError("the note has no signature block")
    lines = whole[cut + 2 : -1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise NoteError("the note has too many signatures")
    return whole[: cut + 1], tuple(_parse_signature(line) for line in lines)


def _parse_signature(line: str) -> Signature:
    name, space, blob = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not space:
        raise NoteError("a signature line reads: dash, name, base64")
    _check_name(name)
    raw = _decode(blob)
    if len(raw) <= _KEY_HASH_SIZE:
        raise NoteError("a signature is too short")
    return Signature(name, raw[:_KEY_HASH_SIZE], raw[_KEY_HASH_SIZE:])


def _parse_text(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) <= _CHECKPOINT_LINES or lines[-1] != "" or "" in lines[:-1]:
        raise NoteError("a checkpoint has an origin, a size and a root, each on a line of its own")
    origin, size, encoded, *extensions = lines[:-1]
    if not _SIZE.fullmatch(size) or int(size) > merkle.MAX_SIZE:
        raise NoteError("the checkpoint's size is not a number in its shortest form")
    root = _decode(encoded)
    if len(root) != merkle.HASH_SIZE:
        raise NoteError("the checkpoint's root is not 32 bytes")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def _decode(text: str) -> bytes:
    """Canonical base64 only: decoders forgive unused bits, but two spellings of a root would be two statements."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise NoteError("not base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise NoteError("not base64 in its canonical form")
    return raw


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError("a key name is not empty and has neither spaces nor plus signs")
