from datetime import UTC, datetime, timedelta

import pytest
from bench.p4_watch import Gate, NotClosedError
from bench.p7_day_set import FRAME_BYTES, as_sent, held_by, texts, verdicts
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from daysets import wire
from daysets.segment import Entry
from daysets.testing import MemoryLog
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import local_day
from verdicts.model import Verdict

pytestmark = pytest.mark.feature("P7")

TAG, OTHER = bytes(range(16)), bytes(range(1, 17))


def listed(log):
    """One person on today's list, as a scanner is sent it."""
    entry = Entry(TAG, 2, bytes(8))
    return as_sent([wire.encode(log.segment(1, [entry], day=local_day(datetime.now(UTC))))])


def test_a_list_weighs_what_its_messages_weigh_with_their_frames():
    log = MemoryLog()
    day = local_day(datetime.now(UTC))
    segments = [log.segment(number, [Entry(TAG, 2, bytes(8))], day=day, base_parts=2) for number in (1, 2)]
    sent = as_sent([wire.encode(segment) for segment in segments])
    assert sent.records == 2
    assert sent.size == sum(map(len, sent.messages)) + 2 * FRAME_BYTES
    assert [scan_pb2.SyncResponse.FromString(message).segment.number for message in sent.messages] == [1, 2]


def test_a_timed_scan_is_judged_by_list_and_signatures():
    log, issuer = MemoryLog(), generate_private_key(SECP256R1())
    held = held_by(log.signer.verifier, issuer, [listed(log)])
    shown = texts([TAG, OTHER] * 50, issuer, datetime.now(UTC))
    timed = verdicts(held, list(zip(shown, [Verdict.DENY, Verdict.ALLOW] * 50, strict=True)))
    assert 0 < timed.median <= timed.p99


def test_a_verdict_that_is_not_due_stops_the_measurement():
    log, issuer = MemoryLog(), generate_private_key(SECP256R1())
    held = held_by(log.signer.verifier, issuer, [listed(log)])
    shown = texts([TAG, OTHER], issuer, datetime.now(UTC))
    with pytest.raises(RuntimeError, match="DENY where ALLOW"):
        verdicts(held, [(shown[0], Verdict.ALLOW), (shown[1], Verdict.ALLOW)])


@pytest.mark.parametrize("flaw", ["old", "another issuer", "shown twice"])
def test_only_fresh_and_genuine_presentations_count_as_scans(flaw):
    log, issuer = MemoryLog(), generate_private_key(SECP256R1())
    held, now = held_by(log.signer.verifier, issuer, [listed(log)]), datetime.now(UTC)
    signer = generate_private_key(SECP256R1()) if flaw == "another issuer" else issuer
    at = now - timedelta(seconds=70) if flaw == "old" else now
    (text,) = texts([TAG], signer, at)
    gate = Gate(held, lambda: now)
    if flaw == "shown twice":
        gate.read(text, now)
    with pytest.raises(NotClosedError):
        gate.read(text, now)


def test_a_list_that_the_log_does_not_prove_is_not_measured():
    log, issuer = MemoryLog(), generate_private_key(SECP256R1())
    with pytest.raises(RuntimeError, match="not taken in"):
        held_by(MemoryLog(2).signer.verifier, issuer, [listed(log)])
