"""Keys of codes, screens, log and draws are changed with overlap: what hangs on walls is good until it is taken down."""

import asyncio
import os
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from chassis import key_versions
from chassis.access import calling
from chassis.errors import DomainError, Kind
from chassis.key_versions import KeyVersionError
from ledger.note import Checkpoint, Signer, Verifier, open_checkpoint, sign
from lilitong.venue.v1 import venue_pb2 as pb
from lilitong.venue.v1 import visit_pb2
from passes import venue_code
from passes.vault import DirectoryVault
from passes.venue_code import ScreenGrant
from venue import keys as commands
from venue.key_versions import CODES, DRAWS, LOG, SCREENS, VenueKeys
from venue.register import resigning
from venue.register.codes import FORMER, VenueCodes
from venue.settings import VenueSettings

pytestmark = [pytest.mark.feature("V3"), pytest.mark.connected]
ADMITTED = visit_pb2.CHECK_IN_OUTCOME_ADMITTED
LATER = key_versions.TAKEN_OVER
INVALID = (Kind.INVALID, "VENUE_CODE_INVALID")


class Room:
    """The house's replica, the folder that is mounted into all of them, and the operator."""

    def __init__(self, house, folder, database):
        self.house, self.provided = house, folder / "provided"
        self.vault = DirectoryVault(folder / "made")
        self.provided.mkdir()
        for name in (CODES, SCREENS, LOG, DRAWS):
            self.bring(name)
        (folder / "token").write_text("x")
        (folder / "jwks").write_text('{"keys": []}')
        self.settings = VenueSettings(
            listen="127.0.0.1:0",
            jwks=str(folder / "jwks"),
            issuer="i",
            database_url=database("venue"),
            nats_url="nats://127.0.0.1:9",
            event_trace_key=os.urandom(32),
            vault=folder / "not used",
            vault_provided=self.provided,
            quarantine_target="127.0.0.1:9",
            workload_token_file=folder / "token",
        )
        self.keys = self.replica()
        house.codes._keys = self.keys
        house.codes.take_over()

    def replica(self):
        return VenueKeys.of(DirectoryVault(self.settings.vault, provided=self.provided), brought=True)

    def bring(self, name, version=1):
        """A new key's file, as it is put into the Secret."""
        file = name if version == 1 else f"{name}-{version}"
        if name == CODES:
            self.vault.signing_key(file)
        elif name == LOG:
            self.vault.ed25519_key(file)
        else:
            self.vault.secret(file)
        suffix, folder = ("bin", "secrets") if name in (SCREENS, DRAWS) else ("pem", "keys")
        (self.provided / f"{file}.{suffix}").write_bytes(
            (self.provided.parent / "made" / folder / f"{file}.{suffix}").read_bytes()
        )

    async def start(self):
        async with self.house.pool.acquire() as conn, conn.transaction():
            await key_versions.ensure(conn, self.keys.every, self.house.clock.now())

    async def look(self):
        """As the sweep does, every five seconds."""
        async with self.house.pool.acquire() as conn:
            await key_versions.load(conn, self.keys.every, self.house.clock.now())
        self.house.codes.take_over()

    async def command(self, *words):
        return await commands.run(self.settings, commands.arguments().parse_args(words), self.house.clock)

    async def rotate(self, name, version=2):
        self.bring(name, version)
        assert await self.command("rotate", name) == 0
        self.house.clock.advance(LATER)
        await self.look()

    async def code(self, zone):
        return await self.house.owner.fetchval("SELECT code FROM zones WHERE zone = $1", zone)

    async def shown(self, code):
        """(outcome) of a check-in with this code, or why it was refused."""
        self.house.clock.advance(timedelta(seconds=1))  # what is shown again in the same moment is a replay
        try:
            return (await self.house.check_in(self.house.scan("wang", code))).outcome
        except DomainError as error:
            return error.kind, error.reason

    async def screen(self, zone, who):
        with calling(who.officer):
            answer = await self.house.venues.IssueScreenSecret(
                pb.IssueScreenSecretRequest(request_id=str(uuid4()), zone=zone), None
            )
        grant = ScreenGrant(zone, answer.version, answer.kid, answer.signature)
        return lambda: grant.show(answer.secret, self.house.clock.now()).to_text()


@pytest.fixture
async def room(house, tmp_path, database):
    await house.owner.execute("TRUNCATE key_versions")
    made = Room(house, tmp_path, database)
    await made.start()
    yield made
    await house.owner.execute("TRUNCATE key_versions")


