from dataclasses import replace
from datetime import UTC, datetime, timedelta

import base45
import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from hypothesis import given
from hypothesis import strategies as st
from passes import cose, text
from passes.errors import PassError, Reason
from passes.pass_token import issue
from passes.presentation import authenticate, parse, present, verify, verify_late

pytestmark = pytest.mark.feature("Q2")

NOON = datetime(2022, 3, 15, 4, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_fresh_presentation_tells_day_and_who_is_present(world):
    shown = present(world.token, world.phone, NOON, presence=0b101)

    seen = verify(parse(shown.to_text()), world.keys, NOON)

    a, _, c = world.statement.tags
    assert (world.statement.day, (a, c), a, NOON) == (seen.day, seen.present_tags, seen.holder_tag, seen.time)
    assert (seen.context, seen.drill_id, len(seen.digest)) == (b"", "", 32)


def test_companions_may_come_without_the_holder(world):
    seen = verify(present(world.token, world.phone, NOON, presence=0b110), world.keys, NOON)

    assert (world.statement.tags[1:], world.statement.tags[0]) == (seen.present_tags, seen.holder_tag)


@given(
    age=st.timedeltas(timedelta(seconds=-200), timedelta(seconds=200)),
)
def test_fresh_from_thirty_seconds_ahead_to_sixty_behind(world, age):
    shown = present(world.token, world.phone, NOON)
    try:
        verify(shown, world.keys, NOON + age)
        reason = None
    except PassError as error:
        reason = error.reason

    expected = Reason.CLOCK if age < -30 * SECOND else Reason.STALE if age > 60 * SECOND else None
    assert expected == reason


def test_both_ends_of_the_window_are_inside_and_the_next_instants_outside(world, refused):
    shown = present(world.token, world.phone, NOON)
    tick = timedelta(microseconds=1)

    verify(shown, world.keys, NOON - 30 * SECOND)
    verify(shown, world.keys, NOON + 60 * SECOND)
    assert refused(verify, shown, world.keys, NOON - 30 * SECOND - tick) is Reason.CLOCK
    assert refused(verify, shown, world.keys, NOON + 60 * SECOND + tick) is Reason.STALE


@pytest.mark.feature("C4")
def test_a_late_upload_is_taken_for_72_hours_and_judged_at_its_signed_time(world, refused):
    shown = present(world.token, world.phone, NOON)

    assert verify_late(shown, world.keys, NOON + timedelta(hours=72)).time == NOON
    assert refused(verify_late, shown, world.keys, NOON + timedelta(hours=72) + SECOND) is Reason.STALE
    assert refused(verify_late, shown, world.keys, NOON - 31 * SECOND) is Reason.CLOCK


def test_a_pass_is_good_in_its_local_day_only_to_the_second(world, refused):
    start = datetime(2022, 3, 14, 16, 0, tzinfo=UTC)
    end = start + timedelta(days=1)

    for inside in (start, end - SECOND):
        verify(present(world.token, world.phone, inside), world.keys, inside)
    for outside in (start - SECOND, end):
        assert refused(verify, present(world.token, world.phone, outside), world.keys, outside) is Reason.WRONG_DAY


def test_a_code_signed_just_before_midnight_is_fresh_just_after(world):
    signed = datetime(2022, 3, 15, 15, 59, 59, tzinfo=UTC)

    assert (
        verify(present(world.token, world.phone, signed), world.keys, signed + 30 * SECOND).day == world.statement.day
    )


def test_a_forgery_is_never_called_stale(world, refused):
    thief = derive_private_key(5, SECP256R1())

    assert (
        refused(verify, present(world.token, thief, NOON), world.keys, NOON + timedelta(hours=1))
        is Reason.BAD_SIGNATURE
    )


def test_a_copied_pass_without_the_phone_is_refused(world, refused):
    thief = derive_private_key(5, SECP256R1())

    assert refused(verify, present(world.token, thief, NOON), world.keys, NOON) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("change", [{"time": 1647316801}, {"presence": 0b11}, {"context": b"elsewhere"}])
def test_what_the_phone_signed_cannot_be_changed(world, refused, change):
    shown = replace(present(world.token, world.phone, NOON), **change)

    assert refused(authenticate, shown, world.keys, context=shown.context) is Reason.BAD_SIGNATURE


def test_a_signature_does_not_move_to_another_pass_of_the_same_phone(world, refused):
    other = issue(replace(world.statement, tags=(b"q" * 16,)), world.issuer, world.kid)
    shown = replace(present(world.token, world.phone, NOON), pass_token=other)

    assert refused(verify, shown, world.keys, NOON) is Reason.BAD_SIGNATURE


def test_context_must_be_the_one_expected_both_ways(world, refused):
    for_venue = present(world.token, world.phone, NOON, context=b"venue code")
    in_person = present(world.token, world.phone, NOON)

    assert verify(for_venue, world.keys, NOON, context=b"venue code").context == b"venue code"
    assert refused(verify, for_venue, world.keys, NOON) is Reason.WRONG_CONTEXT
    assert refused(verify, for_venue, world.keys, NOON, context=b"venue codf") is Reason.WRONG_CONTEXT
    assert refused(verify, in_person, world.keys, NOON, context=b"venue code") is Reason.WRONG_CONTEXT


def test_nobody_or_somebody_not_on_the_pass_cannot_be_present(world, refused):
    shown = present(world.token, world.phone, NOON, presence=0b1000)
    assert refused(verify, shown, world.keys, NOON) is Reason.PRESENCE

    for presence in (0, 64, 2**40):
        assert refused(parse, replace(shown, presence=presence).to_bytes()) is Reason.PRESENCE


@pytest.mark.feature("X10")
def test_a_drill_presentation_carries_its_drill(world):
    token = issue(replace(world.statement, drill_id="drill-7"), world.drill_issuer, world.drill_kid)

    assert verify(present(token, world.phone, NOON), world.keys, NOON).drill_id == "drill-7"


def test_the_digest_survives_a_second_valid_signature(world):
    """Anybody can turn (r, s) into (r, n - s): a replay check by signature or by raw bytes would miss it."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    shown = present(world.token, world.phone, NOON)
    flipped = order - int.from_bytes(shown.signature[32:], "big")
    twin = replace(shown, signature=shown.signature[:32] + flipped.to_bytes(32, "big"))

    assert twin.to_bytes() != shown.to_bytes()
    assert verify(shown, world.keys, NOON).digest == verify(twin, world.keys, NOON).digest
    later = present(world.token, world.phone, NOON + SECOND)
    assert verify(shown, world.keys, NOON).digest != verify(later, world.keys, NOON).digest


def test_every_alteration_of_a_byte_is_refused(world):
    data = present(world.token, world.phone, NOON).to_bytes()
    for at in range(len(data)):
        altered = data[:at] + bytes((data[at] ^ 0x01,)) + data[at + 1 :]
        with pytest.raises(PassError):
            verify(parse(altered), world.keys, NOON)


def test_every_alteration_of_a_character_is_refused(world):
    shown = present(world.token, world.phone, NOON).to_text()
    for at in range(len(shown)):
        altered = shown[:at] + ("7" if shown[at] != "7" else "8") + shown[at + 1 :]
        with pytest.raises(PassError):
            verify(parse(altered), world.keys, NOON)


def test_text_is_read_as_scanners_type_it(world):
    shown = present(world.token, world.phone, NOON)
    typed = shown.to_text()

    for variant in (
        typed,
        typed + "\r\n",
        "\t " + typed + " \n",
        typed.lower(),
        typed[:40] + "\r\n" + typed[40:],
        typed.encode(),
        typed.encode() + b"\r",
        shown.to_bytes(),
    ):
        assert shown == parse(variant)


def test_text_contains_spaces_that_must_stay():
    """The space is a base45 digit; dropping spaces inside would break such codes."""
    data = next(bytes((0x86, n)) for n in range(256) if " " in text.encode(bytes((0x86, n))))

    assert data == text.typed("LLT1:" + text.encode(data) + " \r", "LLT1:")


@pytest.mark.parametrize(
    "shown",
    ["", "LLT1:", "LLT2:AB", "LLT1", "LLT1:A", "LLT1::::", "LLT1:GGW", "https://a.example/x", "LLT1:" + "0" * 3000, "LLT1:ſſſ",
     b"", b"\x86", b"\x86" * 3000, b"\x9f\x01\xff", b"\xc2\x40", "LLT1:\ud800"],
)  # fmt: skip
def test_foreign_text_is_malformed(refused, shown):
    assert refused(parse, shown) is Reason.MALFORMED


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_noise_never_crashes(shown):
    with pytest.raises(PassError):
        parse(shown)


def test_second_encodings_of_the_same_presentation_are_refused(world, refused):
    data = present(world.token, world.phone, NOON).to_bytes()
    items = cbor2.loads(data)

    assert refused(parse, b"\x9f" + data[1:] + b"\xff") is Reason.MALFORMED
    assert refused(parse, b"\x98\x06" + data[1:]) is Reason.MALFORMED
    assert refused(parse, data + b"\x00") is Reason.MALFORMED
    assert refused(parse, cbor2.dumps([*items, 0])) is Reason.MALFORMED
    assert refused(parse, cbor2.dumps([2, *items[1:]])) is Reason.MALFORMED
    assert refused(parse, cbor2.dumps([*items[:2], 2**32, *items[3:]])) is Reason.MALFORMED
    assert refused(parse, b"\x81" * 1500) is Reason.MALFORMED


@given(st.binary(max_size=80))
def test_base45_agrees_with_an_independent_implementation(data):
    encoded = text.encode(data)

    assert base45.b45encode(data).decode() == encoded
    assert data == text.decode(encoded.encode())


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=40))
def test_what_is_no_base45_is_refused_exactly_where_an_independent_implementation_refuses_it(shown):
    try:
        expected = base45.b45decode(shown)
    except ValueError:
        with pytest.raises(PassError, match=Reason.MALFORMED.value):
            text.decode(shown.encode())
    else:
        assert text.decode(shown.encode()) == expected


def test_the_largest_presentation_still_fits_one_qr_code(world):
    """Six people, a drill mark, the longest context: within an alphanumeric QR code of version 40, level M (3,391 characters)."""
    statement = replace(world.statement, tags=tuple(bytes((n,)) * 16 for n in range(6)), drill_id="d" * 40)
    token = issue(statement, world.drill_issuer, world.drill_kid)
    shown = present(token, world.phone, NOON, presence=0b111111, context=b"c" * 160)

    assert len(shown.to_text()) <= 1024
    assert len(verify(parse(shown.to_text()), world.keys, NOON, context=b"c" * 160).present_tags) == 6


@pytest.mark.parametrize("bad", [{"presence": 0}, {"presence": 64}, {"context": b"c" * 161}])
def test_a_phone_does_not_sign_what_no_verifier_accepts(world, bad):
    with pytest.raises(ValueError, match="no verifier would accept"):
        present(world.token, world.phone, NOON, **bad)


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64, b"\x00" * 63 + b"\x01", b"short"])
def test_degenerate_signatures_are_refused(world, refused, signature):
    shown = replace(present(world.token, world.phone, NOON), signature=signature)

    assert refused(verify, shown, world.keys, NOON) is Reason.BAD_SIGNATURE
    assert refused(cose.verify_raw, world.phone.public_key(), signature, b"message") is Reason.BAD_SIGNATURE
