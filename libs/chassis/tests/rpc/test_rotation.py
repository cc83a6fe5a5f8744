"""New certificates need no restart, and no call fails for them; those that prove nothing are refused before and after."""

import asyncio
import shutil
from contextlib import AsyncExitStack

import pytest
from chassis.errors import DomainError, Kind
from chassis.rpc.channel import ClientTls, connect
from chassis.rpc.server import ServerTls
from chassis.rpc.tls import TlsError

pytestmark = [pytest.mark.connected, pytest.mark.feature("X2"), pytest.mark.feature("X11")]


class Mount:
    """A secret as Kubernetes mounts it: tls.crt, tls.key and ca.crt are links, swapped all at once."""

    def __init__(self, folder):
        self.folder, self.turn = folder, 0
        folder.mkdir()

    def swap(self, pair, authorities):
        self.turn += 1
        dated = self.folder / f"..{self.turn}"
        dated.mkdir()
        shutil.copy(pair.certificate, dated / "tls.crt")
        shutil.copy(pair.key, dated / "tls.key")
        (dated / "ca.crt").write_bytes(b"".join(each.certificate.read_bytes() for each in authorities))
        fresh = self.folder / "..new"
        fresh.symlink_to(dated.name)
        fresh.rename(self.folder / "..data")
        for name in ("tls.crt", "tls.key", "ca.crt"):
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        return self

    def files(self):
        return self.folder / "tls.crt", self.folder / "tls.key", self.folder / "ca.crt"

    def server(self):
        return ServerTls(*self.files())

    def client(self):
        certificate, key, authority = self.files()
        return ClientTls(authority, certificate, key)


@pytest.fixture
async def say(world):
    """Calls on a channel that stays, or on one of its own when `tls` is given."""
    async with AsyncExitStack() as stack:
        channels = {}

        async def said(port, tls):
            if tls not in channels:
                channel = connect(f"127.0.0.1:{port}", name="test", tls=tls, timeout=3, retry=())
                channels[tls] = await stack.enter_async_context(channel)
            return (await world.Stub(channels[tls]).Open(world.Ask(text="heard"))).text

        yield said


async def refused(call):
    with pytest.raises(DomainError) as caught:
        await call
    assert caught.value.kind is Kind.UNAVAILABLE


async def test_a_whole_authority_is_replaced_under_load_without_a_failed_call(serve, world, tmp_path, old, new):
    """In three steps, as docs/operations/rotate.md has them: trust both, show the new, forget the old."""
    server = Mount(tmp_path / "server").swap(old.issue("server"), [old])
    client = Mount(tmp_path / "client").swap(old.issue("client"), [old])
    running = await serve(tls=server.server())
    shown, failed, done = set(), [], asyncio.Event()

    async def load():
        async with connect(f"127.0.0.1:{running.port}", name="test", tls=client.client(), timeout=5) as channel:
            stub = world.Stub(channel)
            while not done.is_set():
                try:
                    assert (await stub.Open(world.Ask(text="heard"))).text == "heard"
                    shown.add(client.turn)
                except DomainError as error:
                    failed.append(error)
                await asyncio.sleep(0.002)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(load())
        await asyncio.sleep(1.2)
        for pairs, trusted in (((old, old), [old, new]), ((new, new), [old, new]), ((new, new), [new])):
            server.swap(pairs[0].issue("server"), trusted)
            client.swap(pairs[1].issue("client"), trusted)
            await asyncio.sleep(2.5)
        done.set()
    assert failed == []
    assert shown == {1, 2, 3, 4}
    # Afterwards the old authority is worth nothing, and the new one is what the server shows.
    stale = Mount(tmp_path / "stale").swap(old.issue("stale"), [old, new])
    late = Mount(tmp_path / "late").swap(new.issue("late"), [new])
    async with connect(f"127.0.0.1:{running.port}", name="test", tls=stale.client(), timeout=2) as channel:
        await refused(world.Stub(channel).Open(world.Ask(text="heard")))
    async with connect(f"127.0.0.1:{running.port}", name="test", tls=late.client(), timeout=2) as channel:
        assert (await world.Stub(channel).Open(world.Ask(text="heard"))).text == "heard"


async def test_a_channel_shows_its_new_certificate_once_the_old_one_is_no_longer_taken(serve, say, tmp_path, old, new):
    server = Mount(tmp_path / "server").swap(old.issue("server"), [old])
    client = Mount(tmp_path / "client").swap(old.issue("client"), [old])
    running = await serve(tls=server.server())
    assert await say(running.port, client.client()) == "heard"
    server.swap(new.issue("server"), [new])
    client.swap(new.issue("client"), [new])
    await asyncio.sleep(1.2)
    assert await say(running.port, client.client()) == "heard"


async def test_files_that_do_not_belong_together_change_nothing(serve, say, tmp_path, old):
    server = Mount(tmp_path / "server").swap(old.issue("server"), [old])
    client = Mount(tmp_path / "client").swap(old.issue("client"), [old])
    running = await serve(tls=server.server())
    assert await say(running.port, client.client()) == "heard"
    for mount in (server, client):
        mount.swap(old.issue("another"), [old])
        (mount.folder / f"..{mount.turn}" / "tls.key").write_bytes(old.issue("odd").key.read_bytes())
    await asyncio.sleep(1.2)
    assert await say(running.port, client.client()) == "heard"
    other = Mount(tmp_path / "other").swap(old.issue("other"), [old])
    assert await say(running.port, other.client()) == "heard"
    with pytest.raises(TlsError, match="do not belong together"):
        connect("127.0.0.1:1", name="test", tls=client.client())
    server.swap(old.issue("server"), [old])
    await asyncio.sleep(1.2)
    assert await say(running.port, client.client()) == "heard"


@pytest.mark.parametrize("broken", ["tls.crt", "tls.key", "ca.crt"])
async def test_a_server_with_broken_files_does_not_start_and_says_which(serve, tmp_path, old, broken):
    server = Mount(tmp_path / "server").swap(old.issue("server"), [old])
    (server.folder / "..1" / broken).write_text("nonsense")
    with pytest.raises(TlsError, match=broken):
        await serve(tls=server.server())
    (server.folder / "..1" / broken).unlink()
    with pytest.raises(TlsError, match="No such file"):
        await serve(tls=server.server())
