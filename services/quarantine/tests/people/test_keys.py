"""Signing keys: made once, published with the fact, rotated without losing a pass, revoked for good."""

import asyncio
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.clock import day_start, local_day
from daysets.trust import TrustedKeys, Use, from_messages
from hypothesis import given
from hypothesis import strategies as st
from lilitong.quarantine.v1.keys_pb2 import ListVerificationKeysRequest, VerificationKeysChanged
from passes.pass_token import IssuerKey, verify_pass
from passes.vault import DirectoryVault, roll
from prometheus_client import REGISTRY
from quarantine.keys import changing, store, watch
from quarantine.keys.model import PASS_DAYS, SigningKey, published, retired_at, signing
from quarantine.keys.ring import KeyRing
from quarantine.keys.rpc import KeyRpc

START = datetime(2022, 1, 1, tzinfo=UTC)
moments = st.timedeltas(timedelta(), timedelta(days=400)).map(lambda step: START + step)


def key(version, begins, *, revoked=False, ends=datetime(9999, 1, 1, tzinfo=UTC), use=Use.PASS):
    return SigningKey(bytes([version] * 8), use, version, b"", begins, ends, begins if revoked else None)


@pytest.mark.feature("Q2")
@given(moments)
def test_a_retired_key_is_believed_until_its_last_pass_could_arrive(now):
    last_pass_ends = day_start(local_day(now) + timedelta(days=PASS_DAYS + 1))
    assert retired_at(Use.PASS, now) >= last_pass_ends + timedelta(hours=72)
    assert retired_at(Use.LOG, now) >= day_start(local_day(now) + timedelta(days=3)) + timedelta(hours=72)


@pytest.mark.feature("Q2")
@given(st.lists(st.tuples(moments, st.booleans()), max_size=6), moments)
def test_the_newest_key_that_has_begun_and_stands_signs(made, at):
    keys = [key(version, begins, revoked=revoked) for version, (begins, revoked) in enumerate(made, start=1)]
    able = [one.version for one in keys if one.not_before <= at and one.revoked_at is None]
    found = signing(keys, Use.PASS, at)
    assert (found.version if found else 0) == max(able, default=0)
    assert signing(keys, Use.LOG, at) is None


@pytest.mark.feature("Q2")
def test_expired_keys_are_not_told_and_revoked_ones_are_marked():
    now = datetime(2022, 3, 10, tzinfo=UTC)
    old = key(1, now - timedelta(days=40), ends=now)
    bad = key(2, now - timedelta(days=20), revoked=True)
    assert [(one.kid, one.revoked) for one in published([old, bad], now)] == [(bad.kid, True)]


