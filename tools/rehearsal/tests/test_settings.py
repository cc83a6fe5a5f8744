"""Settings of the rehearsal: a wrong one is told in one sentence, and nothing is called."""

import os
import subprocess
import sys

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from rehearsal import release
from rehearsal.settings import RehearsalSettings, SettingsError, load

GIVEN = {
    "REHEARSAL_GATEWAY_URL": "http://127.0.0.1:1",
    "REHEARSAL_CHECKPOINT_TARGET": "127.0.0.1:1",
    "REHEARSAL_QUARANTINE_TARGET": "127.0.0.1:1",
}


@pytest.fixture
def given(monkeypatch, tmp_path):
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.feature("X11")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"REHEARSAL_GATEWAY_URL": "ftp://x"}, "REHEARSAL_GATEWAY_URL is wrong"),
        ({"REHEARSAL_CHECKPOINT_TARGET": "nowhere"}, "REHEARSAL_CHECKPOINT_TARGET is wrong"),
        ({}, "give either REHEARSAL_ISSUER_KEY or REHEARSAL_TOKENS"),
        (
            {"REHEARSAL_ISSUER_KEY": "k", "REHEARSAL_TOKENS": "t"},
            "give either REHEARSAL_ISSUER_KEY or REHEARSAL_TOKENS",
        ),
        ({"REHEARSAL_ISSUER_KEY": "k"}, "REHEARSAL_ISSUER must name the issuer"),
        ({"REHEARSAL_TOKENS": "t", "REHEARSAL_TLS_KEY": "k"}, "REHEARSAL_TLS_AUTHORITY"),
    ],
)
def test_a_wrong_setting_is_named(given, monkeypatch, changed, said):
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load()


@pytest.mark.feature("X11")
def test_a_missing_setting_is_named(given, monkeypatch):
    monkeypatch.delenv("REHEARSAL_GATEWAY_URL")
    with pytest.raises(SettingsError, match="REHEARSAL_GATEWAY_URL is missing"):
        load()


@pytest.mark.feature("X11")
def test_a_key_that_cannot_be_read_is_named(given, monkeypatch):
    monkeypatch.setenv("REHEARSAL_ISSUER", "urn:x")
    for path in (given / "none.pem", given / "broken.pem"):
        (given / "broken.pem").write_text("no key")
        monkeypatch.setenv("REHEARSAL_ISSUER_KEY", str(path))
        with pytest.raises(SettingsError, match="REHEARSAL_ISSUER_KEY cannot be read"):
            release.of(load())


@pytest.mark.feature("X11")
def test_tokens_are_signed_by_the_release_s_issuer_under_its_thumbprint(given, monkeypatch):
    key = ECKey.generate_key("P-256")
    (given / "key.pem").write_bytes(key.as_pem(private=True))
    monkeypatch.setenv("REHEARSAL_ISSUER_KEY", str(given / "key.pem"))
    monkeypatch.setenv("REHEARSAL_ISSUER", "urn:release")
    token = jwt.decode(release.of(load()).minter.person("tracer-1", ["tracer"]), key)
    assert token.header["kid"] == key.thumbprint()
    assert (token.claims["iss"], token.claims["aud"], token.claims["sub"]) == ("urn:release", "lilitong", "tracer-1")


@pytest.mark.feature("X11")
def test_given_tokens_are_found_by_subject_then_by_role(tmp_path):
    (tmp_path / "approver-1.jwt").write_text("one\n")
    (tmp_path / "approver.jwt").write_text("any")
    tokens = release.GivenTokens(tmp_path)
    assert tokens.person("approver-1", ["approver"]) == "one"
    assert tokens.person("approver-2", ["approver"]) == "any"
    with pytest.raises(SettingsError, match=r"neither tracer-1\.jwt nor tracer\.jwt"):
        tokens.person("tracer-1", ["tracer"])


@pytest.mark.feature("X11")
def test_the_venue_s_account_is_whom_the_given_token_names(tmp_path):
    key = ECKey.generate_key("P-256")
    (tmp_path / "venue_operator.jwt").write_text(jwt.encode({"alg": "ES256"}, {"sub": "account-7"}, key))
    opened = release.Release("http://127.0.0.1:1", release.GivenTokens(tmp_path), {})
    assert opened.venue_account == "account-7"
    (tmp_path / "venue_operator.jwt").write_text("none")
    with pytest.raises(SettingsError, match="no token with a subject"):
        _ = opened.venue_account


@pytest.mark.feature("X11")
def test_the_program_ends_with_2_and_one_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "Cannot start: REHEARSAL_GATEWAY_URL is missing\n")


@pytest.mark.feature("X11")
def test_an_installed_release_s_clock_is_left_alone():
    settings = RehearsalSettings(
        gateway_url="http://127.0.0.1:1", checkpoint_target="a:1", quarantine_target="b:2", tokens="."
    )
    opened = release.of(settings)
    opened.set_clock(0)
    with pytest.raises(Exception, match="cannot be moved"):
        opened.set_clock(5)
    assert opened.address("checkpoint") == "a:1"


def printed(words, key, **env):
    """What the program does with these words and this on its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "rehearsal", *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **env},
        input=key,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.feature("X11")
def test_a_token_to_try_a_quickstart_with_is_printed_and_nothing_else():
    key = ECKey.generate_key("P-256")
    pem = key.as_pem(private=True).decode()
    done = printed(["token", "venue_officer", "1411"], pem, REHEARSAL_ISSUER="urn:release", REHEARSAL_AUDIENCE="own")
    assert (done.returncode, done.stderr) == (0, "")
    token = jwt.decode(done.stdout.strip(), key)
    assert token.header["kid"] == key.thumbprint()
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["roles"], claims["areas"]) == ("urn:release", "own", ["venue_officer"], ["1411"])  # fmt: skip
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.feature("X11")
@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        (["play"], {}, "takes nothing, or `token ROLE"),
        (["token"], {}, "takes nothing, or `token ROLE"),
        (["token", "tracer", "here"], {}, "takes nothing, or `token ROLE"),
        (["token", "tracer"], {}, "REHEARSAL_ISSUER is missing"),
        (["token", "tracer"], {"REHEARSAL_ISSUER": "urn:x"}, "no private key in PEM on standard input"),
    ],
)
def test_what_makes_no_token_is_told_in_one_sentence(words, env, said):
    done = printed(words, "no key", **env)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
