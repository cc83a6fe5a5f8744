"""Scan: verdicts with their reasons, and exactly one row for each person and scan."""

import secrets

import pytest
from chassis.clock import local_day
from lilitong.checkpoint.v1 import scan_pb2

pytestmark = [pytest.mark.connected, pytest.mark.feature("C2")]

ALLOW, REFER, DENY = scan_pb2.VERDICT_ALLOW, scan_pb2.VERDICT_REFER, scan_pb2.VERDICT_DENY


def tag():
    return secrets.token_bytes(16)


def reasons(answer):
    return [scan_pb2.ScanReason.Name(text.reason).removeprefix("SCAN_REASON_") for text in answer.reasons]


async def rows(world, table="passages"):
    return [dict(row) for row in await world.sql.fetch(f"SELECT * FROM {table}")]


async def test_an_unrestricted_person_passes_and_is_kept_as_one_row(world):
    scanner, alice = await world.scanner(), tag()
    answer = await scanner.scan(world.quarantine.show((alice,), world.clock.now()))
    assert (answer.verdict, answer.recorded, answer.degraded, reasons(answer)) == (ALLOW, True, False, [])
    (row,) = await rows(world)
    assert (row["tag"], row["post"], row["passed_at"], row["late"]) == (alice, scanner.post, world.clock.now(), False)
    assert row["day"] == local_day(world.clock.now())
