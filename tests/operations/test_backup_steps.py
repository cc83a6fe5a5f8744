"""The steps of a release's backup: one snapshot for both containers, what fails leaves nothing that looks complete, what is old goes."""

import asyncio
import os
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from chassis import urls
from devstack import postgres
from quarantine.backup import comparing, folders, holding
from quarantine.backup.__main__ import arguments, main
from quarantine.backup.folders import BackupError

from tools.chart import rendering

pytestmark = pytest.mark.feature("X11", "R10")
connected = pytest.mark.connected
NOW = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)


@cache
def script(kind, name):
    """What a container of Postgres' own image runs."""
    objects = rendering.render(values="backup: {enabled: true, restore: latest}")
    item = next(one for one in objects if one["kind"] == kind and one["metadata"]["name"].startswith("lilitong-backup" if kind == "CronJob" else "lilitong-restore"))  # fmt: skip
    return next(one["args"][0] for one in rendering.containers(item) if one["name"] == name)


def client(kind, name, url, handshake, path=None):
    env = {"PATH": f"{path or postgres.binaries()}:/usr/bin:/bin", "BACKUP_DATABASE_URL": url, "BACKUP_HANDSHAKE": str(handshake)}  # fmt: skip
    return subprocess.run(["sh", "-c", script(kind, name)], env=env, capture_output=True, text=True, check=False)


@pytest.fixture
async def database(make_service_database):
    return (await make_service_database("quarantine", "venue", "checkpoint")).superuser_url()


async def until(path):
    for _ in range(200):
        if path.exists():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{path} never came")


async def saved(database, volume, handshake, meanwhile=None):
    handshake.mkdir(exist_ok=True)
    holding_it = asyncio.create_task(holding.hold(database, volume, handshake, 30, 60.0))
    await until(handshake / "snapshot")
    if meanwhile:
        connection = await asyncpg.connect(database)
        await connection.execute(meanwhile)
        await connection.close()
    dumped = await asyncio.to_thread(client, "CronJob", "dump", database, handshake)
    assert dumped.returncode == 0, dumped.stderr
    return (await holding_it)[0]


@connected
async def test_what_is_written_while_it_runs_is_in_neither_the_counts_nor_the_dump(database, empty, tmp_path):
    volume, handshake = tmp_path / "volume", tmp_path / "handshake"
    volume.mkdir()
    done = await saved(database, volume, handshake, "INSERT INTO venue.outbox_streams VALUES ('X', 'x', 1)")
    assert (await comparing.check(database, done))[0].startswith("venue.outbox_streams: ")
    environment = {"BACKUP_DATABASE_URL": empty, "BACKUP_FOLDER": str(volume), "BACKUP_HANDSHAKE": str(tmp_path / "again")}  # fmt: skip
    ready, check = (arguments().parse_args([step, "latest"]) for step in ("ready", "check"))
    assert await asyncio.to_thread(main, ready, environment) == 0
    filled = await asyncio.to_thread(client, "Job", "fill", empty, tmp_path / "again")
    assert filled.returncode == 0, filled.stderr
    assert await asyncio.to_thread(main, check, environment) == 0
    assert await asyncio.to_thread(main, ready, environment) == 2  # it is not empty any more


@connected
async def test_a_role_that_may_only_read_is_enough_to_save(database, tmp_path):
    admin = await asyncpg.connect(database)
    name = f"reader_{uuid4().hex[:8]}"
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE pg_read_all_data")
    await admin.execute(f'GRANT CONNECT ON DATABASE "{await admin.fetchval("SELECT current_database()")}" TO {name}')
    try:
        (tmp_path / "volume").mkdir()
        done = await saved(urls.with_user(database, name, "x"), tmp_path / "volume", tmp_path / "handshake")
        assert await comparing.check(database, done) == []
    finally:
        await admin.execute(
            f'REVOKE CONNECT ON DATABASE "{await admin.fetchval("SELECT current_database()")}" FROM {name}'
        )
        await admin.execute(f"DROP ROLE {name}")
        await admin.close()


@connected
async def test_a_dump_that_fails_leaves_no_backup_and_takes_none_away(database, tmp_path):
    volume, handshake = tmp_path / "volume", tmp_path / "handshake"
    old = volume / folders.name_of(NOW - timedelta(days=90))
    old.mkdir(parents=True)
    (old / folders.MANIFEST).write_text("{}")
    handshake.mkdir()
    held = asyncio.create_task(holding.hold(database, volume, handshake, 30, 60.0))
    await until(handshake / "snapshot")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pg_dump").write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    (tmp_path / "bin/pg_dump").chmod(0o755)
    dumped = await asyncio.to_thread(client, "CronJob", "dump", database, handshake, tmp_path / "bin")
    assert (dumped.returncode, dumped.stderr) == (1, "no space left\n")
    with pytest.raises(BackupError, match="pg_dump failed"):
        await held
    assert [path.name for path in volume.iterdir()] == [old.name], "half a dump fills the volume for the next night"
    assert (handshake / "over").exists()


