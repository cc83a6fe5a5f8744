import base64
import hashlib
import hmac
import json
import os

import pytest
from chassis.auth import FileToken, TokenVerifier
from chassis.errors import DomainError, Kind
from chassis.jwks import KeySource, parse_keys
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey


async def refused(verifier, token):
    with pytest.raises(DomainError) as caught:
        await verifier.verify(token)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAUTHENTICATED, "TOKEN_REFUSED")


def b64(data):
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.feature("X2")
async def test_a_good_token_names_subject_roles_areas_and_kind(verifier, issuer):
    caller = await verifier.verify(issuer.token(aud=["other", "lilitong"]))
    assert ("acct-1", {"clerk"}, ("141102",), "person") == (caller.subject, caller.roles, caller.areas, caller.kind)
    assert caller.covers("141102001001")


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("EdDSA", OKPKey.generate_key("Ed25519", {"kid": "o"})),
        ("Ed25519", OKPKey.generate_key("Ed25519", {"kid": "o"})),
        ("RS256", RSAKey.generate_key(2048, {"kid": "r"})),
    ],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_the_other_asymmetric_algorithms_are_taken(verifier, issuer, algorithm, key):
    issuer.publish(key)
    token = jwt.encode({"alg": algorithm, "kid": key.kid}, issuer.claims(), key, algorithms=[algorithm])
    assert (await verifier.verify(token)).subject == "acct-1"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "elsewhere"},
        {"aud": None},
        {"aud": []},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "two words"},
        {"exp": None},
        {"exp": True},
        {"exp": "2099"},
        {"exp": 10**30},
        {"exp": -1},
        {"roles": "clerk"},
        {"roles": [1]},
        {"areas": [""]},
        {"areas": ["1"]},
        {"areas": ["141"]},
        {"areas": ["x"]},
        {"areas": ["１４１１０２"]},
        {"areas": "141102"},
        {"workload": True},
        {"workload": "yes", "sub": "workload:venue"},
        {"sub": "workload:venue"},
    ],
    ids=str,
)
async def test_a_token_with_wrong_claims_is_refused(verifier, issuer, changes):
    await refused(verifier, issuer.token(**changes))


async def test_times_are_honoured_with_half_a_minute_of_leeway(verifier, issuer, hands):
    now = int(hands.now().timestamp())
    await verifier.verify(issuer.token(exp=now - 29))
    await refused(verifier, issuer.token(exp=now - 30))
    await verifier.verify(issuer.token(nbf=now + 30))
    await refused(verifier, issuer.token(nbf=now + 31))
    await refused(verifier, issuer.token(iat=now + 31))


async def test_a_remembered_token_ends_when_it_expires(verifier, issuer, hands):
    token = issuer.token()
    await verifier.verify(token)
    hands.advance(seconds=629)
    await verifier.verify(token)
    hands.advance(seconds=1)
    await refused(verifier, token)
    await refused(verifier, token)


async def test_a_token_signed_by_another_key_under_our_kid_is_refused(verifier, issuer):
    await refused(verifier, issuer.token(key=ECKey.generate_key("P-256", {"kid": "k1"})))


async def test_altering_any_part_of_a_token_is_noticed(verifier, issuer):
    head, body, signature = issuer.token().split(".")
    claims = issuer.claims(roles=["admin"])
    await refused(verifier, f"{head}.{b64(claims)}.{signature}")
    await refused(verifier, f"{head}.{body}.{signature[:-4]}AAAA")
    await refused(verifier, f"{head}.{body}.")
    await refused(verifier, f"{head}.{body}")


async def test_none_is_no_algorithm(verifier, issuer):
    for name in ("none", "None", "NONE"):
        await refused(verifier, f"{b64({'alg': name, 'kid': 'k1'})}.{b64(issuer.claims())}.")


async def test_an_hmac_made_with_the_public_key_is_refused(verifier, issuer):
    published = issuer.path.read_bytes()
    for secret in (issuer.key.as_pem(private=False), issuer.key.as_der(private=False), published):
        signed = f"{b64({'alg': 'HS256', 'kid': 'k1'})}.{b64(issuer.claims())}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        await refused(verifier, f"{signed}.{b64(mac)}")


async def test_a_header_cannot_bring_its_own_key_or_change_the_meaning_of_the_signature(verifier, issuer):
    mine = ECKey.generate_key("P-256", {"kid": "mine"})
    await refused(verifier, issuer.token(key=mine, header={"alg": "ES256", "kid": "mine", "jwk": mine.as_dict(False)}))
    await refused(verifier, issuer.token(header={"alg": "ES256"}))
    head = b64({"alg": "ES256", "kid": "k1", "crit": ["b64"], "b64": False})
    _, body, signature = issuer.token().split(".")
    await refused(verifier, f"{head}.{body}.{signature}")


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é.ü.ö", "x" * 9000, "e30.e30.e30", "W10.W10.AA", "\x00"])
async def test_rubbish_is_refused_like_a_forgery(verifier, text):
    await refused(verifier, text)


