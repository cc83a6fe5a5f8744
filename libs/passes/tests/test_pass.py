from dataclasses import replace
from datetime import date

import cbor2
import cwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from passes import cose
from passes.errors import PassError, Reason
from passes.pass_token import MAX_PASS_BYTES, IssuerKey, issue, read_claims, verify_pass

pytestmark = pytest.mark.feature("Q2")

tag_lists = st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=6, unique=True).map(tuple)
drill_ids = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tags=tag_lists, day=st.dates(min_value=date(1970, 1, 1)), drill_id=drill_ids)
def test_a_verified_pass_says_what_was_issued(world, tags, day, drill_id):
    statement = replace(world.statement, tags=tags, day=day, drill_id=drill_id)
    key, kid = (world.drill_issuer, world.drill_kid) if drill_id else (world.issuer, world.kid)
    token = issue(statement, key, kid)

    assert statement == verify_pass(token, world.keys)
    assert len(token) <= MAX_PASS_BYTES


def test_every_alteration_of_a_byte_is_refused(world):
    token = world.token
    for at in range(len(token)):
        for flip in (0x01, 0x80, 0xFF):
            altered = token[:at] + bytes((token[at] ^ flip,)) + token[at + 1 :]
            with pytest.raises(PassError):
                verify_pass(altered, world.keys)


def test_every_truncation_and_extension_is_refused(world, refused):
    token = world.token
    assert {Reason.MALFORMED} == {refused(verify_pass, token[:size], world.keys) for size in range(len(token))}
    assert refused(verify_pass, token + b"\x00", world.keys) is Reason.MALFORMED


@given(st.binary(max_size=300))
def test_noise_is_refused_and_never_crashes(world, noise):
    with pytest.raises(PassError):
        verify_pass(noise, world.keys)


@given(claims=st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.binary(max_size=40) | st.text(max_size=20) | st.floats(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.integers(-70000, 10), inner, max_size=8),
    max_leaves=20,
))  # fmt: skip
def test_foreign_claims_are_refused_and_never_crash(claims):
    with pytest.raises(PassError):
        read_claims(cbor2.dumps(claims, canonical=True))


def test_a_key_the_verifier_does_not_hold_is_unknown(world, refused):
    stranger = derive_private_key(7, SECP256R1())
    token = issue(world.statement, stranger, cose.kid_of(stranger.public_key()))

    assert refused(verify_pass, token, world.keys) is Reason.UNKNOWN_KEY


def test_a_stranger_under_our_key_id_is_a_forgery(world, refused):
    token = issue(world.statement, derive_private_key(7, SECP256R1()), world.kid)

    assert refused(verify_pass, token, world.keys) is Reason.BAD_SIGNATURE


@pytest.mark.feature("X10")
def test_drill_mark_and_key_must_agree_both_ways(world, refused):
    drill_under_real = issue(replace(world.statement, drill_id="d-1"), world.issuer, world.kid)
    real_under_drill = issue(world.statement, world.drill_issuer, world.drill_kid)

    assert refused(verify_pass, drill_under_real, world.keys) is Reason.DRILL
    assert refused(verify_pass, real_under_drill, world.keys) is Reason.DRILL


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ()},
        {"tags": tuple(bytes((n,)) * 16 for n in range(7))},
        {"tags": (b"short",)},
        {"tags": (b"a" * 16, b"a" * 16)},
        {"drill_id": "x" * 65},
        {"drill_id": "演练"},
        {"drill_id": "line\nbreak"},
        {"day": date(1969, 12, 31)},
    ],
)
def test_the_issuer_refuses_what_no_verifier_would_accept(world, change):
    with pytest.raises(ValueError, match=r"no valid encoding|before 1970"):
        issue(replace(world.statement, **change), world.issuer, world.kid)


@pytest.mark.parametrize("point", [b"\x04" + b"\x01" * 64, b"\x02" + b"\x01" * 32, b""])
def test_a_phone_key_off_the_curve_is_refused(world, refused, point):
    assert refused(issue, replace(world.statement, phone_key=point), world.issuer, world.kid) is Reason.MALFORMED