async def test_what_a_killed_run_left_is_gone_before_the_next_needs_the_room(tmp_path):
    volume, handshake = tmp_path / "volume", tmp_path / "handshake"
    handshake.mkdir()
    now = datetime.now(UTC)
    left = {age: volume / f"{folders.name_of(now - timedelta(hours=age))}.part" for age in (1, 7)}
    for part in left.values():
        part.mkdir(parents=True)
    with pytest.raises(OSError, match="Connect call failed"):
        await holding.hold("postgresql://postgres@127.0.0.1:1/none", volume, handshake, 30, 6 * 3600.0)
    assert list(volume.iterdir()) == [left[1]], "one that may still run stays"
    assert (handshake / "over").exists()


@connected
async def test_who_dumps_gives_up_when_the_other_has_and_is_waited_for_no_longer_than_agreed(database, tmp_path):
    handshake = tmp_path / "handshake"
    handshake.mkdir()
    with pytest.raises(BackupError, match="not done in time"):
        await holding.hold(database, tmp_path / "volume", handshake, 30, 0.1)
    (handshake / "snapshot").unlink()
    assert client("CronJob", "dump", database, handshake).returncode == 1
    assert folders.complete(tmp_path / "volume") == []


@connected
async def test_a_damaged_dump_is_not_restored(database, empty, tmp_path, capfd):
    volume = tmp_path / "volume"
    volume.mkdir()
    done = await saved(database, volume, tmp_path / "handshake")
    with (done / folders.DUMP).open("r+b") as dump:
        dump.seek(100)
        dump.write(b"x")
    environment = {"BACKUP_DATABASE_URL": empty, "BACKUP_FOLDER": str(volume), "BACKUP_HANDSHAKE": str(tmp_path / "again")}  # fmt: skip
    assert await asyncio.to_thread(main, arguments().parse_args(["ready", done.name]), environment) == 2
    assert "is not the file that was saved" in capfd.readouterr().err
    assert not (tmp_path / "again").exists()


def made(volume, *ages):
    for age in ages:
        folder = volume / folders.name_of(NOW - timedelta(days=age))
        folder.mkdir(parents=True)
        (folder / folders.MANIFEST).write_text("{}")


def test_what_is_older_than_agreed_goes_and_the_newest_stays_however_old(tmp_path):
    made(tmp_path, 31, 30, 1)
    (tmp_path / "lost+found").mkdir()
    (tmp_path / f"{folders.name_of(NOW - timedelta(days=2))}.part").mkdir()
    (tmp_path / f"{folders.name_of(NOW - timedelta(hours=2))}.part").mkdir()  # perhaps still running
    folders.make_room(tmp_path, timedelta(hours=6), NOW)
    assert len(folders.prune(tmp_path, 30, NOW)) == 1
    assert len(folders.complete(tmp_path)) == 2
    assert len(list(tmp_path.glob("*.part"))) == 1
    assert (tmp_path / "lost+found").exists()
    later = NOW + timedelta(days=400)
    assert folders.prune(tmp_path, 30, later) == [folders.name_of(NOW - timedelta(days=30))]
    assert [folder.name for folder in folders.complete(tmp_path)] == [folders.name_of(NOW - timedelta(days=1))]


def test_the_newest_complete_one_is_the_latest(tmp_path):
    with pytest.raises(BackupError, match="no complete backup"):
        folders.chosen(tmp_path, folders.LATEST)
    made(tmp_path, 2, 1)
    (tmp_path / folders.name_of(NOW)).mkdir()  # without a manifest
    assert folders.chosen(tmp_path, folders.LATEST).name == folders.name_of(NOW - timedelta(days=1))
    with pytest.raises(BackupError, match=r"is no complete backup; in .* are 2026-11-24T023000Z, 2026-11-25T023000Z"):
        folders.chosen(tmp_path, folders.name_of(NOW))


def test_a_manifest_is_on_its_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Or after a power cut an empty one makes a folder look complete, and it would be the newest."""
    settled = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (settled.append(str(Path(f"/proc/self/fd/{file}").readlink())), real(file))
    )
    (tmp_path / folders.DUMP).write_bytes(b"dump")
    folders.write(tmp_path, {})
    assert settled == [str(tmp_path / f"{folders.MANIFEST}.new")]
    assert folders.sound(tmp_path).size == 4


def test_the_volume_is_tried_and_what_it_holds_is_told(tmp_path, capfd):
    made(tmp_path, 1)
    assert main(arguments().parse_args(["volume"]), {"BACKUP_FOLDER": str(tmp_path)}) == 0
    assert "It holds 1: 2026-11-25T023000Z" in capfd.readouterr().out
    assert main(arguments().parse_args(["volume"]), {"BACKUP_FOLDER": str(tmp_path / "none")}) == 2
    assert main(arguments().parse_args(["volume"]), {}) == 2
    assert "BACKUP_FOLDER is missing." in capfd.readouterr().err
