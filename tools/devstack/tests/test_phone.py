"""A demo phone shows what an app would."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from devstack.phone import Phone
from passes import presentation

AT = datetime(2022, 3, 10, 4, 0, 30, tzinfo=UTC)


@pytest.fixture
def phone(monkeypatch):
    """One that tells the seconds it signs instead of signing."""
    day = AT.date()
    held = Phone("resident", keys={day: ec.generate_private_key(ec.SECP256R1())}, passes={day: b"pass"})

    class Shown:
        def __init__(self, at):
            self.at = at

        def to_text(self):
            return self.at.isoformat()

    monkeypatch.setattr(presentation, "present", lambda _pass, _key, at, **_: Shown(at))
    return held


def test_shown_anew_within_a_second_no_second_is_signed_twice(phone):
    shown = [phone.show_anew(AT) for _ in range(20)]
    assert shown[0] == AT.isoformat()
    assert len(set(shown)) == 20
    assert min(shown) == (AT - timedelta(seconds=19)).isoformat()


def test_what_is_shown_anew_is_always_fresh(phone):
    for _ in range(50):
        assert AT - datetime.fromisoformat(phone.show_anew(AT)) < presentation.FRESH[1]
    with pytest.raises(LookupError):
        phone.show_anew(AT)
    assert phone.show_anew(AT + timedelta(seconds=1)) == (AT + timedelta(seconds=1)).isoformat()


def test_nothing_is_signed_for_the_day_before(phone):
    midnight = datetime(2022, 3, 10, 16, 0, 1, tzinfo=UTC)
    day = (midnight + timedelta(hours=8)).date()
    phone.keys[day], phone.passes[day] = ec.generate_private_key(ec.SECP256R1()), b"pass"
    assert [phone.show_anew(midnight) for _ in range(2)][1] == datetime(2022, 3, 10, 16, 0, tzinfo=UTC).isoformat()
    with pytest.raises(LookupError):
        phone.show_anew(midnight)
