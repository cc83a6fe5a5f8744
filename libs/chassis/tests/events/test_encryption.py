"""The bus over TLS: whoever is to be trusted may change while a service runs, and nobody may leave the encryption out."""

import asyncio
import shutil
import signal
import sys
from pathlib import Path

import pytest
from chassis.events import Login, connect
from devstack import processes

pytestmark = [pytest.mark.connected, pytest.mark.feature("X2"), pytest.mark.feature("X11")]
LOGIN = Login("venue", "hunter2")


class Broker:
    """A NATS server on one port, whose certificate can be another's after `show`."""

    def __init__(self, folder):
        self.folder, self.port, self.pid = folder, processes.free_port(), 0
        self.url = f"nats://127.0.0.1:{self.port}"

    def show(self, authority):
        """Ends the server, and begins it with a certificate of `authority`; None: in plain text."""
        self.stop()
        lines = [
            f'listen: "127.0.0.1:{self.port}"',
            f"authorization: {{user: {LOGIN.user}, password: {LOGIN.password}}}",
        ]
        if authority is not None:
            pair = authority.issue("nats")
            lines.append(f'tls: {{cert_file: "{pair.certificate}", key_file: "{pair.key}"}}')
        (self.folder / "nats.conf").write_text("\n".join(lines))
        program = str(Path(sys.executable).with_name("nats-server"))
        command = processes.tied([program, "-c", str(self.folder / "nats.conf")])
        self.pid = processes.spawn(command, log=self.folder / "nats.log")

    def stop(self):
        if self.pid:
            processes.end(self.pid, polite=signal.SIGTERM, seconds=5)
        self.pid = 0


@pytest.fixture
def broker(tmp_path):
    made = Broker(tmp_path)
    yield made
    made.stop()


@pytest.fixture
async def bus(broker, tmp_path, old):
    """A connection that trusts what stands in ca.crt, at first the old authority."""
    shutil.copy(old.certificate, tmp_path / "ca.crt")
    made = connect(broker.url, "test", login=LOGIN, authority=tmp_path / "ca.crt")
    yield made
    await made.close()


async def until(holds, seconds=10):
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.02)


async def refused(bus, why):
    """The bus stays away, and says so."""
    await until(lambda: why in bus.trouble)
    assert not bus.connected


async def test_an_authority_that_is_replaced_is_believed_no_more_and_the_new_one_is(bus, broker, tmp_path, old, new):
    broker.show(old)
    await until(lambda: bus.connected)
    shutil.copy(new.certificate, tmp_path / "ca.crt")
    assert bus.connected  # what was made goes on
    broker.show(old)
    await refused(bus, "CERTIFICATE_VERIFY_FAILED")
    broker.show(new)
    await until(lambda: bus.connected)


async def test_a_file_that_is_broken_for_a_moment_changes_nothing(bus, broker, tmp_path, old):
    broker.show(old)
    await until(lambda: bus.connected)
    (tmp_path / "ca.crt").write_text("nonsense")
    generation = bus.generation
    broker.show(old)
    await until(lambda: bus.generation > generation and bus.connected)


async def test_a_server_that_offers_no_encryption_is_sent_no_password(bus, broker, tmp_path, old):
    broker.show(old)
    await until(lambda: bus.connected)
    broker.show(None)
    await refused(bus, "offers no TLS")
    first = connect(broker.url, "test", login=LOGIN, authority=tmp_path / "ca.crt")
    await refused(first, "offers no TLS")
    await first.close()
    broker.show(old)
    await until(lambda: bus.connected)


async def test_a_url_that_says_tls_is_meant(broker):
    broker.show(None)
    bus = connect(broker.url.replace("nats://", "tls://"), "test", login=LOGIN)
    await refused(bus, "offers no TLS")
    await bus.close()
