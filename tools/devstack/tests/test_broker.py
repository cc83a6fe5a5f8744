"""The broker's accounts, held by a real server: each service may say and hear what is its own, and nothing else."""

import asyncio
import contextlib
import json

import nats.errors
import pytest
from chassis.events import Login, connect, plan
from devstack import broker
from devstack import nats as servers
from nats.aio.client import Client
from nats.js.errors import NotFoundError

pytestmark = [pytest.mark.feature("X11"), pytest.mark.feature("X2")]
SERVICES = ("venue", "checkpoint", "quarantine")
STREAMS = {service: service.upper() for service in SERVICES}
PASSWORDS = {user: f"pw-{user}" for user in broker.ACCOUNTS}


def test_the_charts_table_is_what_the_services_plans_say():
    assert broker.TABLE.read_text() == broker.as_yaml(broker.table()), "run `python -m devstack.broker`"


def test_no_service_may_change_or_remove_a_stream_or_a_consumer():
    for service in SERVICES:
        for subject in broker.table()[service]["publish"]["allow"]:
            assert not any(
                verb in subject for verb in (".UPDATE", ".DELETE", ".PURGE", ".RESTORE", ".DURABLE", "MSG.GET", ">.")
            ), subject


@pytest.fixture(scope="module")
def guarded(state_dir):
    server = servers.start(state_dir / "guarded", tied=True, passwords=PASSWORDS)
    asyncio.run(broker.prepare(server.address, Login("admin", PASSWORDS["admin"])))
    yield server
    server.stop()


@contextlib.asynccontextmanager
async def as_user(server, user, password=None):
    """A client of that account and the list of subjects that were refused to it."""
    refused = []

    async def note(error):
        if "permissions violation" in str(error).lower():
            refused.append(str(error).split('"')[1].lower())

    client = Client()
    try:
        await client.connect(
            server.address, user=user, password=PASSWORDS.get(user) if password is None else password,
            inbox_prefix=f"_INBOX.{user}", error_cb=note, allow_reconnect=False, max_reconnect_attempts=0,
        )  # fmt: skip
        yield client, refused
    finally:
        await client.close()


