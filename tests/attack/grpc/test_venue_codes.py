"""Venue codes: forged, revoked, altered, of another version or moment. Nobody is checked in by them."""

import secrets
from dataclasses import replace

import pytest
import pytest_asyncio
from access_matrix.callers import bearer
from access_matrix.samples import places
from access_matrix.world import World, new_id, new_key, now
from attack_tools.showings import malleated
from attack_tools.stage import quoted
from lilitong.venue.v1 import venue_pb2, visit_pb2
from passes import cose, presentation, text, venue_code
from passes.venue_code import PREFIX, Turn

pytestmark = [pytest.mark.slow, pytest.mark.feature("S2"), pytest.mark.feature("V3")]
CHECK_IN = "/lilitong.venue.v1.VisitService/CheckIn"


class Codes:
    """A genuine poster and what can be made of it. `issuer`: the venue service's own key, for versions it never issued."""

    def __init__(self, stage, revoked, replaced):
        self.issuer = stage.venue_vault.signing_key("venue-code")
        self.text = stage.world.venue_code
        self.poster = venue_code.parse(self.text)
        self.revoked, self.replaced = revoked, replaced
        master = stage.venue_vault.secret("venue-screens")
        zone = self.poster.zone
        self.screen = venue_code.issue_screen(zone, 1, self.issuer).show(
            venue_code.screen_secret(master, zone, 1), now()
        )

    def bytes(self, change):
        return PREFIX + text.encode(change(self.poster.to_bytes()))


def codes(change):
    return lambda c: replace(c.poster, **change(c)).to_text()


def by(key):
    return lambda c: venue_code.issue_poster(c.poster.zone, c.poster.version, key(c)).to_text()


