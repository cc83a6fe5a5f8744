"""Passes, presentations and paper cards at a gate and at a venue's door: nothing here lets anybody in or proves presence."""

import secrets

import pytest
import pytest_asyncio
from access_matrix.callers import bearer
from attack_tools.hand import Hand
from attack_tools.showings import SEED, SHOWINGS, as_text, malleated
from attack_tools.stage import quoted
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.venue.v1 import visit_pb2
from passes import cards, venue_code

pytestmark = [pytest.mark.slow, pytest.mark.feature("S2"), pytest.mark.feature("R9")]

SCAN = "/lilitong.checkpoint.v1.ScanService/Scan"
CHECK_IN = "/lilitong.venue.v1.VisitService/CheckIn"
WELL = scan_pb2.Observations(
    temperature_decicelsius=366,
    health_code=scan_pb2.CODE_COLOUR_GREEN,
    itinerary_card=scan_pb2.CODE_COLOUR_GREEN,
    mask_worn=True,
)
UNPROVEN = 4
REFUSED = ("INVALID_ARGUMENT", "INVALID_REQUEST")
print(f"seed of the random bits: {SEED}")


@pytest.fixture
def scan(stage):
    """Scans a healthy person whose bearer was matched; (verdict, reasons) or the refusal."""

    async def scan(credential, scan_id=None):
        request = scan_pb2.ScanRequest(
            scan_id=scan_id or secrets.token_bytes(8), credential=credential, observations=WELL, bearer_matched=True
        )
        outcome = await stage.send(SCAN, request.SerializeToString(), stage.device())
        if outcome.answer is None:
            assert quoted(credential.encode(), outcome.said) is None
            return outcome.code, outcome.reason
        answer = scan_pb2.ScanResponse.FromString(outcome.answer)
        reasons = {scan_pb2.ScanReason.Name(one.reason).removeprefix("SCAN_REASON_") for one in answer.reasons}
        return scan_pb2.Verdict.Name(answer.verdict).removeprefix("VERDICT_"), frozenset(reasons)

    return scan


@pytest.fixture
def check_in(stage):
    """Checks in as an app does, or as the venue's staff; (outcome, reasons) or the refusal."""

    async def check_in(credential, code="", *, staff=False):
        request = visit_pb2.CheckInRequest(
            visit_key=secrets.token_bytes(8),
            credential=credential,
            venue_code=code or stage.world.venue_code,
            scanned_by_staff=staff,
        )
        role = "venue_operator" if staff else "app_backend"
        token = bearer(stage.stack.token(role, subject=stage.world.operator if staff else ""))
        outcome = await stage.send(CHECK_IN, request.SerializeToString(), token)
        if outcome.answer is None:
            assert quoted(credential.encode(), outcome.said) is None
            assert quoted(code.encode(), outcome.said) is None
            return outcome.code, outcome.reason
        answer = visit_pb2.CheckInResponse.FromString(outcome.answer)
        name = visit_pb2.CheckInOutcome.Name(answer.outcome).removeprefix("CHECK_IN_OUTCOME_")
        return name, frozenset(one.code for one in answer.reasons)

    return check_in


@pytest.fixture
def proven(stage):
    """How many rows say that somebody was provably at a gate."""

    async def count():
        rows = await stage.database.fetchval("SELECT count(*) FROM checkpoint.passages WHERE grade <> $1", UNPROVEN)
        return int(rows)

    return count


@pytest.fixture
def at_gate(stage):
    return Hand(stage, b"")


@pytest.fixture
def at_door(stage):
    return Hand(stage, venue_code.parse(stage.world.venue_code).to_bytes())


async def test_the_genuine_ones_are_let_in(stage, at_gate, at_door, scan, check_in, proven):
    """Without this, nothing below would tell anything."""
    before = await proven()
    assert await scan(at_gate.shown(seconds=-30).to_text()) == ("ALLOW", frozenset())
    assert await proven() == before + 1
    assert (await check_in(at_door.shown(seconds=-30).to_text()))[0] == "ADMITTED"
    assert (await scan(stage.card))[0] == "ALLOW"
    assert (await check_in(stage.card, staff=True))[0] == "ADMITTED"
    restricted = stage.restricted.shown()
    assert (await scan(restricted))[0] == "DENY"
    await stage.at_rest()


@pytest.mark.parametrize("name", SHOWINGS)
async def test_at_a_gate_a_human_looks_at_it(name, at_gate, scan, proven, stage):
    make, reasons = SHOWINGS[name]
    before = await proven()
    verdict, why = await scan(as_text(make(at_gate)))
    assert verdict == "REFER" or (verdict, why) == REFUSED
    if verdict == "REFER":
        assert len(why) == 1
        known = {"PRESENCE": "MALFORMED", "WRONG_CONTEXT": "MALFORMED"}
        assert why <= {known.get(one, one) for one in reasons}
    assert await proven() == before
    assert not await stage.grown("checkpoint.passages", "checkpoint.anonymous_passages")


@pytest.mark.parametrize("name", SHOWINGS)
async def test_at_a_door_nobody_is_admitted(name, at_door, check_in, stage):
    make, reasons = SHOWINGS[name]
    outcome, why = await check_in(as_text(make(at_door)))
    assert outcome == "REFER" or (outcome, why) in {REFUSED, ("INVALID_ARGUMENT", "CARD_NEEDS_STAFF")}
    if outcome == "REFER":
        assert why <= reasons | {"BAD_SIGNATURE"}
    assert not await stage.grown()