@pytest.mark.case("happy path")
async def test_a_poster_of_the_former_key_hangs_beside_the_new_one_until_the_key_is_retired(room, capsys):
    zone = (await room.house.register()).zones[0]
    await room.rotate(CODES)
    counted = FORMER._value.get()
    assert await room.shown(zone.code) == ADMITTED
    assert FORMER._value.get() == counted + 1
    assert await room.command("retire", CODES, "1") == 1
    assert "posters in force of 1 zones" in capsys.readouterr().out

    assert await room.command("resign") == 0
    printed = await room.code(zone.zone)
    assert (printed != zone.code, venue_code.parse(printed).version) == (True, zone.code_version)
    assert [await room.shown(code) for code in (zone.code, printed)] == [ADMITTED, ADMITTED]

    assert await room.command("retire", CODES, "1") == 0
    await room.look()
    assert [await room.shown(code) for code in (zone.code, printed)] == [INVALID, ADMITTED]
    (room.provided / "venue-code.pem").unlink()
    room.keys = room.house.codes._keys = room.replica()
    await room.start()
    room.house.codes.take_over()
    assert await room.shown(printed) == ADMITTED


async def test_a_new_key_signs_only_when_every_replica_can_believe_it(room, capsys):
    room.bring(CODES, 2)
    assert await room.command("rotate", CODES) == 0
    assert await room.command("resign") == 1
    assert "venue-code 2 is used from" in capsys.readouterr().out.splitlines()[-1]
    await room.look()
    early = (await room.house.register()).zones[0].code
    assert {1, 2} == set(room.keys.codes.believed)
    room.house.clock.advance(LATER)
    await room.look()
    late = (await room.house.register()).zones[0].code
    kids = [venue_code.parse(code).kid for code in (early, late)]
    assert kids == [versions.mark for versions in await _versions(room, CODES)]


async def _versions(room, name):
    async with room.house.pool.acquire() as conn:
        return await key_versions.every(conn, name)


@pytest.mark.case("bad input")
async def test_a_key_that_is_not_in_the_secret_is_not_made_in_one_pod_alone(room, capsys):
    for name, file in ((CODES, "venue-code-2.pem"), (SCREENS, "venue-screens-2.bin"), (LOG, "venue-log-2.pem")):
        assert await room.command("rotate", name) == 1
        assert f"{file} is not there: put it into the Secret" in capsys.readouterr().out
    assert len(await _versions(room, CODES)) == 1


@pytest.mark.case("happy path")
async def test_a_stolen_key_is_retired_at_once_and_its_posters_with_it(room):
    zone = (await room.house.register()).zones[0]
    await room.rotate(CODES)
    assert await room.command("retire", CODES, "1", "--stolen") == 0
    await room.look()
    assert await room.shown(zone.code) == INVALID
    assert await room.command("resign") == 0
    assert await room.shown(await room.code(zone.zone)) == ADMITTED


@pytest.mark.case("happy path")
async def test_screens_go_on_under_the_former_secret_and_fetch_the_new_one_in_their_own_time(room, who):
    first, second = (each.zone for each in (await room.house.register(zones=2)).zones)
    old = await room.screen(first, who)
    await room.rotate(SCREENS)
    new = await room.screen(second, who)
    assert [await room.shown(screen()) for screen in (old, new)] == [ADMITTED, ADMITTED]
    assert await room.command("retire", SCREENS, "1") == 0
    await room.look()
    assert [await room.shown(screen()) for screen in (old, new)] == [INVALID, ADMITTED]


@pytest.mark.case("concurrency")
async def test_signing_anew_passes_over_who_is_busy_and_undoes_no_change(room, who):
    zones = [each.zone for each in (await room.house.register(zones=4)).zones]
    await room.rotate(CODES)
    async with room.house.owner.transaction():
        await room.house.owner.execute("SELECT FROM zones WHERE zone = $1 FOR UPDATE", zones[0])
        assert await resigning.resign(room.house.pool, room.house.codes, batch=2) == (3, 1)
    with calling(who.officer):
        await room.house.venues.RevokeVenueCode(pb.RevokeVenueCodeRequest(request_id=str(uuid4()), zone=zones[1]), None)
    answers = await asyncio.gather(*(resigning.resign(room.house.pool, room.house.codes, batch=1) for _ in range(3)))
    assert (sum(done for done, _ in answers), [left for _, left in answers]) == (1, [0, 0, 0])
    assert [await room.code(zone) is None for zone in zones] == [False, True, False, False]


@pytest.mark.case("crash")
async def test_signing_anew_goes_on_where_it_was_stopped(room):
    zones = [each.zone for each in (await room.house.register(zones=5)).zones]
    await room.rotate(CODES)
    codes, poster = room.house.codes, room.house.codes.poster
    made = []

    def breaks(zone, version):
        made.append(zone)
        if len(made) == 3:
            raise KeyboardInterrupt
        return poster(zone, version)

    codes.poster = breaks
    with pytest.raises(KeyboardInterrupt):
        await resigning.resign(room.house.pool, codes, batch=2)
    codes.poster = poster
    kids = [venue_code.parse(await room.code(zone)).kid == codes.kid for zone in zones]
    assert kids == [True, True, False, False, False]
    assert await resigning.resign(room.house.pool, codes, batch=2) == (3, 0)
    assert await resigning.resign(room.house.pool, codes, batch=2) == (0, 0)