def _claims(world) -> dict:
    return cbor2.loads(cose.parse_sign1(world.token).payload)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (1, "lilitonG"),
        (4, 1647359999),
        (5, 1647273601),
        (6, 1647273601),
        (8, {1: {1: 2, -1: 2, -2: b"x" * 32, -3: b"y" * 32}}),
        (-65537, [b"a" * 16, b"a" * 16]),
        (-65538, ""),
        (7, b"token id"),
        (2, "a subject"),
    ],
)
def test_claims_outside_the_profile_are_refused_even_if_signed(world, refused, label, value):
    payload = cbor2.dumps(_claims(world) | {label: value}, canonical=True)
    token = cose.sign1(payload, world.issuer, world.kid)

    assert refused(verify_pass, token, world.keys) is Reason.MALFORMED


@pytest.mark.parametrize("shift", [1, -1, 3600])
def test_a_pass_for_anything_but_one_whole_local_day_is_refused(world, refused, shift):
    """All three times moved together: still 24 hours, but astride two local days."""
    claims = _claims(world)
    payload = cbor2.dumps(claims | {label: claims[label] + shift for label in (4, 5, 6)}, canonical=True)

    assert refused(verify_pass, cose.sign1(payload, world.issuer, world.kid), world.keys) is Reason.MALFORMED


def test_bytes_after_the_protected_header_are_refused_even_if_signed(world, refused):
    payload = cose.parse_sign1(world.token).payload
    protected = cbor2.dumps({1: -7, 4: world.kid}, canonical=True) + b"\x00"
    signature = cose.sign_raw(world.issuer, cbor2.dumps(["Signature1", protected, b"", payload]))
    token = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))

    assert refused(verify_pass, token, world.keys) is Reason.MALFORMED


def test_a_second_encoding_of_the_same_claims_is_refused(world, refused):
    claims = _claims(world)
    unsorted = cbor2.dumps(dict(reversed(claims.items())))
    assert claims == cbor2.loads(unsorted)
    payload = cose.parse_sign1(world.token).payload
    indefinite = b"\xbf" + payload[1:] + b"\xff"
    assert claims == cbor2.loads(indefinite)
    wider = payload.replace(b"\x04\x1a", b"\x04\x1b\x00\x00\x00\x00", 1)
    assert claims == cbor2.loads(wider)

    for twin in (unsorted, indefinite, wider):
        assert refused(verify_pass, cose.sign1(twin, world.issuer, world.kid), world.keys) is Reason.MALFORMED


def test_nothing_in_two_days_passes_of_one_person_is_shared_but_the_issuer(world):
    """S5: the tags and phone keys of two days differ by construction; everything else must be the same for everybody."""
    other_phone = cose.point_of(derive_private_key(99, SECP256R1()).public_key())
    monday, tuesday = (
        cbor2.loads(cose.parse_sign1(issue(statement, world.issuer, world.kid)).payload)
        for statement in (
            world.statement,
            replace(world.statement, day=date(2022, 3, 16), tags=(b"z" * 16,), phone_key=other_phone),
        )
    )

    assert {1} == {label for label in monday if monday[label] == tuesday[label]}
    assert {1, 4, 5, 6, 8, -65537} == set(monday)
    assert monday[5] == monday[6] == monday[4] - 86400


def test_an_independent_cwt_library_verifies_our_pass(world, monkeypatch):
    pem = world.issuer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = cwt.COSEKey.from_pem(pem, kid=world.kid)
    monkeypatch.setattr("cwt.cwt.CWT._verify", lambda *_: None)  # its clock says the day is over

    claims = cwt.decode(world.token, key)

    assert claims[1] == "lilitong"
    assert claims[-65537] == list(world.statement.tags)
    assert claims[8][1][-2] == world.statement.phone_key[1:33]
    forged = world.token[:-1] + bytes((world.token[-1] ^ 1,))
    with pytest.raises(cwt.VerifyError):
        cwt.decode(forged, key)


def test_a_drill_key_is_told_from_a_real_one_by_the_verifier_alone(world, refused):
    """The same drill pass is refused by a verifier that holds the key as a real one."""
    token = issue(replace(world.statement, drill_id="d-1"), world.drill_issuer, world.drill_kid)
    mistaken = {world.drill_kid: IssuerKey(world.drill_issuer.public_key())}

    assert refused(verify_pass, token, mistaken) is Reason.DRILL