class TestReplays:
    """Genuine once, and not twice."""

    @pytest_asyncio.fixture(loop_scope="session", autouse=True)
    async def _afterwards(self, stage):
        yield
        await stage.at_rest()

    async def test_the_same_presentation_at_a_gate(self, at_gate, scan, proven):
        shown = at_gate.shown(seconds=-20, presence=7)
        assert (await scan(shown.to_text()))[0] == "ALLOW"
        before = await proven()
        assert await scan(shown.to_text()) == ("REFER", {"REPLAYED"})
        assert await proven() == before

    @pytest.mark.parametrize(
        "spelling",
        [
            lambda s: s.to_text().lower(),
            lambda s: f" {s.to_text()}\r\n",
            lambda s: s.to_text()[:20] + "\n" + s.to_text()[20:],
            lambda s: type(s)(s.pass_token, s.time, s.presence, s.context, malleated(s.signature)).to_text(),
        ],
        ids=["small letters", "with spaces around", "with a line end within", "with the other signature"],
    )
    async def test_the_same_in_another_spelling(self, spelling, at_gate, scan, proven, request):
        index = request.node.callspec.indices["spelling"]
        # People of its own for each spelling: two tests may sign the same second.
        shown = at_gate.shown(seconds=-20, presence=2 + index)
        assert (await scan(shown.to_text()))[0] == "ALLOW"
        before = await proven()
        assert await scan(spelling(shown)) == ("REFER", {"REPLAYED"})
        assert await proven() == before

    async def test_the_same_presentation_at_a_door(self, at_door, check_in, stage):
        shown = at_door.shown(seconds=-20, presence=7)
        assert (await check_in(shown.to_text()))[0] == "ADMITTED"
        await stage.at_rest()
        assert await check_in(shown.to_text()) == ("REFER", {"REPLAYED"})
        again = type(shown)(shown.pass_token, shown.time, shown.presence, shown.context, malleated(shown.signature))
        assert await check_in(again.to_text()) == ("REFER", {"REPLAYED"})
        assert not await stage.grown()

    async def test_shown_at_a_door_and_carried_to_a_gate_and_back(self, at_door, at_gate, scan, check_in):
        assert (await scan(at_door.shown(seconds=-10).to_text()))[0] == "REFER"
        assert (await check_in(at_gate.shown(seconds=-10).to_text()))[0] == "REFER"

    async def test_a_scan_id_used_again_for_somebody_else_gets_no_better_answer(self, at_gate, scan, stage):
        """The restricted person's scan cannot borrow the answer of another's."""
        scan_id = secrets.token_bytes(8)
        assert (await scan(at_gate.shown(seconds=-20, presence=6).to_text(), scan_id))[0] == "ALLOW"
        assert (await scan(stage.restricted.shown(), scan_id))[0] != "ALLOW"


def symbols(change):
    return lambda stage: cards.PREFIX + change(stage.card.removeprefix(cards.PREFIX))


CARDS = {
    **{f"random number {index}": lambda _: cards.card_text(cards.new_number()) for index in range(6)},
    "number zero": lambda _: cards.card_text(bytes(16)),
    "number of ones": lambda _: cards.card_text(b"\xff" * 16),
    "revoked": lambda stage: stage.dead_card,
    "revoked, in small letters": lambda stage: stage.dead_card.lower(),
    "one symbol off": symbols(lambda s: ("0" if s[0] != "0" else "1") + s[1:]),
    "last symbol off": symbols(lambda s: s[:-1] + ("Z" if s[-1] != "Z" else "Y")),
    "two neighbours swapped": symbols(lambda s: _swapped(s)),  # noqa: PLW0108 - it is defined below
    "a symbol short": symbols(lambda s: s[:-1]),
    "a symbol more": symbols(lambda s: s + "0"),
    "a symbol that is none": symbols(lambda s: s[:-1] + "U"),
    "not ASCII": symbols(lambda s: s[:-1] + "Ｚ"),
    "the day's key of the number": lambda stage: cards.PREFIX + stage.today.to_bytes(4).hex().upper(),
    "too long": symbols(lambda s: s * 3),
    "the card's number in hex": lambda stage: cards.PREFIX + cards.parse_card(stage.card).hex().upper(),
}


def _swapped(text):
    at = next(at for at in range(len(text) - 1) if text[at] != text[at + 1])
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


@pytest.mark.parametrize("name", CARDS)
async def test_a_card_that_is_none_tells_nobody_at_a_gate(name, stage, scan, proven):
    before = await proven()
    verdict, why = await scan(CARDS[name](stage))
    assert (verdict, why) in {("REFER", frozenset({one})) for one in ("UNKNOWN_CARD", "MALFORMED")}
    assert await proven() == before
    assert not await stage.grown("checkpoint.anonymous_passages")


@pytest.mark.parametrize("name", CARDS)
async def test_a_card_that_is_none_admits_nobody_at_a_door(name, stage, check_in):
    outcome, why = await check_in(CARDS[name](stage), staff=True)
    assert (outcome, why) in {("REFER", frozenset({one})) for one in ("UNKNOWN_CARD", "MALFORMED")}
    assert not await stage.grown()


@pytest.mark.parametrize("name", ["in force", *CARDS])
async def test_no_card_is_taken_from_an_app(name, stage, check_in):
    card = stage.card if name == "in force" else CARDS[name](stage)
    assert await check_in(card) == ("INVALID_ARGUMENT", "CARD_NEEDS_STAFF")
    assert not await stage.grown()