@pytest.mark.feature("V9")
@pytest.mark.case("happy path", of="V9")
async def test_what_the_logs_former_key_signed_is_verified_by_the_set_and_what_it_lacks_is_not(room, capsys):
    def signer():
        return Signer("lilitong/venue", next(iter(room.keys.log.believed.values())))

    before = sign(Checkpoint("lilitong/venue", 3, bytes(32)), signer())
    await room.rotate(LOG)
    after = sign(Checkpoint("lilitong/venue", 4, bytes(32)), signer())
    assert await room.command("retire", LOG, "1") == 0
    (room.provided / "venue-log.pem").unlink()
    capsys.readouterr()
    assert await room.command("list") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    published = [Verifier.parse(line[-1]) for line in lines if line[1] == LOG]
    assert len(published) == 2
    for note, size in ((before, 3), (after, 4)):
        assert open_checkpoint(note, published).size == size
    with pytest.raises(ValueError, match="no trusted key"):
        open_checkpoint(before, published[1:])


@pytest.mark.case("bad input")
async def test_a_missing_or_another_key_stops_the_start_with_one_sentence(room, make_service_database, start_in_vain):
    own = await make_service_database("venue")
    settings = room.settings.model_copy(update={"database_url": own.url("venue")})
    conn = await asyncpg.connect(own.url("venue"))
    async with conn.transaction():
        await key_versions.ensure(conn, room.keys.every, room.house.clock.now())
    await conn.close()
    file = room.provided / "venue-screens.bin"
    for change, said in [
        (file.unlink, "venue-screens.bin is missing, and is in use since"),
        (lambda: file.write_bytes(b"x" * 32), "venue-screens.bin is another key than the one in use since"),
    ]:
        change()
        code, told = await start_in_vain("venue", settings)
        assert (code, said in told) == (2, True), told


async def test_a_key_whose_file_is_lost_on_the_way_is_logged_and_the_others_go_on(room):
    zone = (await room.house.register()).zones[0]
    await room.rotate(CODES)
    other = room.replica()
    (room.provided / "venue-code-2.pem").unlink()
    async with room.house.pool.acquire() as conn:
        await key_versions.load(conn, other.every, room.house.clock.now())
    codes = VenueCodes(other)
    codes.check(venue_code.parse(zone.code), room.house.zones.find(zone.zone), room.house.clock.now())
    with pytest.raises(KeyVersionError, match=r"venue-code-2\.pem"):
        other.codes.get(2)
    room.bring(CODES, 2)
    async with room.house.pool.acquire() as conn:
        await key_versions.load(conn, other.every, room.house.clock.now())
    assert other.codes.current[0] == 2


@pytest.mark.case("repeat")
async def test_what_is_in_use_or_retired_or_unknown_is_not_retired(room, capsys):
    for words in (("1",), ("2",)):
        assert await room.command("retire", DRAWS, *words) == 1
    await room.rotate(DRAWS)
    assert await room.command("retire", DRAWS, "2") == 1
    assert await room.command("retire", DRAWS, "1") == 0
    assert await room.command("retire", DRAWS, "1") == 1
    said = capsys.readouterr().out
    for sentence in (
        "spot-checks 1 is in use",
        "no version 2 of spot-checks",
        "spot-checks 2 is in use",
        "retired already",
    ):
        assert sentence in said
    assert [one.retired_at is None for one in await _versions(room, DRAWS)] == [False, True]


async def test_a_row_slipped_into_the_table_brings_no_key(room):
    await room.house.pool.execute(
        "INSERT INTO key_versions (name, version, mark, begins_at) VALUES ($1, 2, $2, now() - interval '1 hour')",
        CODES,
        bytes(8),
    )
    await room.look()
    room.bring(CODES, 2)
    await room.look()
    assert set(room.keys.codes.believed) == {1}
    assert room.keys.codes.current[0] == 1


@pytest.mark.case("crash")
async def test_a_damaged_file_of_one_version_keeps_no_stolen_one_believed(room):
    code = (await room.house.register()).zones[0].code
    await room.rotate(CODES)
    for file in (f"{CODES}-3.pem", f"{DRAWS}-2.bin"):
        (room.provided / file).write_bytes(b"damaged")
    await room.house.pool.execute(
        "INSERT INTO key_versions (name, version, mark, begins_at) VALUES ($1, 3, $3, now()), ($2, 2, $3, now())",
        CODES,
        DRAWS,
        bytes(8),
    )
    assert await room.command("retire", CODES, "1", "--stolen") == 0
    await room.look()
    assert await room.shown(code) == INVALID
    assert set(room.keys.codes.believed) == {2}
    assert set(room.keys.draws.believed) == {1}
    with pytest.raises(KeyVersionError, match=r"venue-code-3\.pem is no private key"):
        await room.start()
