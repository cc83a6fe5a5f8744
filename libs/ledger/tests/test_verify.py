import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import merkle, note, verify
from ledger.commitment import commit, new_salt

pytestmark = pytest.mark.feature("X3")

SIGNER = note.Signer("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEY = SIGNER.verifier.encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def bundle():
    salt, content = bytes(range(16)), b"what was logged"
    leaves = [merkle.leaf_hash(b"first"), merkle.leaf_hash(commit(salt, content)), merkle.leaf_hash(b"third")]
    return {
        "salt": b64(salt),
        "content": b64(content),
        "index": 1,
        "proof": [b64(leaves[0]), b64(leaves[2])],
        "checkpoint": note.sign(note.Checkpoint(SIGNER.name, 3, merkle.root(leaves)), SIGNER).decode(),
    }


def run(tmp_path, bundle, key=KEY) -> int:
    file = tmp_path / "proof.json"
    file.write_text(bundle if isinstance(bundle, str) else json.dumps(bundle), encoding="utf-8")
    return verify.main([str(file), "--key", key])


def test_a_true_bundle_is_proven_in_one_sentence(tmp_path, bundle, capsys):
    assert run(tmp_path, bundle) == 0
    assert capsys.readouterr().out == "PROVEN. The entry is in the log example.org/log, which then had 3 entries.\n"


def test_leaf_data_may_stand_for_salt_and_content(tmp_path, bundle):
    bundle["leaf"] = b64(commit(base64.b64decode(bundle.pop("salt")), base64.b64decode(bundle.pop("content"))))
    assert run(tmp_path, bundle) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content", b64(b"what was not logged")),
        ("salt", b64(bytes(16))),
        ("index", 0),
        ("index", 2**70),
        ("proof", []),
        ("checkpoint", "nothing signed"),
    ],
)
def test_an_altered_bundle_is_not_proven(tmp_path, bundle, capsys, name, value):
    assert run(tmp_path, bundle | {name: value}) == 1
    assert capsys.readouterr().err.startswith("NOT PROVEN. ")


def test_a_forgers_own_key_does_not_help(tmp_path, bundle):
    forger = note.Signer(SIGNER.name, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    checkpoint, _ = note.parse(bundle["checkpoint"].encode())
    forged = note.sign(checkpoint, forger).decode()
    assert run(tmp_path, bundle | {"checkpoint": forged, "key": forger.verifier.encode()}) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", '{"leaf": 3, "index": 0, "proof": [], "checkpoint": ""}', "[" * 5000]
)
def test_what_is_no_bundle_is_said_to_be_none(tmp_path, text, capsys):
    assert run(tmp_path, text) == 2
    assert capsys.readouterr().err.startswith("The bundle is not a proof bundle")


def test_a_missing_file_and_a_bad_key_are_named(tmp_path, bundle, capsys):
    assert verify.main([str(tmp_path / "none.json"), "--key", KEY]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert run(tmp_path, bundle, key="nonsense") == 2
    assert "key given is unusable" in capsys.readouterr().err


def test_a_commitment_binds_salt_and_content_apart():
    assert commit(bytes(16), b"\x00x") != commit(bytes(17), b"x")
    assert commit(bytes(16), b"x") != commit(new_salt(), b"x")
    for salt in (b"", bytes(15), bytes(256)):
        with pytest.raises(ValueError, match="a salt has"):
            commit(salt, b"x")
