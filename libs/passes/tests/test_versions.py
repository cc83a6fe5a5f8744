"""Versions of a vault's keys: found where they are, made only where every replica gets them, told apart by their marks."""

import pytest
from passes import cose
from passes.errors import VaultError
from passes.vault import DirectoryVault
from passes.versions import CodeKeyVersions, LogKeyVersions, SecretVersions

KINDS = [(SecretVersions, "bin"), (CodeKeyVersions, "pem"), (LogKeyVersions, "pem")]


@pytest.mark.parametrize(("kind", "suffix"), KINDS)
def test_a_version_is_found_only_once_it_is_made_and_each_has_a_mark_of_its_own(kind, suffix, tmp_path):
    keys = kind(DirectoryVault(tmp_path), "some-key")
    assert [keys.file(version) for version in (1, 2)] == [f"some-key.{suffix}", f"some-key-2.{suffix}"]
    assert keys.find(1) is keys.find(2) is None
    first, second = keys.make(1), keys.make(2)
    marks = [keys.mark(key) for key in (first, second, keys.find(1), keys.find(2))]
    assert marks[:2] == marks[2:]
    assert ([len(mark) for mark in marks], len(set(marks))) == ([8] * 4, 2)


@pytest.mark.parametrize(("kind", "suffix"), KINDS)
def test_a_key_that_must_be_brought_is_never_made_here(kind, suffix, tmp_path):
    keys = kind(DirectoryVault(tmp_path), "some-key", brought=True)
    with pytest.raises(VaultError, match=rf"some-key-2\.{suffix} is not there"):
        keys.make(2)
    assert not list(tmp_path.rglob("some-key-2*"))


def test_a_secrets_mark_tells_nothing_but_whether_it_is_the_same_under_the_same_name(tmp_path):
    vault = DirectoryVault(tmp_path)
    one, other = SecretVersions(vault, "one"), SecretVersions(vault, "other")
    assert one.mark(b"k" * 32) == one.mark(b"k" * 32)
    assert len({one.mark(b"k" * 32), other.mark(b"k" * 32), one.mark(b"l" * 32), b"k" * 8}) == 4
    assert one.public(b"k" * 32) is None


def test_the_mark_of_a_key_that_signs_codes_is_the_kid_in_them(tmp_path):
    keys = CodeKeyVersions(DirectoryVault(tmp_path), "venue-code")
    assert keys.mark(keys.make(1)) == cose.kid_of(keys.make(1).public_key())


def test_provided_keys_are_there_without_being_made(tmp_path):
    (tmp_path / "provided").mkdir()
    (tmp_path / "provided/some-key-2.bin").write_bytes(b"2" * 32)
    vault = DirectoryVault(tmp_path / "vault", provided=tmp_path / "provided")
    keys = SecretVersions(vault, "some-key")
    assert (keys.find(1), keys.find(2)) == (None, b"2" * 32)
    assert [vault.has(name) for name in ("some-key.bin", "some-key-2.bin", "some-key-2.pem")] == [False, True, False]