def foreign(service):
    """What an attacker with this service's account would want to send."""
    others = [other for other in SERVICES if other != service]
    for other in others:
        yield f"lilitong.{other}.restricted.v1.segment"
        yield f"lilitong.dead.{other}.x"
        yield f"_INBOX.{other}.x"
        yield f"bell.{other}.zones"
    for stream in STREAMS.values():
        for verb in ("UPDATE", "DELETE", "PURGE", "MSG.GET", "MSG.DELETE", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN"):
            yield f"$JS.API.STREAM.{verb}.{stream}"
        yield f"$JS.API.DIRECT.GET.{stream}"
        yield f"$JS.API.CONSUMER.LIST.{stream}"
        yield f"$JS.API.CONSUMER.CREATE.{stream}"
        yield f"$JS.API.CONSUMER.CREATE.{stream}.mine"
        yield f"$JS.API.CONSUMER.CREATE.{stream}.mine.lilitong.>"
        yield f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.mine"
    for other in others:
        yield f"$JS.API.STREAM.CREATE.{STREAMS[other]}"
        yield f"$JS.API.STREAM.INFO.{STREAMS[other]}"
    for plan_ in broker.PLANS:
        for durable in plan_.durables:
            place = f"{durable.stream}.{durable.name}"
            yield f"$JS.API.CONSUMER.DELETE.{place}"
            yield f"$JS.API.CONSUMER.CREATE.{place}"  # with no filter in the subject it could read everything
            yield f"$JS.API.CONSUMER.CREATE.{place}.lilitong.>"
            if plan_.service != service:
                for verb in ("INFO", "RESET", "MSG.NEXT"):
                    yield f"$JS.API.CONSUMER.{verb}.{place}"
                yield f"$JS.ACK.{place}.1.1.1.1.0"
    yield "$JS.API.STREAM.CREATE.MINE"
    yield "$JS.API.STREAM.NAMES"
    yield "$JS.API.STREAM.LIST"
    yield "$JS.API.INFO"
    yield "$JS.API.ACCOUNT.PURGE.LILITONG"
    yield "$SYS.REQ.SERVER.PING"


@pytest.mark.connected
@pytest.mark.parametrize("service", SERVICES)
async def test_what_is_not_a_services_own_is_refused_to_its_account(guarded, service):
    async with as_user(guarded, service) as (client, refused):
        subjects = list(foreign(service))
        for subject in subjects:
            await client.publish(subject, b"{}")
        await client.flush()
        await asyncio.sleep(0.2)
        assert sorted(set(refused)) == sorted({subject.lower() for subject in subjects})


@pytest.mark.connected
@pytest.mark.parametrize("user", [*SERVICES, "admin"])
async def test_no_account_hears_events_or_anothers_answers(guarded, user):
    others = [each for each in (*SERVICES, "admin") if each != user]
    async with as_user(guarded, user) as (client, refused):
        wanted = [">", "lilitong.>", "$JS.>", "_INBOX.>", *(f"_INBOX.{other}.>" for other in others)]
        wanted += [f"lilitong.{each}.>" for each in SERVICES]
        for subject in wanted:
            await client.subscribe(subject)
        await client.flush()
        await asyncio.sleep(0.2)
        assert sorted(refused) == sorted(subject.lower() for subject in wanted)


@pytest.mark.connected
async def test_the_administrator_of_streams_may_neither_publish_nor_read_an_event(guarded):
    async with as_user(guarded, "admin") as (client, refused):
        wanted = [
            "lilitong.venue.x",
            "$JS.API.STREAM.MSG.GET.VENUE",
            "$JS.API.CONSUMER.MSG.NEXT.VENUE.x",
            "$JS.API.STREAM.DELETE.VENUE",
        ]
        for subject in wanted:
            await client.publish(subject, b"{}")
        await client.flush()
        await asyncio.sleep(0.2)
        assert refused == [subject.lower() for subject in wanted]


@pytest.mark.connected
async def test_a_service_that_changes_its_filter_in_the_body_is_refused_by_the_server(guarded):
    async with as_user(guarded, "venue") as (client, _):
        name = "venue-keys"
        subject = f"$JS.API.CONSUMER.CREATE.QUARANTINE.{name}.lilitong.quarantine.key.v1.changed"
        for lie in ({"filter_subject": "lilitong.quarantine.>"}, {"filter_subjects": ["lilitong.quarantine.>"]}, {}):
            config = {"name": name, "durable_name": name, "ack_policy": "explicit"} | lie
            body = json.dumps({"stream_name": "QUARANTINE", "config": config}).encode()
            answer = await client.request(subject, body, timeout=2)
            assert b'"error"' in answer.data, lie


@pytest.mark.connected
async def test_a_wrong_password_and_no_account_are_refused(guarded):
    for user, password in (("venue", "pw-checkpoint"), ("nobody", "x")):
        with pytest.raises(nats.errors.Error):
            async with as_user(guarded, user, password):
                pass
    with pytest.raises(nats.errors.Error):
        async with as_user(guarded, None):
            pass


@pytest.mark.connected
@pytest.mark.parametrize("own", broker.PLANS, ids=lambda each: each.service)
async def test_with_its_rights_alone_a_service_makes_again_what_a_broker_lost(state_dir, own):
    server = servers.start(state_dir / f"lost-{own.service}", tied=True, passwords=PASSWORDS)
    bus = connect(server.address, own.service, login=Login(own.service, PASSWORDS[own.service]))
    try:
        for each in broker.PLANS:  # everybody's streams, each made by its own service
            peer = connect(server.address, each.service, login=Login(each.service, PASSWORDS[each.service]))
            await peer.ready()
            await plan.streams.make(peer.jetstream, each.stream)
            await peer.close()
        await bus.ready()
        for durable in own.durables:
            with pytest.raises(NotFoundError):
                await bus.jetstream.consumer_info(durable.stream, durable.name)
            made = await plan.durables.ensure(bus.jetstream, durable)
            assert made.config.filter_subject == durable.filter_subjects[0]
            await bus.jetstream.reset_consumer(durable.stream, durable.name)
    finally:
        await bus.close()
        server.stop()
