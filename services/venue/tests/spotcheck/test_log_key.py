"""Outsiders get the log's public key from a command, and never one that nobody signs with."""

import pytest
from ledger.note import Signer, Verifier
from passes.vault import DirectoryVault
from venue import log_key
from venue.key_versions import LOG

pytestmark = pytest.mark.feature("V9")


def test_the_key_printed_is_the_one_that_signs(tmp_path, monkeypatch, capsys):
    signer = Signer("lilitong/venue", DirectoryVault(tmp_path).ed25519_key(LOG))
    monkeypatch.setenv("VENUE_VAULT", str(tmp_path))
    assert log_key.main() == 0
    assert Verifier.parse(capsys.readouterr().out.strip()) == signer.verifier


def test_where_no_service_has_made_its_key_none_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VENUE_VAULT", str(tmp_path))
    assert log_key.main() == 2
    assert "VENUE_VAULT" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.pem"))
    monkeypatch.delenv("VENUE_VAULT")
    assert log_key.main() == 2


def test_provided_keys_of_every_version_are_printed_the_newest_last(tmp_path, monkeypatch, capsys):
    made = DirectoryVault(tmp_path / "elsewhere")
    signers = [Signer("lilitong/venue", made.ed25519_key(name)) for name in (LOG, f"{LOG}-2", f"{LOG}-3")]
    (tmp_path / "elsewhere/keys" / f"{LOG}-2.pem").unlink()
    monkeypatch.setenv("VENUE_VAULT", str(tmp_path / "none"))
    monkeypatch.setenv("VENUE_VAULT_PROVIDED", str(tmp_path / "elsewhere/keys"))
    assert log_key.main() == 0
    printed = [Verifier.parse(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == [signers[0].verifier, signers[2].verifier]
