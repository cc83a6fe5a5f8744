"""Details are readable only with the person's own key, in the person's own row."""

from uuid import uuid4

import pytest
from chassis.key_versions import Versions
from hypothesis import given
from hypothesis import strategies as st
from passes.errors import SealError
from passes.versions import SecretVersions
from quarantine.people import cards
from quarantine.people.details import Details, PersonKeys
from quarantine.people.wrapping import Wrapping

pytestmark = pytest.mark.feature("Q1")


class Keks(SecretVersions):
    """One key-encryption key, of which every byte is the same."""

    __slots__ = ("byte",)

    def __init__(self, byte):
        object.__setattr__(self, "byte", byte)

    def make(self, version):
        return self.byte * 32


KEYS = PersonKeys(Wrapping(Versions(Keks(b"k"))), b"i" * 32, b"d" * 32)
ONE = Details("王芳", "11010519491231002X", "+8613800138000", "滨河路1号")


@given(st.builds(Details, st.text(max_size=64), st.text(max_size=18), st.text(max_size=16), st.text(max_size=200)))
def test_what_was_sealed_is_read_back(details):
    person = uuid4()
    stored = KEYS.seal(person, details, "")
    assert KEYS.open(person, stored.data_key, stored.sealed) == details


def test_nothing_of_a_person_is_visible_in_what_is_stored():
    stored = KEYS.seal(uuid4(), ONE, "")
    for text in (ONE.name, ONE.id_number, ONE.phone, ONE.address):
        assert text.encode() not in stored.sealed + stored.data_key + stored.id_index


def test_a_row_moved_to_another_person_does_not_open():
    one, other = uuid4(), uuid4()
    stored, others = KEYS.seal(one, ONE, ""), KEYS.seal(other, ONE, "")
    for person, data_key, sealed in [
        (other, stored.data_key, stored.sealed),
        (one, others.data_key, stored.sealed),
        (one, stored.data_key, others.sealed),
    ]:
        with pytest.raises(SealError):
            KEYS.open(person, data_key, sealed)


def test_without_the_right_key_of_keys_nothing_opens():
    person = uuid4()
    stored = KEYS.seal(person, ONE, "")
    with pytest.raises(SealError):
        PersonKeys(Wrapping(Versions(Keks(b"x"))), b"i" * 32, b"d" * 32).open(person, stored.data_key, stored.sealed)


def test_a_national_id_is_found_in_any_spelling_but_not_across_drills():
    found = KEYS.index("11010519491231002X")
    assert KEYS.index("11010519491231002x") == found
    assert KEYS.index("１１０１０５ 19491231 002x") == found
    assert len({found, KEYS.index("11010519491231002X", "d1"), KEYS.index("11010519491231002X", "d2")}) == 3


def test_the_same_person_sealed_twice_looks_different_except_for_the_index():
    one, two = KEYS.seal(uuid4(), ONE, ""), KEYS.seal(uuid4(), ONE, "")
    assert one.id_index == two.id_index
    assert one.sealed != two.sealed
    assert one.data_key != two.data_key


@pytest.mark.feature("Q2")
def test_a_cards_number_follows_from_its_id_and_the_secret_alone():
    card = uuid4()
    assert cards.number(b"s" * 32, card) == cards.number(b"s" * 32, card)
    assert len({cards.number(b"s" * 32, card), cards.number(b"t" * 32, card), cards.number(b"s" * 32, uuid4())}) == 3
    assert len(cards.number(b"s" * 32, card)) == 16
