"""A backup is equal to what was saved, or says what is not; whose log was touched is said to be unsound."""

import asyncio
from pathlib import Path

import asyncpg
import ledger.store as log
import pytest
from devstack import postgres
from quarantine.backup import __main__ as steps
from quarantine.backup import inventory
from quarantine.backup.folders import BackupError

from tools.backup import commands
from tools.backup.__main__ import URL, main

pytestmark = [pytest.mark.connected, pytest.mark.feature("X11")]


@pytest.fixture
async def database(make_service_database):
    made = await make_service_database("quarantine", "venue", "checkpoint")
    owner = await asyncpg.connect(made.url("quarantine"))
    async with owner.transaction():
        await log.append(owner, [bytes([number]) * 32 for number in range(7)])
    await owner.close()
    return commands.Database(made.superuser_url(), postgres.binaries())


async def meddle(database: commands.Database, *statements: str) -> None:
    connection = await asyncpg.connect(database.url)
    await connection.execute("SET session_replication_role = replica")  # as a superuser who means it
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_what_was_saved_comes_back_equal_and_a_second_time_is_refused(database, empty, tmp_path):
    saved = await commands.save(database, tmp_path / "backup")
    assert saved["quarantine"]["log"][0] == 7
    target = commands.Database(empty, postgres.binaries())
    assert await commands.restore(target, tmp_path / "backup") == []
    with pytest.raises(BackupError, match="not empty"):
        await commands.restore(target, tmp_path / "backup")
    with pytest.raises(BackupError, match="is not empty"):
        await commands.save(database, tmp_path / "backup")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("INSERT INTO venue.outbox_streams VALUES ('X', 'x', 1)", "venue.outbox_streams: 0 ("),
        ("UPDATE checkpoint.scan_policies SET high_temperature_decicelsius = 380", "checkpoint.scan_policies: 1 ("),
        ("DELETE FROM quarantine.outbox_shards WHERE shard = 3", "quarantine.outbox_shards: 8 ("),
        ("SELECT setval('venue.outbox_seq', 77)", "venue.outbox_seq: nothing saved, 77 here"),
        (
            "ALTER TABLE quarantine.ledger_leaves DISABLE TRIGGER ledger_leaves_append_only",
            "quarantine: trigger ledger_leaves_append_only of quarantine.ledger_leaves differs",
        ),
        (
            "ALTER TABLE quarantine.restrictions DROP CONSTRAINT restrictions_approvers_check",
            "quarantine: constraint restrictions_approvers_check of quarantine.restrictions is missing",
        ),
        ("GRANT DELETE ON venue.outbox TO venue", "venue: rights of venue.outbox differs"),
    ],
)
async def test_one_row_one_rule_or_one_right_that_differs_is_named(database, tmp_path, statement, said):
    await commands.save(database, tmp_path / "backup")
    assert await commands.check(database, tmp_path / "backup") == []
    await meddle(database, statement)
    (sentence,) = await commands.check(database, tmp_path / "backup")
    assert sentence.startswith(said)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE quarantine.ledger_leaves SET leaf_hash = sha256('x') WHERE leaf_index = 2",
            "the log's head is not that",
        ),
        ("DELETE FROM quarantine.ledger_leaves WHERE leaf_index = 2", "leaf 2 of the log is missing"),
        ("DELETE FROM quarantine.ledger_leaves WHERE leaf_index = 6", "the log's head is not that"),
    ],
)
async def test_a_log_that_was_touched_is_unsound_even_when_it_is_saved_so(database, tmp_path, statement, said):
    await meddle(database, statement)
    with pytest.raises(inventory.UnsoundError, match=said):
        await commands.save(database, tmp_path / "backup")


async def test_saving_and_a_look_tell_the_same_counts_and_a_check_says_equal(database, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv(URL, database.url)
    options = ["--programs", str(postgres.binaries())]
    assert await asyncio.to_thread(main, [*options, "save", str(tmp_path / "backup")]) == 0
    *counts, saved, _ = capfd.readouterr().out.splitlines()
    assert len(counts) == len(inventory.SCHEMAS)
    assert counts[0].startswith("quarantine: ")
    assert counts[0].endswith(" rows, log of 7 entries")
    assert saved == f"Saved to {tmp_path / 'backup'}."
    look = steps.arguments().parse_args(["look"])
    assert await asyncio.to_thread(steps.main, look, {URL: database.url}) == 0
    *again, sound = capfd.readouterr().out.splitlines()
    assert again == counts
    assert sound.startswith("SOUND. ")
    assert await asyncio.to_thread(main, [*options, "check", str(tmp_path / "backup")]) == 0
    assert capfd.readouterr().out.startswith("EQUAL. ")


def test_the_command_says_what_is_wrong_and_never_the_password(monkeypatch, tmp_path, capfd):
    monkeypatch.delenv(URL, raising=False)
    assert main(["check", str(tmp_path)]) == 2
    monkeypatch.setenv(URL, "postgresql://postgres:hidden@127.0.0.1:1/lilitong")
    assert main(["check", str(tmp_path)]) == 2
    (Path(tmp_path) / "manifest.json").write_text('{"format": 1, "inventory": {}}')
    assert main(["check", str(tmp_path)]) == 2
    said = capfd.readouterr().err
    assert "this is no backup" in said
    assert "hidden" not in said
