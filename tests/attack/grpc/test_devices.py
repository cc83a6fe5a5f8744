"""Scanners' tokens and signed batches: of another device, altered, expired, from the future, of a device that was revoked."""

import base64
import secrets
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import cbor2
import pytest
from access_matrix.callers import bearer
from access_matrix.samples.registry import stamp
from access_matrix.world import new_key, now
from attack_tools.showings import malleated
from attack_tools.stage import quoted
from lilitong.checkpoint.v1 import scan_pb2
from passes import cose, device
from passes.days import day_number, local_day

pytestmark = [pytest.mark.slow, pytest.mark.feature("S2"), pytest.mark.feature("C1")]
SERVICE = "/lilitong.checkpoint.v1.ScanService"
RPCS = {
    "Scan": lambda: scan_pb2.ScanRequest(scan_id=secrets.token_bytes(8)).SerializeToString(),
    "Sync": lambda: scan_pb2.SyncRequest().SerializeToString(),
}


class Thief:
    """Knows a device's id and a genuine token of it, and, for what a device itself could do wrong, its key."""

    def __init__(self, stage):
        self.stage = stage
        self.id, self.key = UUID(stage.world.device_id), stage.world.device_key
        self.other_id, self.other_key = UUID(stage.other_device[0]), stage.other_device[1]
        self.dead_id, self.dead_key = UUID(stage.dead_device[0]), stage.dead_device[1]

    def token(self, **options: Any) -> str:
        return device.mint(self.id, self.key, options.pop("at", now()), **options)

    def raw(self) -> bytes:
        body = self.token().removeprefix(device.PREFIX)
        return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))

    def text(self, data: bytes) -> str:
        return device.PREFIX + base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def claims(self, change: Callable[[dict[Any, Any]], Any], *, resign: bool = True) -> str:
        parts = list(cbor2.loads(self.raw()).value)
        claims = cbor2.loads(parts[2])
        change(claims)
        payload = cbor2.dumps(claims, canonical=True)
        if resign:
            return self.text(cose.sign1(payload, self.key, self.id.bytes))
        parts[2] = payload
        return self.text(cbor2.dumps(cbor2.CBORTag(18, parts), canonical=True))

    def part(self, at: int, change: Callable[[Any], Any], tag: int = 18) -> str:
        parts = list(cbor2.loads(self.raw()).value)
        parts[at] = change(parts[at])
        return self.text(cbor2.dumps(cbor2.CBORTag(tag, parts), canonical=True))


def ahead(seconds: float) -> Any:
    return now() + timedelta(seconds=seconds)


