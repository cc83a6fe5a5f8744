"""Services speak for themselves, with their own keys; whatever somebody else makes is refused."""

import base64
import hmac
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from chassis.auth import TokenVerifier
from chassis.errors import DomainError, Kind
from chassis.jwks import KeySource, parse_keys
from chassis.workloads import WorkloadToken, WorkloadTrust, read_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from devstack.certificates import Authority
from joserfc import jwt
from joserfc.jwk import ECKey

pytestmark = pytest.mark.feature("X2")


class Ticks:
    """A monotonic clock that goes on by itself as far as files are looked at."""

    now = 0.0

    def __call__(self):
        self.now += 1.5
        return self.now


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "made", "ours")


@pytest.fixture
def trust(tmp_path, authority):
    """A folder as the chart mounts it, with the certificates of venue and checkpoint."""
    folder = tmp_path / "trust"
    folder.mkdir()
    for service in ("venue", "checkpoint"):
        shutil.copy(authority.issue(service).certificate, folder / f"{service}.crt")
    return folder


@pytest.fixture
def now(hands):
    hands.time = datetime.now(UTC)
    return hands


@pytest.fixture
def verifier(issuer, now, trust):
    ticks = Ticks()
    return TokenVerifier(
        KeySource(str(issuer.path), monotonic=ticks),
        issuer="https://issuer.example",
        audience="lilitong",
        clock=now,
        workloads=WorkloadTrust(trust, monotonic=ticks),
    )


@pytest.fixture
def token(tmp_path, now):
    def made(service, **options):
        options = {"audience": "lilitong", "clock": now, "monotonic": Ticks()} | options
        return WorkloadToken(service, tmp_path / "made" / f"{service}.key", **options)

    return made


async def refused(verifier, token):
    with pytest.raises(DomainError) as caught:
        await verifier.verify(token)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAUTHENTICATED, "TOKEN_REFUSED")


async def test_a_service_is_known_by_its_own_key(verifier, token):
    for service in ("venue", "checkpoint"):
        caller = await verifier.verify(token(service)())
        assert (caller.subject, caller.kind, caller.roles, caller.areas) == (
            f"workload:{service}",
            "workload",
            frozenset(),
            (),
        )


async def test_people_are_known_as_before(verifier, issuer):
    assert (await verifier.verify(issuer.token())).kind == "person"


async def test_a_token_is_used_again_and_renewed_before_it_ends(verifier, token, now):
    mine = token("venue")
    first = mine()
    now.advance(seconds=200)
    assert mine() == first
    now.advance(seconds=50)
    second = mine()
    assert second != first
    now.advance(seconds=250)
    assert (await verifier.verify(second)).subject == "workload:venue"
    await refused(verifier, first)


def claims(now, **changes):
    at = int(now.now().timestamp())
    subject = changes.pop("subject", "workload:venue")
    base = {"iss": subject, "sub": subject, "aud": "lilitong", "workload": True, "iat": at, "exp": at + 300}
    return {name: value for name, value in (base | changes).items() if value is not None}


def kid(service, key):
    return f"workload:{service}:{key.thumbprint()}"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "workload:checkpoint"},
        {"subject": "workload:gateway"},
        {"sub": "workload:checkpoint"},
        {"iss": "workload:checkpoint"},
        {"iss": "https://issuer.example"},
        {"iss": "https://issuer.example", "sub": "acct-1", "workload": None, "roles": ["clerk"]},
        {"sub": "acct-1", "iss": "acct-1", "workload": False},
        {"workload": None},
        {"workload": 1},
        {"workload": "true"},
        {"roles": ["clerk"]},
        {"areas": ["141102"]},
        {"aud": "elsewhere"},
        {"aud": None},
        {"exp": None},
        {"iat": None},
        {"exp": 4_000_000_000},
        {"exp": 1},
        {"iat": "now"},
        {"nbf": 4_000_000_000},
    ],
    ids=str,
)
async def test_a_services_key_says_nothing_but_its_own_name_for_a_short_time(verifier, tmp_path, now, changes):
    key = read_key(tmp_path / "made" / "venue.key")
    await refused(verifier, jwt.encode({"alg": "ES256", "kid": kid("venue", key)}, claims(now, **changes), key))
    good = jwt.encode({"alg": "ES256", "kid": kid("venue", key)}, claims(now), key)
    assert (await verifier.verify(good)).subject == "workload:venue"


async def test_one_services_key_cannot_take_anothers_name(verifier, tmp_path, now):
    venue, checkpoint = (read_key(tmp_path / "made" / f"{name}.key") for name in ("venue", "checkpoint"))
    for stolen in (kid("checkpoint", checkpoint), kid("checkpoint", venue), kid("venue", checkpoint)):
        for subject in ("workload:checkpoint", "workload:venue"):
            await refused(verifier, jwt.encode({"alg": "ES256", "kid": stolen}, claims(now, subject=subject), venue))


async def test_a_strangers_key_is_refused_whatever_it_calls_itself(verifier, tmp_path, now):
    stranger = ECKey.generate_key("P-256")
    known = read_key(tmp_path / "made" / "venue.key")
    names = [
        kid("venue", known),
        kid("venue", stranger),
        kid("gateway", stranger),
        "workload:venue",
        "workload:",
        "venue",
    ]
    names += [f"workload:../venue:{stranger.thumbprint()}", f"workload:venue:{known.thumbprint()} ", "k1"]
    for name in names:
        await refused(verifier, jwt.encode({"alg": "ES256", "kid": name}, claims(now), stranger))