@pytest.mark.connected
@pytest.mark.feature("Q2")
class TestOnPostgres:
    async def rotate(self, desk, use=Use.PASS):
        async with desk.world.pool.acquire() as conn, conn.transaction():
            made = await changing.rotate(conn, desk.world.vault, use, desk.world.clock.now(), lambda: b"")
        await self.load(desk)
        return made

    async def load(self, desk):
        async with desk.world.pool.acquire() as conn:
            await desk.ring.load(conn)

    def trusted(self, desk):
        now = desk.world.clock.now()
        keys = TrustedKeys.of(desk.ring.published(now), now).passes
        return {kid: IssuerKey(one.public_key, drill=one.drill) for kid, one in keys.items()}

    async def passes(self, desk, holder, **more):
        answer = await desk.call("IssuePasses", desk.wanted(holder, **more), "app_backend")
        return [getattr(one, "pass") for one in answer.passes]

    async def test_one_key_of_each_use_is_made_by_whoever_starts_first(self, desk):
        async def start():
            async with desk.world.pool.acquire() as conn, conn.transaction():
                return await changing.ensure(conn, desk.world.vault, "x", desk.world.clock.now(), lambda: b"")

        assert await asyncio.gather(*(start() for _ in range(4))) == [False] * 4
        keys = desk.ring.published(desk.world.clock.now())
        assert sorted(one.use for one in keys) == sorted(Use)
        (event,) = await desk.world.events(VerificationKeysChanged)
        assert sorted(from_messages(event.keys), key=lambda one: one.kid) == sorted(keys, key=lambda one: one.kid)

    async def test_after_a_rotation_the_new_key_signs_and_the_old_passes_stay_good_to_their_end(self, desk):
        (holder,) = await desk.registered()
        (*_, before) = await self.passes(desk, holder, days=range(8))
        made = await self.rotate(desk)
        (after,) = await self.passes(desk, holder)
        assert made.kid in after
        assert made.kid not in before
        desk.world.clock.advance(timedelta(days=7, hours=11))  # the last pass's evening
        assert verify_pass(before, self.trusted(desk)).tags
        desk.world.clock.advance(timedelta(days=4))
        assert made.kid in self.trusted(desk)
        assert len(self.trusted(desk)) == 2  # the drill's, and the new one

    async def test_who_asks_after_a_change_was_told_learns_of_it_at_once(self, desk):
        """The replica that is asked need not be the one that rotated, nor have looked since."""
        rpc = KeyRpc(desk.world.pool, desk.ring, desk.world.clock)
        async with desk.world.pool.acquire() as conn, conn.transaction():
            made = await changing.rotate(conn, desk.world.vault, Use.PASS, desk.world.clock.now(), lambda: b"")
        with calling(Caller("venue", kind="workload")):
            answer = await rpc.ListVerificationKeys(ListVerificationKeysRequest(), None)
        assert made.kid in {key.kid for key in answer.keys}

    async def test_each_change_is_told_in_its_transaction(self, desk):
        await self.rotate(desk, Use.SEALING)
        first, second = await desk.world.events(VerificationKeysChanged)
        assert len(second.keys) == len(first.keys) + 1

    async def test_a_repeated_order_is_signed_by_the_key_of_its_first_time(self, desk):
        (holder,) = await desk.registered()
        request = desk.wanted(holder)
        first = await desk.call("IssuePasses", request, "app_backend")
        desk.world.clock.advance(timedelta(seconds=1))
        await self.rotate(desk)
        assert await desk.call("IssuePasses", request, "app_backend") == first

    async def test_what_a_revoked_key_signed_is_believed_no_more_and_a_new_one_signs(self, desk):
        (holder,) = await desk.registered()
        (token,) = await self.passes(desk, holder)
        kid = next(one.kid for one in desk.ring.published(desk.world.clock.now()) if one.use is Use.PASS)
        async with desk.world.pool.acquire() as conn, conn.transaction():
            await changing.revoke(conn, desk.world.vault, kid, desk.world.clock.now(), lambda: b"")
        await self.load(desk)
        assert kid in token
        assert kid not in self.trusted(desk)
        (again,) = await self.passes(desk, holder)
        assert verify_pass(again, self.trusted(desk)).tags
        with pytest.raises(changing.UnknownKeyError):
            async with desk.world.pool.acquire() as conn, conn.transaction():
                await changing.revoke(conn, desk.world.vault, kid, desk.world.clock.now(), lambda: b"")

    async def test_a_key_slipped_into_the_table_is_published_to_nobody(self, desk):
        """S3: with the service's own role one can write a row, but not the vault."""
        now = desk.world.clock.now()
        (real,) = [one for one in desk.ring.published(now) if one.use is Use.LOG]
        async with desk.world.pool.acquire() as conn:
            await store.insert(
                conn,
                [
                    SigningKey(
                        b"evilevil",
                        Use.LOG,
                        9,
                        real.public_key[:-1] + b"!",
                        real.not_before,
                        real.not_after,
                        origin="x",
                    )
                ],
            )
        fresh = KeyRing(desk.world.vault)
        async with desk.world.pool.acquire() as conn:
            await fresh.load(conn)
        assert b"evilevil" not in {one.kid for one in fresh.published(now)}
        await self.rotate(desk)
        *_, event = await desk.world.events(VerificationKeysChanged)
        assert b"evilevil" not in {one.kid for one in event.keys}


class TestWatched:
    @pytest.mark.feature("X11")
    def test_day_keys_are_counted_up_to_the_first_gap(self, tmp_path):
        vault, today = DirectoryVault(tmp_path / "vault", cache_seconds=0), date(2022, 3, 10)
        roll(vault, today)
        watch.day_keys(vault, today)
        assert REGISTRY.get_sample_value("lilitong_day_keys_ahead") == 8
        (tmp_path / "vault/days/2022-03-14.key").unlink()
        watch.day_keys(vault, today)
        assert REGISTRY.get_sample_value("lilitong_day_keys_ahead") == 3

    @pytest.mark.connected
    @pytest.mark.feature("X11")
    async def test_a_rotation_makes_the_exported_key_young(self, desk):
        async def made() -> dict[str, float]:
            await watch.signing_keys(desk.world.pool)
            name = "lilitong_signing_key_made_timestamp_seconds"
            return {use.value: REGISTRY.get_sample_value(name, {"use": use.value}) for use in Use}

        before = await made()
        async with desk.world.pool.acquire() as conn, conn.transaction():
            await changing.rotate(conn, desk.world.vault, Use.PASS, desk.world.clock.now(), lambda: b"")
        after = await made()
        assert abs(before["pass"] - time.time()) < 3600  # not the beginning of time, from which a first key is good
        assert after.pop("pass") > before.pop("pass")
        assert after == before