_AUD, _EXP, _IAT, _CTI = 3, 4, 6, 7
TOKENS: dict[str, Callable[[Thief], str]] = {
    "nothing": lambda _: "",
    "only the prefix": lambda _: device.PREFIX,
    "a word": lambda _: "LLD1.let-me-in",
    "another prefix": lambda t: "LLD2." + t.token()[5:],
    "no prefix": lambda t: t.token()[5:],
    "a person's token": lambda t: t.stage.stack.token("checkpoint_lead"),
    "a service's token": lambda t: t.stage.stack.minter.workload("checkpoint"),
    "a stranger's key": lambda t: device.mint(t.id, new_key(), now()),
    "another device's key": lambda t: device.mint(t.id, t.other_key, now()),
    "this key, another device's name": lambda t: device.mint(t.other_id, t.key, now()),
    "a revoked device": lambda t: device.mint(t.dead_id, t.dead_key, now()),
    "this key, a revoked device's name": lambda t: device.mint(t.dead_id, t.key, now()),
    "a revoked device's key, this name": lambda t: device.mint(t.id, t.dead_key, now()),
    "a device that was never enrolled": lambda t: device.mint(uuid4(), t.key, now()),
    "a device of zeros": lambda t: device.mint(UUID(int=0), t.key, now()),
    "a phone's key": lambda t: device.mint(t.id, t.stage.family.keys[t.stage.today], now()),
    "the issuer's key": lambda t: device.mint(t.id, t.stage.issuer()[0], now()),
    "expired a second ago": lambda t: t.token(at=ahead(-301)),
    "expired an hour ago": lambda t: t.token(at=ahead(-3600)),
    "short, expired": lambda t: t.token(at=ahead(-3), life=timedelta(seconds=1)),
    "from a minute ahead": lambda t: t.token(at=ahead(60)),
    "from tomorrow": lambda t: t.token(at=ahead(86_400)),
    "for another service": lambda t: t.token(audience="lilitong-venue"),
    "for people's audience": lambda t: t.token(audience="lilitong"),
    "for our audience and more": lambda t: t.token(audience="lilitong-checkpoint2"),
    "life too long": lambda t: t.claims(lambda c: c.__setitem__(_EXP, c[_IAT] + 301)),
    "ends before it begins": lambda t: t.claims(lambda c: c.__setitem__(_EXP, c[_IAT] - 1)),
    "ends as it begins": lambda t: t.claims(lambda c: c.__setitem__(_EXP, c[_IAT])),
    "no end": lambda t: t.claims(lambda c: c.pop(_EXP)),
    "no beginning": lambda t: t.claims(lambda c: c.pop(_IAT)),
    "no audience": lambda t: t.claims(lambda c: c.pop(_AUD)),
    "no number": lambda t: t.claims(lambda c: c.pop(_CTI)),
    "a short number": lambda t: t.claims(lambda c: c.__setitem__(_CTI, b"x" * 15)),
    "times as text": lambda t: t.claims(lambda c: c.__setitem__(_EXP, str(c[_EXP]))),
    "times as floats": lambda t: t.claims(lambda c: c.__setitem__(_EXP, float(c[_EXP]))),
    "times beyond 32 bits": lambda t: t.claims(lambda c: c.update({_EXP: 2**32 + 60, _IAT: 2**32})),
    "an unknown claim": lambda t: t.claims(lambda c: c.__setitem__(8, {1: 1})),
    "a subject": lambda t: t.claims(lambda c: c.__setitem__(2, "admin")),
    "altered: end": lambda t: t.claims(lambda c: c.__setitem__(_EXP, c[_EXP] - 1), resign=False),
    "altered: beginning": lambda t: t.claims(lambda c: c.__setitem__(_IAT, c[_IAT] + 1), resign=False),
    "altered: number": lambda t: t.claims(lambda c: c.__setitem__(_CTI, b"x" * 16), resign=False),
    "altered: device": lambda t: t.part(0, lambda _: cbor2.dumps({1: -7, 4: t.other_id.bytes})),
    "header: unknown critical": lambda t: t.part(0, lambda _: cbor2.dumps({1: -7, 2: [9], 4: t.id.bytes, 9: 1})),
    "header: another algorithm": lambda t: t.part(0, lambda _: cbor2.dumps({1: -35, 4: t.id.bytes})),
    "header: in the open": lambda t: t.part(1, lambda _: {4: t.id.bytes}),
    "header: key id of 8 bytes": lambda t: t.part(0, lambda _: cbor2.dumps({1: -7, 4: t.id.bytes[:8]})),
    "tag of a MAC": lambda t: t.part(1, lambda o: o, tag=17),
    "detached": lambda t: t.part(2, lambda _: None),
    "signature of zeros": lambda t: t.part(3, lambda _: bytes(64)),
    "signature swapped": lambda t: t.part(3, lambda s: s[32:] + s[:32]),
    "signature short": lambda t: t.part(3, lambda s: s[:-1]),
    "signature of a batch": lambda t: t.part(3, lambda _: device.sign_batch(t.key, sha256(b"x").digest())),
    "a byte more": lambda t: t.text(t.raw() + b"\0"),
    "a byte short": lambda t: t.text(t.raw()[:-1]),
    "a longer head": lambda t: t.text(b"\xd8\x12" + t.raw()[1:]),
    "indefinite length": lambda t: t.text(b"\xd2\x9f" + t.raw()[2:] + b"\xff"),
    "deep arrays": lambda t: t.text(b"\xd2" + b"\x81" * 300),
    "padded": lambda t: t.token() + "=",
    "a space within": lambda t: t.token()[:40] + " " + t.token()[40:],
    "another alphabet": lambda t: t.token()[:40] + "+/" + t.token()[42:],
    "stray bits": lambda t: _stray(t.token()),
    "in upper case": lambda t: t.token().upper(),
    "too long": lambda t: t.token() + "A" * 600,
    "twice": lambda t: f"{t.token()},{t.token()}",
}  # fmt: skip