async def test_the_issuer_of_peoples_tokens_speaks_for_no_service(verifier, issuer, tmp_path):
    await refused(verifier, issuer.token(sub="workload:venue", workload=True))
    known = read_key(tmp_path / "made" / "venue.key")
    header = {"alg": "ES256", "kid": kid("venue", known)}
    await refused(verifier, issuer.token(header=header, sub="workload:venue", workload=True, iss="workload:venue"))


@pytest.mark.usefixtures("trust")
async def test_without_certificates_a_services_own_token_is_refused(issuer, now, token):
    plain = TokenVerifier(KeySource(str(issuer.path)), issuer="https://issuer.example", audience="lilitong", clock=now)
    await refused(plain, token("venue")())
    assert (await plain.verify(issuer.token(sub="workload:venue", workload=True))).kind == "workload"


async def test_a_public_key_is_no_secret_to_sign_with(verifier, tmp_path, now):
    key = read_key(tmp_path / "made" / "venue.key")
    public = key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = jwt.encode({"alg": "ES256", "kid": kid("venue", key)}, claims(now), key).split(".")
    lie = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid("venue", key)}).encode()).decode().rstrip("=")
    mac = hmac.new(public, f"{lie}.{body}".encode(), "sha256").digest()
    await refused(verifier, f"{lie}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")
    await refused(verifier, f"{head}.{body}.")


async def test_an_expired_certificate_vouches_for_nothing(verifier, authority, trust, token, now):
    assert await verifier.verify(token("venue")())
    shutil.copy(authority.issue("venue", expired=True).certificate, trust / "venue.crt")
    await refused(verifier, token("venue")())
    now.time -= timedelta(days=1)  # it was good then
    assert await verifier.verify(token("venue")())


async def test_a_token_that_was_good_ends_with_the_certificate_that_vouched_for_it(verifier, trust, token, now):
    [certificate] = x509.load_pem_x509_certificates((trust / "venue.crt").read_bytes())
    now.time = certificate.not_valid_after_utc - timedelta(seconds=100)
    mine = token("venue")()
    assert (await verifier.verify(mine)).expires_at == certificate.not_valid_after_utc
    now.advance(seconds=99)
    assert await verifier.verify(mine)
    now.advance(seconds=2)  # by itself it is good for some minutes more
    await refused(verifier, mine)


async def test_a_key_is_changed_without_a_refused_call_by_trusting_both_for_a_while(verifier, authority, trust, token):
    mine = token("venue")
    old, old_certificate = mine(), (trust / "venue.crt").read_bytes()
    assert await verifier.verify(old)
    new_certificate = authority.issue("venue").certificate.read_bytes()  # replaces the key's file too
    (trust / "venue.crt").write_bytes(old_certificate + new_certificate)
    assert await verifier.verify(old)
    new = mine()
    assert new != old
    assert await verifier.verify(new)
    (trust / "venue.crt").write_bytes(new_certificate)
    await refused(verifier, old)
    assert await verifier.verify(new)


async def test_a_certificate_that_is_taken_away_ends_the_keys_trust_at_once(verifier, trust, token):
    mine = token("venue")
    assert await verifier.verify(mine())
    (trust / "venue.crt").unlink()
    await refused(verifier, mine())
    assert await verifier.verify(token("checkpoint")())


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_a_broken_file_harms_nobody_elses(verifier, trust, token, content):
    (trust / "venue.crt").write_bytes(content)
    await refused(verifier, token("venue")())
    assert await verifier.verify(token("checkpoint")())


async def test_a_folder_that_is_away_for_a_moment_forgets_nobody(verifier, trust, token):
    mine = token("venue")
    assert await verifier.verify(mine())
    trust.rename(trust.with_name("away"))
    assert await verifier.verify(token("checkpoint")())
    assert await verifier.verify(mine())


async def test_a_file_that_cannot_be_read_keeps_no_other_from_being_withdrawn(verifier, trust, token):
    mine, other = token("venue"), token("checkpoint")
    assert await verifier.verify(mine())
    assert await verifier.verify(other())
    (trust / "venue.crt").unlink()
    (trust / "venue.crt").mkdir()
    (trust / "checkpoint.crt").unlink()
    assert await verifier.verify(mine())
    await refused(verifier, other())


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.BrainpoolP256R1()], ids=["secp224r1", "brainpoolP256r1"])
def test_a_certificate_on_a_curve_of_no_token_is_passed_over(authority, curve):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    key, now = ec.generate_private_key(curve), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    other = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    good = authority.issue("issuer").certificate.read_bytes()
    assert parse_keys(other + good).keys() == parse_keys(good).keys()


def test_a_key_that_is_gone_for_a_moment_goes_on_and_one_that_never_was_is_told(tmp_path, token):
    mine = token("venue")
    tokens = []
    with pytest.raises(DomainError, match="cannot identify itself"):
        mine()
    Authority(tmp_path / "made", "ours").issue("venue")
    tokens.append(mine())
    (tmp_path / "made" / "venue.key").write_text("half")
    tokens.append(mine())
    (tmp_path / "made" / "venue.key").unlink()
    tokens.append(mine())
    assert len(set(tokens)) == 1


async def test_the_issuers_key_may_be_a_certificate_known_by_its_thumbprint(issuer, now, authority, tmp_path):
    pair = authority.issue("issuer")
    key = read_key(pair.key)
    verifier = TokenVerifier(
        KeySource(str(pair.certificate)), issuer="https://issuer.example", audience="lilitong", clock=now
    )
    good = issuer.token(key=key, header={"alg": "ES256", "kid": key.thumbprint()})
    assert (await verifier.verify(good)).subject == "acct-1"
    await refused(verifier, issuer.token())
    with pytest.raises(ValueError):  # noqa: PT011 - the library's own words
        parse_keys(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
