from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets import trust
from daysets.trust import Key, TrustedKeys, Use
from lilitong.quarantine.v1 import keys_pb2

NOW = datetime(2022, 3, 14, 4, tzinfo=UTC)
pytestmark = pytest.mark.feature("X3")


def der(private) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


P256 = ec.derive_private_key(7, ec.SECP256R1())
P384 = ec.derive_private_key(7, ec.SECP384R1())
ED = Ed25519PrivateKey.from_private_bytes(bytes(32))


def key(use, public, *, kid=b"12345678", **changes):
    given = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=1)}
    return Key(kid, use, public, **given | changes)


def test_keys_are_sorted_by_what_they_are_for():
    keys = TrustedKeys.of(
        [
            key(Use.PASS, der(P256), kid=b"pass"),
            key(Use.DRILL_PASS, der(P256), kid=b"drill"),
            key(Use.LOG, der(ED), origin="example.org/log"),
            key(Use.SEALING, der(P256), kid=b"sealing"),
        ],
        NOW,
    )
    assert {kid: known.drill for kid, known in keys.passes.items()} == {b"pass": False, b"drill": True}
    assert [(log.name, log.public_key) for log in keys.logs] == [
        ("example.org/log", ED.public_key().public_bytes_raw())
    ]
    assert keys.sealing is not None
    assert keys.sealing[0] == b"sealing"


@pytest.mark.parametrize(
    "change",
    [
        {"revoked": True},
        {"not_before": NOW + timedelta(seconds=1)},
        {"not_after": NOW},
    ],
    ids=str,
)
def test_a_revoked_early_or_late_key_is_not_believed(change):
    keys = TrustedKeys.of([key(Use.PASS, der(P256), **change), key(Use.SEALING, der(P256), **change)], NOW)
    assert keys == TrustedKeys()


def test_the_newest_sealing_key_is_used():
    older = key(Use.SEALING, der(P256), kid=b"older", not_before=NOW - timedelta(days=2))
    keys = TrustedKeys.of([key(Use.SEALING, der(P256), kid=b"newer"), older], NOW)
    assert keys.sealing is not None
    assert keys.sealing[0] == b"newer"


@pytest.mark.parametrize(
    "unfit",
    [
        key(Use.PASS, der(ED)),
        key(Use.PASS, der(P384)),
        key(Use.LOG, der(P256), origin="example.org/log"),
        key(Use.LOG, der(ED), origin="no origin"),
        key(Use.SEALING, b"nonsense" * 8),
    ],
)
def test_a_key_that_does_not_fit_its_use_is_left_out_and_the_others_stay(unfit):
    keys = TrustedKeys.of([unfit, key(Use.PASS, der(P256), kid=b"fit")], NOW)
    assert (set(keys.passes), keys.logs, keys.sealing) == ({b"fit"}, (), None)


def test_keys_cross_the_wire_unchanged():
    keys = [key(Use.LOG, der(ED), origin="example.org/log"), key(Use.PASS, der(P256), revoked=True)]
    assert trust.from_messages(trust.to_messages(keys)) == keys


def test_missing_times_bound_nothing_and_unknown_uses_are_skipped():
    messages = [
        keys_pb2.VerificationKey(kid=b"12345678", use=keys_pb2.KEY_USE_PASS, public_key=der(P256)),
        keys_pb2.VerificationKey(kid=b"12345678", use=77, public_key=der(P256)),
    ]
    (known,) = trust.from_messages(messages)
    assert known.valid_at(NOW)
    assert known.valid_at(NOW + timedelta(days=36500))
