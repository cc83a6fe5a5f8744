"""Outsiders get the log's public key from a command, and never one that nobody signs with."""

import pytest
from ledger.note import Signer, Verifier
from passes.vault import DirectoryVault
from venue import log_key
from venue.enforcement.room import LOG_KEY

pytestmark = pytest.mark.feature("V9")


def test_the_key_printed_is_the_one_that_signs(tmp_path, monkeypatch, capsys):
    signer = Signer("lilitong/venue", DirectoryVault(tmp_path).ed25519_key(LOG_KEY))
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
