"""Day sets that are not what the log holds, given to a scanner's library.

Nobody may be denied anything on them. The most that a forgery can do is to make staff look at somebody.
"""

from datetime import timedelta

import pytest
from access_matrix.world import now
from attack_tools.day_sets import FORGED, TAG, Log
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets import wire
from daysets.index import DaySetIndex, Outcome
from daysets.segment import SegmentError
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.quarantine.v1 import keys_pb2
from passes.days import local_day
from scanner.held import Held
from verdicts.credential import Shown
from verdicts.model import Observations, Policy, Verdict
from verdicts.verdict import decide

pytestmark = [pytest.mark.slow, pytest.mark.feature("S2"), pytest.mark.feature("C4"), pytest.mark.feature("R9")]
HEALTHY = Observations(temperature_decicelsius=366)
LENIENT = Policy(temperature_required=False, codes_required=False, registration_required=False)


def verdicts(index: DaySetIndex) -> set[Verdict]:
    """On everybody whom some forgery names, today and on the days beside it, for real and in drills."""
    found = set()
    for tag in (TAG, b"\x0d" * 16, b"\xff" * 16, b"\x0a" + TAG[1:]):
        for drill_id in ("", "drill", "another"):
            for step in (-1, 0, 1):
                at = now() + timedelta(days=step)
                shown = Shown(local_day(at), (tag,), (0,), at, drill_id=drill_id)
                found.add(
                    decide(
                        shown,
                        observations=HEALTHY,
                        bearer_matched=True,
                        policy=LENIENT,
                        lists=index,
                        list_age_seconds=0,
                        at=at,
                    ).verdict
                )
    return found


@pytest.fixture
def log():
    return Log()


def test_the_genuine_change_denies(log):
    """Without this, nothing below would tell anything."""
    held = Held(log.keys)
    assert [held.take_segment(one) for one in (log.base, log.change)] == [Outcome.APPLIED] * 2
    assert Verdict.DENY in verdicts(held.index)
    held.take_segment(log.lift)
    assert verdicts(held.index) == {Verdict.ALLOW}


@pytest.mark.parametrize("after", ["alone", "after the base"])
@pytest.mark.parametrize("name", FORGED)
def test_a_scanner_denies_nobody_on_a_forged_set(name, after, log):
    held = Held(log.keys)
    if after == "after the base":
        held.take_segment(log.base)
    assert held.take_segment(FORGED[name](log)) in {Outcome.REFUSED, Outcome.OUTDATED}
    assert verdicts(held.index) <= {Verdict.ALLOW, Verdict.REFER}


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_neither_undoes_nor_blocks_what_is_proven(name, log):
    held = Held(log.keys)
    held.take_segment(log.base)
    held.take_segment(FORGED[name](log))
    assert held.take_segment(log.change) is Outcome.APPLIED
    assert Verdict.DENY in verdicts(held.index)
    held.take_segment(FORGED[name](log))
    held.take_segment(log.lift)
    found = held.index.lookup(local_day(now()), "", TAG, now())
    assert found is None


@pytest.mark.parametrize("cut", [0, 1, 5, 20, -20, -1])
def test_a_set_cut_short_on_the_wire_is_none(cut, log):
    data = wire.encode(log.change)[: cut or None]
    data = data if cut else b"\xff" + data
    held = Held(log.keys)
    try:
        outcome = held.take_segment(wire.decode(data))
    except SegmentError:
        return
    assert outcome is Outcome.REFUSED
    assert Verdict.DENY not in verdicts(held.index)


def test_a_log_key_from_the_server_is_not_believed(log):
    """Log keys are those of the enrolment; a server in the wrong hands cannot bring its own."""
    evil = Log(9)
    held = Held(log.keys)
    key = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    listed = keys_pb2.VerificationKey(kid=b"k" * 8, use=keys_pb2.KEY_USE_LOG, public_key=der, origin=evil.signer.name)
    held.take_keys(scan_pb2.Keys(keys=[listed]), now())
    assert held.take_segment(evil.change) is Outcome.REFUSED
    assert Verdict.DENY not in verdicts(held.index)
