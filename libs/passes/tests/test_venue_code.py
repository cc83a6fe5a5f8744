from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from hypothesis import given
from hypothesis import strategies as st
from passes import cose, venue_code
from passes.errors import PassError, Reason
from passes.presentation import MAX_CONTEXT
from passes.venue_code import Turn, VenueCodeVerifier, issue_poster, issue_screen, parse, screen_secret

pytestmark = pytest.mark.feature("V3")

KEY = derive_private_key(21, SECP256R1())
KID = cose.kid_of(KEY.public_key())
MASTER = b"M" * 32
NOON = datetime(2022, 3, 15, 4, 0, tzinfo=UTC)
SLOT = timedelta(seconds=30)
u32 = st.integers(0, 2**32 - 1)


@pytest.fixture
def verifier() -> VenueCodeVerifier:
    return VenueCodeVerifier({KID: KEY.public_key()}, lambda zone, version: screen_secret(MASTER, zone, version))


def rotating(at=NOON, zone=7, version=1):
    return issue_screen(zone, version, KEY).show(screen_secret(MASTER, zone, version), at)


@given(zone=u32, version=u32)
@pytest.mark.case("happy path")
def test_posters_and_screens_read_back_and_verify(zone, version):
    verifier = VenueCodeVerifier({KID: KEY.public_key()}, lambda *place: screen_secret(MASTER, *place))
    for code in (issue_poster(zone, version, KEY), rotating(zone=zone, version=version)):
        for form in (code.to_text(), code.to_text().lower() + "\r\n", code.to_text().encode(), code.to_bytes()):
            assert code == parse(form)
        verifier.verify(code, NOON)
        assert (zone, version) == (code.zone, code.version)
        assert len(code.to_bytes()) <= MAX_CONTEXT


def test_a_poster_is_static_and_a_screen_is_rotating():
    assert not parse(issue_poster(7, 1, KEY).to_text()).rotating
    assert parse(rotating().to_text()).rotating


def test_the_same_poster_can_be_printed_again():
    assert issue_poster(7, 1, KEY).to_text() == issue_poster(7, 1, KEY).to_text()


def test_a_screen_code_holds_in_its_slot_and_its_neighbours(verifier, refused):
    code = rotating(NOON)
    for inside in (NOON - SLOT, NOON, NOON + 2 * SLOT - timedelta(microseconds=1)):
        verifier.verify(code, inside)

    assert refused(verifier.verify, code, NOON + 2 * SLOT) is Reason.STALE
    assert refused(verifier.verify, code, NOON - SLOT - timedelta(seconds=1)) is Reason.CLOCK


def test_a_photographed_screen_is_no_poster_and_a_poster_no_screen(verifier, refused):
    assert refused(verifier.verify, replace(rotating(), turn=None), NOON) is Reason.BAD_SIGNATURE
    upgraded = replace(issue_poster(7, 1, KEY), turn=rotating().turn)
    assert refused(verifier.verify, upgraded, NOON) is Reason.BAD_SIGNATURE


def test_a_slot_cannot_be_moved_without_the_secret(verifier, refused):
    old = rotating(NOON - timedelta(hours=1))
    moved = replace(old, turn=Turn(int(NOON.timestamp()) // 30, old.turn.mac))

    assert refused(verifier.verify, moved, NOON) is Reason.BAD_SIGNATURE


def test_secrets_of_zones_and_versions_are_apart():
    assert len({screen_secret(MASTER, zone, version) for zone in (1, 2) for version in (1, 2)}) == 4


@pytest.mark.parametrize("code", [issue_poster(7, 1, KEY), rotating()])
@pytest.mark.case("bad input")
def test_every_alteration_of_a_byte_is_refused(verifier, code):
    verifier.verify(code, NOON)
    data = code.to_bytes()
    for at in range(len(data)):
        for flip in (0x01, 0x80):
            with pytest.raises(PassError):
                verifier.verify(parse(data[:at] + bytes((data[at] ^ flip,)) + data[at + 1 :]), NOON)


def test_a_remembered_signature_does_not_vouch_for_another_zone(verifier, refused):
    code = issue_poster(7, 1, KEY)
    verifier.verify(code, NOON)

    assert refused(verifier.verify, replace(code, zone=8), NOON) is Reason.BAD_SIGNATURE


@pytest.mark.feature("V3")
def test_a_removed_key_is_refused_at_once_even_if_its_codes_are_remembered(refused):
    keys = {KID: KEY.public_key()}
    verifier = VenueCodeVerifier(keys, lambda *_: MASTER)
    verifier.verify(issue_poster(7, 1, KEY), NOON)
    keys.clear()

    assert refused(verifier.verify, issue_poster(7, 1, KEY), NOON) is Reason.UNKNOWN_KEY


def test_memory_of_signatures_is_bounded():
    verifier = VenueCodeVerifier({KID: KEY.public_key()}, lambda *_: MASTER, remembered=3)
    for zone in range(10):
        verifier.verify(issue_poster(zone, 1, KEY), NOON)

    assert len(verifier._good) <= 3


@given(st.binary(max_size=150) | st.text(max_size=150))
def test_noise_never_crashes(noise):
    with pytest.raises(PassError):
        parse(noise)


@pytest.mark.case("bad input")
def test_numbers_beyond_32_bits_are_refused(refused):
    with pytest.raises(ValueError, match="32-bit"):
        issue_poster(2**32, 1, KEY)
    assert refused(parse, replace(issue_poster(7, 1, KEY), zone=2**32).to_bytes()) is Reason.MALFORMED
    assert refused(parse, issue_poster(7, 1, KEY).to_bytes() + b"\x00") is Reason.MALFORMED
    assert refused(parse, "LLT1:" + issue_poster(7, 1, KEY).to_text()[5:]) is Reason.MALFORMED


@pytest.mark.case("bad input")
def test_a_stranger_cannot_sign_a_code(verifier, refused):
    forged = replace(issue_poster(7, 1, derive_private_key(22, SECP256R1())), kid=KID)

    assert refused(verifier.verify, forged, NOON) is Reason.BAD_SIGNATURE
    assert venue_code.PREFIX == "LLV1:"


@pytest.mark.case("happy path")
def test_a_screen_under_a_former_secret_holds_while_that_is_believed_and_no_other(refused):
    formers = [b"F" * 32]
    verifier = VenueCodeVerifier(
        {KID: KEY.public_key()},
        lambda *place: screen_secret(MASTER, *place),
        former=lambda *place: [screen_secret(master, *place) for master in formers],
    )
    former = issue_screen(7, 1, KEY).show(screen_secret(b"F" * 32, 7, 1), NOON)
    stranger = issue_screen(7, 1, KEY).show(screen_secret(b"X" * 32, 7, 1), NOON)

    verifier.verify(rotating(), NOON)
    verifier.verify(former, NOON)
    assert refused(verifier.verify, stranger, NOON) is Reason.BAD_SIGNATURE
    assert refused(verifier.verify, former, NOON + 2 * SLOT) is Reason.STALE
    formers.clear()
    assert refused(verifier.verify, former, NOON) is Reason.BAD_SIGNATURE


def test_who_shows_the_newest_secrets_code_costs_no_look_at_former_ones():
    asked = []
    verifier = VenueCodeVerifier(
        {KID: KEY.public_key()},
        lambda *place: screen_secret(MASTER, *place),
        former=lambda *place: asked.append(place) or (),
    )
    verifier.verify(rotating(), NOON)
    assert asked == []