@pytest.mark.feature("S2")
async def test_json_nested_deeper_than_the_stack_is_refused_like_a_forgery(verifier, issuer):
    head, body, signature = issuer.token().split(".")
    await refused(verifier, f"{b64(b'[' * 3000)}.{body}.{signature}")
    text = f"{head}.{b64(b'[' * 3000)}"
    r, s = decode_dss_signature(issuer.key.private_key.sign(text.encode(), ECDSA(SHA256())))
    await refused(verifier, f"{text}.{b64(r.to_bytes(32) + s.to_bytes(32))}")


def test_a_key_set_gives_only_signing_keys_of_the_allowed_kinds():
    keys = [
        OctKey.generate_key(256, {"kid": "oct"}).as_dict(),
        ECKey.generate_key("P-384", {"kid": "p384"}).as_dict(private=False),
        ECKey.generate_key("P-256", {"kid": "enc", "use": "enc"}).as_dict(private=False),
        ECKey.generate_key("P-256", {"kid": "ok", "alg": "ES256"}).as_dict(private=True),
        ECKey.generate_key("P-256", {"kid": "odd", "alg": "ES512"}).as_dict(private=False),
        {"kty": "RSA", "kid": "small", "e": "AQAB", "n": b64(b"\xc1" + os.urandom(127))},
        OKPKey.generate_key("X25519", {"kid": "x"}).as_dict(private=False),
        {"kty": "EC", "kid": "broken", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC"},
        "text",
    ]
    found = parse_keys(json.dumps({"keys": keys}).encode())
    assert list(found) == [("ok", "ES256")]
    assert not found["ok", "ES256"].is_private


async def test_a_rotated_key_is_found_and_a_withdrawn_one_forgotten(issuer, hands, ticks):
    source = KeySource(str(issuer.path), monotonic=ticks)
    verifier = TokenVerifier(source, issuer="https://issuer.example", audience="lilitong", clock=hands)
    old = issuer.token()
    await verifier.verify(old)
    fresh = ECKey.generate_key("P-256", {"kid": "k2"})
    issuer.publish(issuer.key, fresh)
    ticks.now += 1
    await verifier.verify(issuer.token(key=fresh))
    await verifier.verify(old)
    issuer.publish(fresh)
    ticks.now += 1
    await refused(verifier, old)


async def test_forged_kids_cannot_make_us_hammer_the_issuer(issuer, hands, ticks):
    asked = []

    async def fetch(address):
        asked.append(address)
        return issuer.path.read_bytes()

    source = KeySource("https://issuer.example/jwks", monotonic=ticks, fetch=fetch)
    verifier = TokenVerifier(source, issuer="https://issuer.example", audience="lilitong", clock=hands)
    for number in range(50):
        await refused(verifier, issuer.token(header={"alg": "ES256", "kid": f"forged{number}"}))
    assert len(asked) == 1
    ticks.now += 10
    await refused(verifier, issuer.token(header={"alg": "ES256", "kid": "forged"}))
    await refused(verifier, issuer.token(header={"alg": "ES256", "kid": "forged"}))
    assert len(asked) == 2


async def test_known_keys_go_on_serving_while_the_issuer_is_away(issuer, hands, ticks):
    up = True

    async def fetch(_address):
        if not up:
            raise ConnectionError
        return issuer.path.read_bytes()

    source = KeySource("https://issuer.example/jwks", monotonic=ticks, fetch=fetch)
    verifier = TokenVerifier(source, issuer="https://issuer.example", audience="lilitong", clock=hands)
    await verifier.verify(issuer.token())
    up = False
    ticks.now += 100
    assert (await verifier.verify(issuer.token(sub="acct-2"))).subject == "acct-2"


async def test_the_cache_is_bounded(issuer, hands):
    verifier = TokenVerifier(
        KeySource(str(issuer.path)), issuer="https://issuer.example", audience="lilitong", clock=hands, cache_size=3
    )
    for number in range(10):
        await verifier.verify(issuer.token(sub=f"acct-{number}"))
    assert len(verifier._cache) == 3


def test_a_workload_token_is_read_again_and_survives_a_missing_file(tmp_path, ticks):
    path = tmp_path / "token"
    read = FileToken(str(path), monotonic=ticks)
    with pytest.raises(DomainError):
        read()
    path.write_text("one\n")
    assert read() == "one"
    path.write_text("two\n")
    assert read() == "one"
    ticks.now += 1
    assert read() == "two"
    path.unlink()
    ticks.now += 1
    assert read() == "two"