def _stray(token: str) -> str:
    """The last character's unused bits set: many decoders read the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


@pytest.fixture
def thief(stage):
    return Thief(stage)


async def test_the_genuine_token_is_let_in(thief, stage):
    for name, request in RPCS.items():
        assert (
            await stage.send(f"{SERVICE}/{name}", request(), {"authorization": f"Device {thief.token()}"})
        ).code == "OK"
    await stage.at_rest()


@pytest.mark.parametrize("rpc", RPCS)
@pytest.mark.parametrize("name", TOKENS)
async def test_a_false_token_speaks_for_no_device(name, rpc, thief, stage):
    token = TOKENS[name](thief)
    outcome = await stage.send(f"{SERVICE}/{rpc}", RPCS[rpc](), {"authorization": f"Device {token}"})
    assert (outcome.code, outcome.reason) == ("UNAUTHENTICATED", "TOKEN_REFUSED")
    assert quoted(token.encode(), outcome.said) is None
    assert not await stage.grown()


@pytest.mark.parametrize(
    "path", ["venue.v1.VenueService/RegisterVenue", "quarantine.v1.KeyService/ListVerificationKeys"]
)
@pytest.mark.parametrize("scheme", ["Device", "Bearer"])
async def test_a_device_is_nobody_to_other_services(path, scheme, thief, stage):
    outcome = await stage.send(f"/lilitong.{path}", b"", {"authorization": f"{scheme} {thief.token()}"})
    assert (outcome.code, outcome.reason) == ("UNAUTHENTICATED", "TOKEN_REFUSED")


@pytest.mark.parametrize("rpc", ["Scan", "Sync", "RecordScans"])
@pytest.mark.parametrize("who", ["checkpoint_lead", "approver", "app_backend", "command"])
async def test_no_person_scans(rpc, who, stage):
    outcome = await stage.send(f"{SERVICE}/{rpc}", b"", bearer(stage.stack.token(who)))
    assert (outcome.code, outcome.reason) == ("PERMISSION_DENIED", "NOT_ALLOWED")


def item(**changes):
    fields = {
        "scan_id": secrets.token_bytes(8), "day": day_number(local_day(now())), "tags": [secrets.token_bytes(16)],
        "scanned_at": stamp(now()), "verdict": scan_pb2.VERDICT_ALLOW,
    } | changes  # fmt: skip
    return scan_pb2.OfflineScan(**fields)


def batch(*items, **changes):
    return scan_pb2.ScanBatch(
        **({"batch_id": secrets.token_bytes(16), "scans": items or [item()]} | changes)
    ).SerializeToString()


def signed(data, key):
    return device.sign_batch(key, sha256(data).digest())


def _off(data, at):
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


BATCHES: dict[str, tuple[Callable[[Thief, bytes], tuple[bytes, bytes]], str]] = {
    "signed by another device": (lambda t, b: (b, signed(b, t.other_key)), "BATCH_SIGNATURE"),
    "signed by a revoked device": (lambda t, b: (b, signed(b, t.dead_key)), "BATCH_SIGNATURE"),
    "signed by a stranger": (lambda _, b: (b, signed(b, new_key())), "BATCH_SIGNATURE"),
    "signed by a phone": (lambda t, b: (b, signed(b, t.stage.family.keys[t.stage.today])), "BATCH_SIGNATURE"),
    "signature of zeros": (lambda _, b: (b, bytes(64)), "BATCH_SIGNATURE"),
    "signature of ones": (lambda _, b: (b, b"\xff" * 64), "BATCH_SIGNATURE"),
    "signature swapped": (lambda t, b: (b, signed(b, t.key)[32:] + signed(b, t.key)[:32]), "BATCH_SIGNATURE"),
    "signature a bit off": (lambda t, b: (b, _off(signed(b, t.key), 63)), "BATCH_SIGNATURE"),
    "signature without its domain": (lambda t, b: (b, cose.sign_raw(t.key, sha256(b).digest())), "BATCH_SIGNATURE"),
    "signature over the bytes": (lambda t, b: (b, cose.sign_raw(t.key, b)), "BATCH_SIGNATURE"),
    "signature of a token": (lambda t, b: (b, cbor2.loads(t.raw()).value[3]), "BATCH_SIGNATURE"),
    "signature of another batch": (lambda t, b: (b, signed(batch(), t.key)), "BATCH_SIGNATURE"),
    "malleated signature of another": (lambda t, b: (b, malleated(signed(batch(), t.key))), "BATCH_SIGNATURE"),
    "a bit of the first scan": (lambda t, b: (_off(b, 30), signed(b, t.key)), "BATCH_SIGNATURE"),
    "a bit of the last byte": (lambda t, b: (_off(b, -1 + len(b)), signed(b, t.key)), "BATCH_SIGNATURE"),
    "a scan added": (lambda t, b: (b + batch()[18:], signed(b, t.key)), "BATCH_SIGNATURE"),
    "cut short": (lambda t, b: (b[:-1], signed(b, t.key)), "BATCH_SIGNATURE"),
    "a byte more": (lambda t, b: (b + b"\0", signed(b, t.key)), "BATCH_SIGNATURE"),
    "signature short": (lambda t, b: (b, signed(b, t.key)[:-1]), "INVALID_REQUEST"),
    "signature in DER": (lambda t, b: (b, b"\x30\x44" + signed(b, t.key)), "INVALID_REQUEST"),
    "no signature": (lambda _, b: (b, b""), "INVALID_REQUEST"),
    "nothing signed": (lambda t, _: (b"", signed(b"", t.key)), "INVALID_REQUEST"),
    "signed garbage": (lambda t, _: (g := b"\xff" * 40, signed(g, t.key)), "INVALID_REQUEST"),
    "signed, no scans": (lambda t, _: (g := batch(scans=[]), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, no batch id": (lambda t, _: (g := batch(batch_id=b""), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, 501 scans": (lambda t, _: (g := batch(*[item()] * 501), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, no scan id": (lambda t, _: (g := batch(item(scan_id=b"")), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, a short tag": (lambda t, _: (g := batch(item(tags=[b"x"])), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, seven people": (lambda t, _: (g := batch(item(tags=[secrets.token_bytes(16) for _ in range(7)])), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, no verdict": (lambda t, _: (g := batch(item(verdict=0)), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, a verdict of its own": (lambda t, _: (g := batch(item(verdict=9)), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, a long drill": (lambda t, _: (g := batch(item(drill_id="d" * 65)), signed(g, t.key)), "INVALID_REQUEST"),
    "signed, 17 reasons": (lambda t, _: (g := batch(item(reasons=[10] * 17)), signed(g, t.key)), "INVALID_REQUEST"),
}  # fmt: skip


@pytest.mark.parametrize("name", BATCHES)
async def test_a_batch_counts_only_as_signed_by_who_sends_it(name, thief, stage):
    make, reason = BATCHES[name]
    data, signature = make(thief, batch())
    request = scan_pb2.RecordScansRequest(batch=data, signature=signature).SerializeToString()
    outcome = await stage.send(f"{SERVICE}/RecordScans", request, stage.device())
    assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", reason)
    assert quoted(request, outcome.said) is None
    assert not await stage.grown()


ITEMS = {
    "from tomorrow": (lambda: {"scanned_at": stamp(ahead(86_400)), "day": day_number(local_day(ahead(86_400)))}, "IN_THE_FUTURE"),
    "from two minutes ahead": (lambda: {"scanned_at": stamp(ahead(120))}, "IN_THE_FUTURE"),
    "four days old": (lambda: {"scanned_at": stamp(ahead(-4 * 86_400)), "day": day_number(local_day(ahead(-4 * 86_400)))}, "TOO_OLD"),
    "of another day": (lambda: {"day": day_number(local_day(now())) - 1}, "DAY_AND_TIME_DISAGREE"),
    "of a day to come": (lambda: {"day": day_number(local_day(now())) + 1}, "DAY_AND_TIME_DISAGREE"),
    "of a day beyond dates": (lambda: {"day": 2**32 - 1}, "DAY_AND_TIME_DISAGREE"),
    "at the first moment": (lambda: {"scanned_at": stamp(now().replace(year=1))}, "TOO_OLD"),
    "at the last moment": (lambda: {"scanned_at": stamp(now().replace(year=9999))}, "IN_THE_FUTURE"),
}  # fmt: skip


@pytest.mark.parametrize("name", ITEMS)
async def test_a_signed_scan_of_an_impossible_time_is_never_taken(name, thief, stage):
    changes, reason = ITEMS[name]
    data = batch(item(**changes()))
    request = scan_pb2.RecordScansRequest(batch=data, signature=signed(data, thief.key))
    outcome = await stage.send(f"{SERVICE}/RecordScans", request.SerializeToString(), stage.device())
    (result,) = scan_pb2.RecordScansResponse.FromString(outcome.answer).results
    assert (result.outcome, result.reason) == (scan_pb2.RECORD_OUTCOME_REJECTED, reason)
    assert not await stage.grown()


async def test_a_batch_of_one_device_is_nothing_from_another(thief, stage):
    """Heard on the way and sent again by another enrolled device; sent again by its own it is one."""
    data = batch()
    request = scan_pb2.RecordScansRequest(batch=data, signature=signed(data, thief.key)).SerializeToString()
    first = await stage.send(f"{SERVICE}/RecordScans", request, stage.device())
    assert first.code == "OK"
    await stage.at_rest()
    other = await stage.send(f"{SERVICE}/RecordScans", request, stage.device(stage.other_device))
    assert (other.code, other.reason) == ("INVALID_ARGUMENT", "BATCH_SIGNATURE")
    again = await stage.send(f"{SERVICE}/RecordScans", request, stage.device())
    (result,) = scan_pb2.RecordScansResponse.FromString(again.answer).results
    assert result.outcome == scan_pb2.RECORD_OUTCOME_DUPLICATE
    assert not await stage.grown()
