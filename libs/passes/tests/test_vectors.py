"""The committed vectors, read as another implementation would read them: from the JSON files alone."""

import doctest
import json
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from passes import cards, cose, device, make_vectors, presentation, sealing, tags, text, venue_code
from passes.errors import PassError, SealError
from passes.pass_token import IssuerKey, verify_pass

FOLDER = Path(__file__).parents[1] / "vectors"
FILES = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
KEYS = FILES["keys.json"]


def private_key(role):
    return derive_private_key(int(KEYS["keys"][role]["private_scalar"], 16), SECP256R1())


def public_key(role):
    return cose.key_of_point(bytes.fromhex(KEYS["keys"][role]["public_point"]))


ISSUERS = {
    bytes.fromhex(kid): IssuerKey(
        next(public_key(role) for role, key in KEYS["keys"].items() if key["kid"] == kid), drill=about["drill"]
    )
    for kid, about in KEYS["issuers"].items()
}


def instant(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def verify_shown(vector):
    return presentation.verify(
        presentation.parse(vector["text"]), ISSUERS, instant(vector["now"]), context=bytes.fromhex(vector["context"])
    )


def verify_code(vector):
    master = bytes.fromhex(KEYS["screen_master"])
    verifier = venue_code.VenueCodeVerifier(
        {bytes.fromhex(KEYS["keys"]["venue_issuer"]["kid"]): public_key("venue_issuer")},
        lambda zone, version: venue_code.screen_secret(master, zone, version),
    )
    code = venue_code.parse(vector["text"])
    verifier.verify(code, instant(vector["at"]))
    return code


def verify_token(vector):
    keys = {UUID(KEYS["device_id"]): public_key("device")}
    return device.verify(vector["text"], keys.get, instant(vector["at"]))


def test_the_generator_writes_exactly_the_committed_files(tmp_path, capsys):
    (tmp_path / "sealing.json").write_text((FOLDER / "sealing.json").read_text(encoding="utf-8"), encoding="utf-8")

    assert make_vectors.main([str(tmp_path)]) == 0

    assert sorted(FILES) == sorted(capsys.readouterr().out.split())
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (FOLDER / path.name).read_bytes(), path.name


def test_sealed_blobs_are_made_anew_when_there_are_none(tmp_path):
    blobs = make_vectors.build(tmp_path)["sealing.json"]["blobs"]

    assert {len(blob) for blob in blobs.values()} == {len(blob) for blob in FILES["sealing.json"]["blobs"].values()}
    assert blobs != FILES["sealing.json"]["blobs"]


@pytest.mark.feature("Q2")
@pytest.mark.parametrize("vector", FILES["presentations.json"]["accepted"], ids=lambda vector: vector["name"])
def test_presentations_that_must_be_accepted(vector):
    seen = verify_shown(vector)

    assert vector["day"] == seen.day.isoformat()
    assert instant(vector["time"]) == seen.time
    assert vector["present_tags"] == [tag.hex() for tag in seen.present_tags]
    assert (vector["holder_tag"], vector["drill_id"]) == (seen.holder_tag.hex(), seen.drill_id)
    assert vector["digest"] == seen.digest.hex()
    assert presentation.parse(bytes.fromhex(vector["bytes"])) == presentation.parse(vector["text"])
    assert verify_pass(bytes.fromhex(vector["pass"]), ISSUERS).day == seen.day


@pytest.mark.feature("Q2")
@pytest.mark.parametrize("vector", FILES["presentations.json"]["refused"], ids=lambda vector: vector["name"])
def test_presentations_that_must_be_refused(vector):
    with pytest.raises(PassError) as caught:
        verify_shown(vector)

    assert vector["reason"] == caught.value.reason.value


def test_tags_and_base45():
    for vector in FILES["tags.json"]["vectors"]:
        tag = tags.tag(bytes.fromhex(KEYS["day_key"]), bytes.fromhex(vector["person_id"]))
        assert vector["tag"] == tag.hex()
    for vector in FILES["base45.json"]["vectors"]:
        assert vector["bytes"] == text.decode(vector["text"].encode()).hex()


@pytest.mark.feature("Q2")
def test_cards():
    for vector in FILES["cards.json"]["accepted"]:
        number = bytes.fromhex(vector["number"])
        assert number == cards.parse_card(vector["text"]) == cards.parse_card(vector["printed"])
        for day, key in vector["card_keys"].items():
            assert key == cards.card_key(date.fromisoformat(day), number).hex()
    for vector in FILES["cards.json"]["refused"]:
        with pytest.raises(PassError) as caught:
            cards.parse_card(vector["text"])
        assert vector["reason"] == caught.value.reason.value


@pytest.mark.feature("V3")
def test_venue_codes():
    for vector in FILES["venue_codes.json"]["accepted"]:
        code = verify_code(vector)
        assert (vector["zone"], vector["version"], vector["rotating"]) == (code.zone, code.version, code.rotating)
        assert code == venue_code.parse(bytes.fromhex(vector["bytes"]))
    for vector in FILES["venue_codes.json"]["refused"]:
        with pytest.raises(PassError) as caught:
            verify_code(vector)
        assert vector["reason"] == caught.value.reason.value, vector["name"]
    screen = FILES["venue_codes.json"]["screen_secret"]
    own = venue_code.screen_secret(bytes.fromhex(KEYS["screen_master"]), screen["zone"], screen["version"])
    assert screen["secret"] == own.hex()


@pytest.mark.feature("C1")
def test_devices():
    for vector in FILES["devices.json"]["accepted"]:
        seen = verify_token(vector)
        assert (UUID(KEYS["device_id"]), vector["nonce"]) == (seen.device, seen.nonce.hex())
        assert vector["expires_in"] == (seen.expires_at - seen.issued_at).total_seconds()
    for vector in FILES["devices.json"]["refused"]:
        with pytest.raises(PassError) as caught:
            verify_token(vector)
        assert vector["reason"] == caught.value.reason.value, vector["name"]
    batch = FILES["devices.json"]["batch"]
    device.verify_batch(public_key("device"), bytes.fromhex(batch["digest"]), bytes.fromhex(batch["signature"]))


@pytest.mark.feature("Q1")
def test_sealed_blobs():
    file = FILES["sealing.json"]
    aad, plain = bytes.fromhex(file["aad"]), bytes.fromhex(file["plaintext"])
    kek, data_key = bytes.fromhex(KEYS["kek"]), bytes.fromhex(KEYS["data_key"])
    wrapped, sealed, sealed_to = (bytes.fromhex(file["blobs"][name]) for name in ("wrapped", "sealed", "sealed_to"))

    assert data_key == sealing.unwrap(kek, wrapped, aad)
    assert plain == sealing.open_sealed(data_key, sealed, aad)
    assert plain == sealing.unseal(private_key("quarantine"), sealed_to, aad)
    with pytest.raises(SealError):
        sealing.unseal(private_key("quarantine"), sealed_to, aad[::-1])
    index = file["blind_index"]
    for spelling in (index["national_id"], index["same"]):
        assert index["index"] == sealing.blind_index(bytes.fromhex(KEYS["blind_index_key"]), spelling).hex()


def test_the_example_in_the_readme_prints_what_it_says():
    results = doctest.testfile(str(FOLDER.parent / "README.md"), module_relative=False)

    assert results.attempted == 8
    assert results.failed == 0
