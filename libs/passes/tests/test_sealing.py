import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key, generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from passes import sealing
from passes.errors import SealError

pytestmark = pytest.mark.feature("Q1")

KEK, KEY = b"K" * 32, b"D" * 32


@given(plaintext=st.binary(max_size=300), aad=st.binary(max_size=40))
def test_what_is_sealed_opens_again(plaintext, aad):
    quarantine = derive_private_key(11, SECP256R1())

    assert plaintext == sealing.open_sealed(KEY, sealing.seal(KEY, plaintext, aad), aad)
    assert plaintext == sealing.unseal(quarantine, sealing.seal_to(quarantine.public_key(), plaintext, aad), aad)


def test_a_wrapped_data_key_comes_back_for_its_person_only():
    data_key = sealing.new_data_key()
    wrapped = sealing.wrap(KEK, data_key, b"person 1")

    assert (61, data_key) == (len(wrapped), sealing.unwrap(KEK, wrapped, b"person 1"))
    for kek, aad in ((KEK, b"person 2"), (b"k" * 32, b"person 1")):
        with pytest.raises(SealError):
            sealing.unwrap(kek, wrapped, aad)


def test_a_wrapped_key_is_not_a_sealed_value():
    """Domains are apart: a value cannot be passed off as a key, nor a key as a value, even under the same key."""
    with pytest.raises(SealError):
        sealing.open_sealed(KEK, sealing.wrap(KEK, KEY, b"p"), b"p")
    with pytest.raises(SealError):
        sealing.unwrap(KEK, sealing.seal(KEK, KEY, b"p"), b"p")


def test_every_altered_byte_and_every_truncation_is_noticed():
    quarantine = derive_private_key(11, SECP256R1())
    cases = [
        (sealing.seal(KEY, b"name", b"aad"), lambda blob: sealing.open_sealed(KEY, blob, b"aad")),
        (
            sealing.seal_to(quarantine.public_key(), b"name", b"aad"),
            lambda blob: sealing.unseal(quarantine, blob, b"aad"),
        ),
    ]
    for blob, reopen in cases:
        assert reopen(blob) == b"name"
        for at in range(len(blob)):
            for altered in (blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :], blob[:at]):
                with pytest.raises(SealError):
                    reopen(altered)


def test_details_are_bound_to_what_they_were_taken_for_and_to_one_recipient():
    quarantine, other = (generate_private_key(SECP256R1()) for _ in range(2))
    blob = sealing.seal_to(quarantine.public_key(), b"a name", b"scan 1")

    with pytest.raises(SealError):
        sealing.unseal(quarantine, blob, b"scan 2")
    with pytest.raises(SealError):
        sealing.unseal(other, blob, b"scan 1")
    assert sealing.recipient_of(blob) == sealing.kid_of(quarantine.public_key())


def test_the_length_of_details_is_hidden_and_no_two_blobs_are_alike():
    public = derive_private_key(11, SECP256R1()).public_key()
    blobs = [sealing.seal_to(public, b"x" * size, b"") for size in (0, 1, 60, 127, 127)]

    assert {1 + 8 + 65 + 128 + 16} == {len(blob) for blob in blobs}
    assert len(set(blobs)) == len(blobs)
    assert len(sealing.seal_to(public, b"x" * 128, b"")) == len(blobs[0]) + 128


@pytest.mark.parametrize("content", [b"\x80", b"\x80\x80", b"a\x80\x00\x00", b"\x00" * 127, b"\x80" + b"\x00" * 126])
def test_content_that_looks_like_padding_survives(content):
    quarantine = derive_private_key(11, SECP256R1())

    assert content == sealing.unseal(quarantine, sealing.seal_to(quarantine.public_key(), content, b""), b"")


def test_keys_of_another_size_are_refused():
    for short in (b"k" * 16, b"k" * 24, b""):
        with pytest.raises(ValueError, match="32 bytes"):
            sealing.seal(short, b"", b"")
    with pytest.raises(ValueError, match="32 bytes"):
        sealing.wrap(KEK, b"short", b"")


@pytest.mark.parametrize(
    "spelling",
    [
        "14110219800101123X",
        "14110219800101123x",
        " 141102 19800101 123X\n",
        "141102-19800101-123X",
        "１４１１０２１９８００１０１１２３Ｘ",
    ],
)
def test_spellings_of_one_national_id_have_one_index(spelling):
    assert sealing.blind_index(KEY, "14110219800101123X") == sealing.blind_index(KEY, spelling)


def test_the_index_depends_on_id_and_key():
    values = {
        sealing.blind_index(key, number)
        for key in (KEY, KEK)
        for number in ("14110219800101123X", "141102198001011248")
    }

    assert (4, {hashes.SHA256.digest_size}) == (len(values), {len(value) for value in values})


@pytest.mark.parametrize("version", [2, 3, 255, 256, 65535])
def test_what_another_version_wrapped_says_so_and_opens_under_its_key_alone(version):
    data_key = sealing.new_data_key()
    wrapped = sealing.wrap(KEK, data_key, b"person 1", version)

    assert (63, version, data_key) == (
        len(wrapped),
        sealing.kek_version(wrapped),
        sealing.unwrap(KEK, wrapped, b"person 1"),
    )
    for kek, aad in ((KEY, b"person 1"), (KEK, b"person 2")):
        with pytest.raises(SealError):
            sealing.unwrap(kek, wrapped, aad)


def test_what_names_no_version_is_of_the_first():
    wrapped = sealing.wrap(KEK, KEY, b"p")
    assert (len(wrapped), sealing.kek_version(wrapped)) == (61, 1)


def test_no_byte_of_a_wrapped_key_can_be_altered_its_version_included():
    wrapped = sealing.wrap(KEK, KEY, b"p", 2)
    for at in range(len(wrapped)):
        with pytest.raises(SealError):
            sealing.unwrap(KEK, wrapped[:at] + bytes((wrapped[at] ^ 1,)) + wrapped[at + 1 :], b"p")
    for other in (b"", b"\x02", b"\x02\x00\x00" + wrapped[3:], b"\x02\x00\x01" + wrapped[3:], b"\x03" + wrapped[1:]):
        with pytest.raises(SealError):
            sealing.kek_version(other)
    for outside in (0, 65536, -1):
        with pytest.raises((ValueError, OverflowError, SealError)):
            sealing.kek_version(sealing.wrap(KEK, KEY, b"p", outside))
