"""Posts and devices: who may do what where, once, and how fast a revoked device is out."""

import asyncio
import time
from uuid import uuid4

import grpc
import pytest
from chassis.errors import DomainError, Kind
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lilitong.checkpoint.v1 import post_pb2
from lilitong.checkpoint.v1.events_pb2 import DeviceChanged

pytestmark = [pytest.mark.connected, pytest.mark.feature("C1"), pytest.mark.asyncio(loop_scope="module")]

AREA = "141102001"


def spki(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def new_post(**changes):
    fields = {
        "request_id": str(uuid4()),
        "post_id": str(uuid4()),
        "name": "交口卡口",
        "level": post_pb2.POST_LEVEL_COMMUNITY,
        "area": AREA,
    }
    return post_pb2.RegisterPostRequest(**(fields | changes))


def enrolment(post, **changes):
    fields = {
        "request_id": str(uuid4()),
        "device_id": str(uuid4()),
        "post_id": post.post_id,
        "public_key": spki(generate_private_key(SECP256R1())),
        "label": "lane 1",
    }
    return post_pb2.EnrollDeviceRequest(**(fields | changes))


@pytest.fixture
def lead(world):
    async def call(method, request, *, role="checkpoint_lead", areas=("141102",)):
        return await world.call(getattr(world.posts, method), request, world.person(role, *areas))

    return call


async def to_the_end(stream):
    while (await stream.read()) is not grpc.aio.EOF:
        pass


async def refused(attempt):
    with pytest.raises(DomainError) as caught:
        await attempt
    return caught.value.kind, caught.value.reason


async def test_a_post_is_registered_once_read_back_and_listed_in_its_area(world, lead):
    request = new_post()
    first, again = await lead("RegisterPost", request), await lead("RegisterPost", request)
    assert first == again
    assert (first.post.name, first.post.area, first.post.level) == ("交口卡口", AREA, post_pb2.POST_LEVEL_COMMUNITY)
    assert first.post.post > 0
    assert (await lead("GetPost", post_pb2.GetPostRequest(post_id=request.post_id), role="command")).post == first.post
    assert await refused(lead("RegisterPost", new_post(post_id=request.post_id))) == (Kind.EXISTS, "POST_EXISTS")
    changed = new_post(request_id=request.request_id, post_id=request.post_id, name="另一个")
    assert await refused(lead("RegisterPost", changed)) == (Kind.MISMATCH, "IDEMPOTENCY_MISMATCH")


async def test_identical_registrations_at_once_have_one_effect_and_one_answer(world, lead):
    request = new_post()
    answers = await asyncio.gather(*(lead("RegisterPost", request) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await world.sql.fetchval("SELECT count(*) FROM posts") == 1


async def test_lists_come_in_pages_and_end(world, lead):
    posts = [(await lead("RegisterPost", new_post())).post for _ in range(5)]
    await lead("RegisterPost", new_post(area="141102999"))
    devices = sorted([(await lead("EnrollDevice", enrolment(posts[0]))).device.device_id for _ in range(3)])
    found, token = [], ""
    while True:
        page = await lead("ListPosts", post_pb2.ListPostsRequest(area=AREA, page_size=2, page_token=token))
        assert len(page.posts) <= 2
        found += page.posts
        if not (token := page.next_page_token):
            break
    assert found == posts
    first = await lead("ListDevices", post_pb2.ListDevicesRequest(area=AREA, page_size=2))
    more = post_pb2.ListDevicesRequest(area=AREA, page_size=2, page_token=first.next_page_token)
    second = await lead("ListDevices", more)
    assert [d.device_id for d in [*first.devices, *second.devices]] == devices
    assert second.next_page_token == ""
    for bad in ("%%%", "AAAA", "_____w"):
        request = post_pb2.ListPostsRequest(area=AREA, page_token=bad)
        assert await refused(lead("ListPosts", request)) == (Kind.INVALID, "PAGE_TOKEN_INVALID")


@pytest.mark.feature("X2")
async def test_wrong_roles_and_areas_are_refused_before_anything_is_written(world, lead):
    post = (await lead("RegisterPost", new_post())).post
    device = (await lead("EnrollDevice", enrolment(post))).device
    elsewhere = ("141103", "14110200")
    requests = {
        "RegisterPost": new_post(),
        "GetPost": post_pb2.GetPostRequest(post_id=post.post_id),
        "ListPosts": post_pb2.ListPostsRequest(area=AREA),
        "EnrollDevice": enrolment(post),
        "RevokeDevice": post_pb2.RevokeDeviceRequest(request_id=str(uuid4()), device_id=device.device_id),
        "ListDevices": post_pb2.ListDevicesRequest(area=AREA),
    }
    for method, request in requests.items():
        assert await refused(lead(method, request, areas=elsewhere[:1])) == (Kind.DENIED, "OUT_OF_AREA")
        assert await refused(lead(method, request, role="tracer")) == (Kind.DENIED, "NOT_ALLOWED")
        if not method.startswith(("Get", "List")):
            assert await refused(lead(method, request, role="command")) == (Kind.DENIED, "NOT_ALLOWED")
    assert await world.sql.fetchval("SELECT count(*) FROM posts") == 1
    assert await world.sql.fetchval("SELECT count(*) FROM devices WHERE NOT revoked") == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [({"area": "1411x"}, "area"), ({"name": ""}, "name"), ({"level": 0}, "level"), ({"post_id": "7"}, "post_id")],
)
async def test_a_bad_post_is_refused_with_the_field_at_fault(world, lead, change, field):
    with pytest.raises(DomainError) as caught:
        await lead("RegisterPost", new_post(**change))
    assert caught.value.kind in (Kind.INVALID, Kind.DENIED)
    assert field in caught.value.fields
    assert await world.sql.fetchval("SELECT count(*) FROM posts") == 0


async def test_a_device_is_bound_to_its_key_may_move_and_is_told_of(world, lead):
    here, there = [(await lead("RegisterPost", new_post())).post for _ in range(2)]
    request = enrolment(here)
    first = await lead("EnrollDevice", request)
    assert first == await lead("EnrollDevice", request)
    moved = enrolment(there, device_id=request.device_id, public_key=request.public_key, label="lane 2")
    assert (await lead("EnrollDevice", moved)).device.post_id == there.post_id
    assert (await lead("EnrollDevice", moved)).device.enrolled_at == first.device.enrolled_at
    stolen = enrolment(here, device_id=request.device_id)
    assert await refused(lead("EnrollDevice", stolen)) == (Kind.EXISTS, "DEVICE_EXISTS")
    shared = enrolment(here, public_key=request.public_key)
    assert await refused(lead("EnrollDevice", shared)) == (Kind.EXISTS, "KEY_TAKEN")
    weak = enrolment(here, public_key=spki(generate_private_key(SECP384R1())))
    assert await refused(lead("EnrollDevice", weak)) == (Kind.INVALID, "INVALID_REQUEST")
    nowhere = enrolment(post_pb2.Post(post_id=str(uuid4())))
    assert await refused(lead("EnrollDevice", nowhere)) == (Kind.NOT_FOUND, "POST_NOT_FOUND")
    rows = await world.sql.fetch("SELECT payload FROM outbox WHERE subject = 'lilitong.checkpoint.device.v1.changed'")
    told = [DeviceChanged.FromString(row["payload"]) for row in rows]
    assert told == [DeviceChanged(device_id=request.device_id)] * 2


@pytest.mark.feature("X2")
async def test_a_revoked_device_is_out_within_two_seconds_and_stays_out(world, lead):
    post = await world.post()
    scanner = await world.scanner(post)
    stream = scanner.sync()
    await stream.read()
    metadata = scanner.metadata()
    await scanner.scan("", metadata=metadata)
    request = post_pb2.RevokeDeviceRequest(request_id=str(uuid4()), device_id=str(scanner.device_id))
    answer = await lead("RevokeDevice", request)
    began = time.monotonic()
    assert answer.device.revoked
    assert await lead("RevokeDevice", request) == answer
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await to_the_end(stream)
    assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED

    async def out():
        try:
            await scanner.scan("", metadata=metadata)
        except DomainError as error:
            return error.kind is Kind.UNAUTHENTICATED

    await world.until(out)
    assert time.monotonic() - began < 2
    again = enrolment(post, device_id=str(scanner.device_id), public_key=spki(scanner.key))
    assert await refused(lead("EnrollDevice", again)) == (Kind.PRECONDITION, "DEVICE_REVOKED")
    unknown = post_pb2.RevokeDeviceRequest(request_id=str(uuid4()), device_id=str(uuid4()))
    assert await refused(lead("RevokeDevice", unknown)) == (Kind.NOT_FOUND, "DEVICE_NOT_FOUND")


async def test_another_replicas_revocation_is_noticed_by_the_poll_alone(world):
    """The bell may be missed: here only the version row tells."""
    scanner = await world.scanner()
    await world.sql.execute("UPDATE devices SET revoked = true")
    await world.sql.execute("UPDATE reference_version SET version = version + 1")
    began, metadata = time.monotonic(), scanner.metadata()

    async def out():
        try:
            await scanner.scan("", metadata=metadata)
        except DomainError as error:
            return error.kind is Kind.UNAUTHENTICATED

    await world.until(out)
    assert time.monotonic() - began < 2
