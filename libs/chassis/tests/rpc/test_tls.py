"""TLS between our servers and channels, with certificates made here."""

import pytest
from chassis.errors import DomainError, Kind
from chassis.rpc.channel import ClientTls, connect
from chassis.rpc.server import ServerTls
from devstack.certificates import Authority

pytestmark = [pytest.mark.connected, pytest.mark.feature("X2")]


@pytest.fixture
def ours(tmp_path):
    return Authority(tmp_path, "ours")


@pytest.fixture
def strangers(tmp_path):
    return Authority(tmp_path, "strangers")


def server_tls(pair, client_ca=None):
    return ServerTls(pair.certificate, pair.key, client_ca)


@pytest.fixture
def say(world):
    """Calls the server at `port` and gives the answer's text."""

    async def say(port, tls):
        async with connect(f"127.0.0.1:{port}", name="test", tls=tls, timeout=1.5) as channel:
            return (await world.Stub(channel).Open(world.Ask(text="heard"))).text

    return say


async def refused(call):
    with pytest.raises(DomainError) as caught:
        await call
    assert caught.value.kind is Kind.UNAVAILABLE


async def test_a_client_that_trusts_the_servers_authority_is_served(serve, say, ours):
    running = await serve(tls=server_tls(ours.issue("server")))
    assert await say(running.port, ClientTls(ours.certificate)) == "heard"


async def test_a_server_of_another_authority_is_not_believed(serve, say, ours, strangers):
    running = await serve(tls=server_tls(strangers.issue("server")))
    await refused(say(running.port, ClientTls(ours.certificate)))


@pytest.mark.parametrize("odd", [{"address": "192.0.2.1"}, {"expired": True}], ids=["another address", "expired"])
async def test_a_certificate_of_another_place_or_time_is_not_believed(serve, say, ours, odd):
    running = await serve(tls=server_tls(ours.issue("server", **odd)))
    await refused(say(running.port, ClientTls(ours.certificate)))


async def test_a_client_without_tls_is_not_served_and_others_still_are(serve, say, ours):
    running = await serve(tls=server_tls(ours.issue("server")))
    await refused(say(running.port, None))
    assert await say(running.port, ClientTls(ours.certificate)) == "heard"


async def test_a_client_with_tls_does_not_talk_to_a_server_without(serve, say, ours):
    running = await serve()
    await refused(say(running.port, ClientTls(ours.certificate)))


async def test_mutual_tls_serves_only_clients_with_a_certificate_of_the_right_authority(serve, say, ours, strangers):
    running = await serve(tls=server_tls(ours.issue("server"), ours.certificate))
    client, stranger = ours.issue("client"), strangers.issue("stranger")
    expired = ours.issue("expired", expired=True)
    assert await say(running.port, ClientTls(ours.certificate, client.certificate, client.key)) == "heard"
    await refused(say(running.port, ClientTls(ours.certificate)))
    for pair in (stranger, expired):
        await refused(say(running.port, ClientTls(ours.certificate, pair.certificate, pair.key)))
