"""Pure rules: which uploads are taken, and how well a row proves a presence."""

from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.clock import local_day
from checkpoint.posts.model import read_key
from checkpoint.scanning.model import Grade, of_upload, refusal
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.feature("C4")

NOW = datetime(2022, 3, 10, 4, 0, tzinfo=UTC)
EARLIEST, LATEST = (NOW - timedelta(hours=46)).replace(tzinfo=None), NOW.replace(tzinfo=None)


def spki(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(seconds=-60), None),
        (timedelta(seconds=-61), "IN_THE_FUTURE"),
        (timedelta(hours=72), None),
        (timedelta(hours=72, seconds=1), "TOO_OLD"),
    ],
)
def test_uploads_are_taken_up_to_72_hours_old_and_not_from_the_future(age, reason):
    scanned_at = NOW - age
    assert refusal(local_day(scanned_at), scanned_at, NOW) == reason


@given(st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)), st.integers(-2, 2))
def test_the_day_is_that_of_the_time_but_for_a_minute_and_a_half_around_midnight(scanned_at, shift):
    day = local_day(scanned_at) + timedelta(days=shift)
    near = {local_day(scanned_at + timedelta(seconds=s)) for s in (-90, 0, 90)}
    assert (refusal(day, scanned_at, NOW) is None) == (day in near)


def test_an_upload_is_late_after_ten_minutes_and_graded_by_what_the_device_saw():
    def upload(age, *, tags=(bytes(16),), reasons=(), static_card=False):
        return of_upload(
            bytes(8), date(2022, 3, 10), tags, 7, NOW - age, 1, reasons, static_card=static_card, drill_id="", now=NOW
        )

    minutes = timedelta(minutes=1)
    assert [upload(10 * minutes).late, upload(11 * minutes).late] == [False, True]
    assert upload(minutes).grade is Grade.SHOWN
    assert upload(minutes, static_card=True).grade is Grade.STATIC_CARD
    assert upload(minutes, reasons=(10,)).grade is Grade.UNPROVEN
    assert upload(minutes, reasons=(99,)).reasons == 0
    assert upload(minutes, tags=(bytes(16), bytes(16))).tags == (bytes(16),)


@pytest.mark.feature("C1")
def test_only_p256_keys_in_their_one_encoding_are_read():
    good = spki(generate_private_key(SECP256R1()))
    assert read_key(good) is not None
    ed25519 = spki(Ed25519PrivateKey.generate())
    for bad in (b"", good[:-1], good + b"\0", spki(generate_private_key(SECP384R1())), ed25519):
        assert read_key(bad) is None
