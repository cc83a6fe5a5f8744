import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from hypothesis import given
from hypothesis import strategies as st
from passes import cose, device
from passes.errors import PassError, Reason

pytestmark = pytest.mark.feature("C1")

KEY = derive_private_key(31, SECP256R1())
DEVICE = UUID("6f1d0a52-7c1e-4f0e-9a61-2b8a4f5e9c10")
NOON = datetime(2022, 3, 15, 4, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def key_of(wanted: UUID):
    return KEY.public_key() if wanted == DEVICE else None


def test_a_token_proves_the_device():
    seen = device.verify(device.mint(DEVICE, KEY, NOON), key_of, NOON)

    assert (DEVICE, NOON, NOON + timedelta(minutes=5), 16) == (
        seen.device,
        seen.issued_at,
        seen.expires_at,
        len(seen.nonce),
    )


def test_no_two_tokens_are_alike():
    assert device.mint(DEVICE, KEY, NOON) != device.mint(DEVICE, KEY, NOON)


def test_a_token_holds_from_thirty_seconds_ahead_until_it_expires(refused):
    token = device.mint(DEVICE, KEY, NOON, life=timedelta(minutes=2))

    for inside in (NOON - 30 * SECOND, NOON, NOON + 119 * SECOND):
        device.verify(token, key_of, inside)
    assert refused(device.verify, token, key_of, NOON - 31 * SECOND) is Reason.CLOCK
    assert refused(device.verify, token, key_of, NOON + 120 * SECOND) is Reason.STALE


@pytest.mark.feature("X2")
def test_a_token_for_another_audience_is_refused(refused):
    token = device.mint(DEVICE, KEY, NOON, audience="lilitong-venue")

    assert refused(device.verify, token, key_of, NOON) is Reason.WRONG_CONTEXT
    assert device.verify(token, key_of, NOON, audience="lilitong-venue").device == DEVICE


def test_an_unknown_or_revoked_device_is_refused(refused):
    assert refused(device.verify, device.mint(UUID(int=1), KEY, NOON), key_of, NOON) is Reason.UNKNOWN_KEY
    assert refused(device.verify, device.mint(DEVICE, KEY, NOON), lambda _: None, NOON) is Reason.UNKNOWN_KEY


def test_another_devices_key_is_refused(refused):
    token = device.mint(DEVICE, derive_private_key(32, SECP256R1()), NOON)

    assert refused(device.verify, token, key_of, NOON) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("life", [timedelta(minutes=5, seconds=1), timedelta(0), timedelta(seconds=-5)])
def test_a_device_cannot_mint_a_long_lived_token(life):
    with pytest.raises(ValueError, match="five minutes"):
        device.mint(DEVICE, KEY, NOON, life=life)


@pytest.mark.parametrize(
    "change",
    [
        {4: 1647316800 + 301},
        {4: 1647316800},
        {4: 2**40, 6: 2**40 - 10},
        {7: b"short"},
        {3: ""},
        {2: "somebody"},
        {1: "x"},
    ],
)
def test_claims_outside_the_profile_are_refused_even_if_signed(refused, change):
    claims = {3: device.AUDIENCE, 4: 1647316860, 6: 1647316800, 7: b"n" * 16} | change
    data = cose.sign1(cbor2.dumps(claims, canonical=True), KEY, DEVICE.bytes)
    token = device.PREFIX + base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    assert refused(device.verify, token, key_of, NOON) is Reason.MALFORMED


def test_a_pass_key_id_is_no_device(refused):
    data = cose.sign1(b"\xa0", KEY, b"8 bytes!")
    token = device.PREFIX + base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    assert refused(device.verify, token, key_of, NOON) is Reason.MALFORMED


def test_every_alteration_of_a_character_is_refused():
    token = device.mint(DEVICE, KEY, NOON)
    for at in range(len(token)):
        for other in "AB_":
            if token[at] != other:
                with pytest.raises(PassError):
                    device.verify(token[:at] + other + token[at + 1 :], key_of, NOON)


def test_second_spellings_of_a_token_are_refused(refused):
    token = device.mint(DEVICE, KEY, NOON)
    assert token.count(".") == 1

    for twin in (token + "=", token + "\n", " " + token, token[:20] + " " + token[20:], token + "é", token.lower(), ""):
        assert refused(device.verify, twin, key_of, NOON) is Reason.MALFORMED


@given(st.text(max_size=60).map(lambda tail: device.PREFIX + tail) | st.text(max_size=60))
def test_noise_never_crashes(noise):
    with pytest.raises(PassError):
        device.verify(noise, key_of, NOON)


@pytest.mark.feature("C4")
def test_a_batch_signature_holds_for_its_batch_and_device_only(refused):
    signature = device.sign_batch(KEY, b"d" * 32)

    device.verify_batch(KEY.public_key(), b"d" * 32, signature)
    other = derive_private_key(32, SECP256R1()).public_key()
    assert refused(device.verify_batch, KEY.public_key(), b"e" * 32, signature) is Reason.BAD_SIGNATURE
    assert refused(device.verify_batch, other, b"d" * 32, signature) is Reason.BAD_SIGNATURE
    for at in range(64):
        altered = signature[:at] + bytes((signature[at] ^ 1,)) + signature[at + 1 :]
        assert refused(device.verify_batch, KEY.public_key(), b"d" * 32, altered) is Reason.BAD_SIGNATURE
    with pytest.raises(ValueError, match="32 bytes"):
        device.sign_batch(KEY, b"short")


def test_a_raw_signature_over_the_digest_is_no_batch_signature(refused):
    """The domain is part of what is signed: no other use of the device key can be taken for a batch."""
    signature = cose.sign_raw(KEY, b"d" * 32)

    assert refused(device.verify_batch, KEY.public_key(), b"d" * 32, signature) is Reason.BAD_SIGNATURE