FORGED = {
    "another zone": codes(lambda c: {"zone": c.poster.zone + 1}),
    "zone 0": codes(lambda _: {"zone": 0}),
    "the largest zone": codes(lambda _: {"zone": 2**32 - 1}),
    "the next version": codes(lambda c: {"version": c.poster.version + 1}),
    "version 0": codes(lambda _: {"version": 0}),
    "the largest version": codes(lambda _: {"version": 2**32 - 1}),
    "another key id": codes(lambda _: {"kid": b"k" * 8}),
    "the pass issuer's key id": codes(lambda c: {"kid": cose.kid_of(new_key().public_key())}),
    "signature of zeros": codes(lambda _: {"signature": bytes(64)}),
    "signature of ones": codes(lambda _: {"signature": b"\xff" * 64}),
    "signature swapped": codes(lambda c: {"signature": c.poster.signature[32:] + c.poster.signature[:32]}),
    "signature a bit off": codes(lambda c: {"signature": c.poster.signature[:-1] + bytes((c.poster.signature[-1] ^ 1,))}),
    "signature of a revoked code": codes(lambda c: {"signature": venue_code.parse(c.revoked).signature}),
    "a poster made a screen": codes(lambda c: {"turn": Turn(int(now().timestamp()) // 30, b"x" * 8)}),
    "a poster with the screen's turn": codes(lambda c: {"turn": c.screen.turn}),
    "a screen made a poster": lambda c: replace(c.screen, turn=None).to_text(),
    "screen: another code": lambda c: replace(c.screen, turn=Turn(c.screen.turn.slot, b"\0" * 8)).to_text(),
    "screen: the next moment's number": lambda c: replace(c.screen, turn=Turn(c.screen.turn.slot + 1, c.screen.turn.mac)).to_text(),
    "screen: another zone": lambda c: replace(c.screen, zone=c.screen.zone + 1).to_text(),
    "signed by a stranger": by(lambda _: new_key()),
    "signed by a stranger with our key id": lambda c: replace(
        venue_code.issue_poster(c.poster.zone, 1, new_key()), kid=c.poster.kid
    ).to_text(),
    "malleated, another zone": codes(lambda c: {"signature": malleated(c.poster.signature), "zone": c.poster.zone + 1}),
    "a byte more": lambda c: c.bytes(lambda b: b + b"\0"),
    "a byte short": lambda c: c.bytes(lambda b: b[:-1]),
    "twice": lambda c: c.bytes(lambda b: b * 2),
    "a longer array head": lambda c: c.bytes(lambda b: b"\x98\x05" + b[1:]),
    "indefinite length": lambda c: c.bytes(lambda b: b"\x9f" + b[1:] + b"\xff"),
    "kind 0": lambda c: c.bytes(lambda b: b[:1] + b"\0" + b[2:]),
    "kind 3": lambda c: c.bytes(lambda b: b[:1] + b"\x03" + b[2:]),
    "kind screen, no turn": lambda c: c.bytes(lambda b: b[:1] + b"\x02" + b[2:]),
    "deep arrays": lambda c: c.bytes(lambda _: b"\x81" * 200),
    "nothing in it": lambda _: PREFIX + "000",
    "another prefix": lambda c: "LLV2:" + c.text[5:],
    "a card for a code": lambda _: "LLC1:" + "0" * 28,
    "not ASCII": lambda c: c.text[:-1] + "é",
    "a group too large": lambda c: c.text + ":::",
    "a query": lambda _: "LLV1:' OR 1=1 --",
}  # fmt: skip
"""→ INVALID_ARGUMENT / VENUE_CODE_INVALID, whatever else is shown."""

GENUINE_BUT = {
    "revoked": (lambda c: c.revoked, "FAILED_PRECONDITION", "VENUE_CODE_REVOKED"),
    "replaced by the next version": (lambda c: c.replaced, "FAILED_PRECONDITION", "VENUE_CODE_REVOKED"),
    "signed, of a version not yet made": (
        lambda c: venue_code.issue_poster(c.poster.zone, 9, c.issuer).to_text(), "UNAVAILABLE", "VENUE_CODE_NOT_YET_KNOWN",
    ),
    "signed, of a zone that does not exist": (
        lambda c: venue_code.issue_poster(4_000_000_000, 1, c.issuer).to_text(), "UNAVAILABLE", "VENUE_CODE_NOT_YET_KNOWN",
    ),
    "a screen that was never given its secret": (lambda c: c.screen.to_text(), "UNAVAILABLE", "VENUE_CODE_NOT_YET_KNOWN"),
}  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session", scope="module", name="codes")
async def _codes(stage):
    """Takes a code out of force by revoking it, another by replacing it."""
    world = stage.world
    # Others may have revoked it before us: a new code is certainly in force.
    anew = venue_pb2.ReplaceVenueCodeRequest(request_id=new_id(), zone=world.revoking_zone)
    await stage.maker.say("venue_officer", anew)
    venue = await stage.maker.say("venue_officer", places.get_venue(world, ""))
    texts = {zone.zone: zone.code for zone in venue.venue.zones}
    await stage.maker.say("venue_officer", places.revoke_code(world, ""))
    await stage.maker.say("venue_officer", places.replace_code(world, ""))
    await stage.at_rest()
    return Codes(stage, texts[world.revoking_zone], texts[world.replacing_zone])


@pytest.fixture
def check_in(stage):
    """As an app, with a presentation that truly signs the code as it stands."""

    async def check_in(code, *, staff=False):
        try:
            context = venue_code.parse(code).to_bytes()
        except Exception:  # noqa: BLE001 - a phone signs whatever it scanned
            context = code.encode()[:100]
        today = stage.today
        shown = presentation.present(
            stage.family.passes[today], stage.family.keys[today], now(), context=b"" if staff else context
        )
        request = visit_pb2.CheckInRequest(
            visit_key=secrets.token_bytes(8), credential=shown.to_text(), venue_code=code, scanned_by_staff=staff
        )
        role = "venue_operator" if staff else "app_backend"
        token = bearer(stage.stack.token(role, subject=stage.world.operator if staff else ""))
        outcome = await stage.send(CHECK_IN, request.SerializeToString(), token)
        assert quoted(code.encode(), outcome.said) is None
        return outcome.code, outcome.reason

    return check_in


@pytest.mark.parametrize("staff", [False, True], ids=["by an app", "by staff"])
@pytest.mark.parametrize("name", FORGED)
@pytest.mark.case("bad input", of="V3")
async def test_a_forged_code_is_no_code(name, staff, codes, check_in, stage):
    assert await check_in(FORGED[name](codes), staff=staff) == ("INVALID_ARGUMENT", "VENUE_CODE_INVALID")
    assert not await stage.grown()


@pytest.mark.parametrize("name", GENUINE_BUT)
@pytest.mark.case("bad input", of="V3")
async def test_a_code_out_of_force_is_said_to_be_so(name, codes, check_in, stage):
    make, code, reason = GENUINE_BUT[name]
    assert await check_in(make(codes)) == (code, reason)
    assert not await stage.grown()


async def test_a_code_of_another_zone_was_not_what_the_phone_signed(codes, stage):
    """Two genuine parts that do not belong together."""
    venue = await stage.maker.say("venue_officer", places.get_venue(World(venue_id=stage.world.venue_id), ""))
    other = next(zone.code for zone in venue.venue.zones if zone.zone == stage.world.screen_zone)
    today = stage.today
    shown = presentation.present(
        stage.family.passes[today], stage.family.keys[today], now(), context=codes.poster.to_bytes()
    )
    request = visit_pb2.CheckInRequest(visit_key=secrets.token_bytes(8), credential=shown.to_text(), venue_code=other)
    outcome = await stage.send(CHECK_IN, request.SerializeToString(), bearer(stage.stack.token("app_backend")))
    answer = visit_pb2.CheckInResponse.FromString(outcome.answer)
    assert [one.code for one in answer.reasons] == ["WRONG_CONTEXT"]
    assert not await stage.grown()
