# ruff: noqa: ARG002 - methods are named and called as the contract has it
"""PostService: register posts, bind scanners to them, withdraw scanners."""

import base64
import binascii
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from chassis import idempotency, pages
from chassis.access import RESOURCE, allow, require_area
from chassis.clock import Clock, local_day
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.events import Relay
from google.protobuf.message import Message
from lilitong.checkpoint.v1 import post_pb2
from lilitong.checkpoint.v1.post_pb2_grpc import PostServiceServicer

from checkpoint.posts import events, store
from checkpoint.posts.directory import Directory
from checkpoint.posts.model import Device, PlacedDevice, Post, read_key

_M = TypeVar("_M", bound=Message)
_PAGE = 100
_NO_UUID = UUID(int=0)


class PostRpc(PostServiceServicer):
    """Each write is one transaction: idempotency, effect, event, version bump, answer."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, directory: Directory, relay: Relay, seal: Callable[[], bytes]
    ) -> None:
        self._pool, self._clock, self._directory, self._relay, self._seal = pool, clock, directory, relay, seal

    @allow(roles={"checkpoint_lead"}, area="area")
    async def RegisterPost(self, request: post_pb2.RegisterPostRequest, context: Any) -> post_pb2.RegisterPostResponse:
        async with self._transaction() as conn:
            if (before := await self._replayed(conn, request, post_pb2.RegisterPostResponse)) is not None:
                return before
            wanted = Post(UUID(request.post_id), request.name, int(request.level), request.area)
            with constraint_errors({"posts_post_id_key": _post_exists}):
                post = await store.insert_post(conn, wanted)
            answer = post_pb2.RegisterPostResponse(post=_post(post))
            await self._remember(conn, request, answer)
        return answer

    @allow(roles={"checkpoint_lead", "command"}, area=RESOURCE)
    async def GetPost(self, request: post_pb2.GetPostRequest, context: Any) -> post_pb2.GetPostResponse:
        post = await store.find_post(self._pool, UUID(request.post_id))
        if post is None:
            raise _no_post()
        require_area(post.area)
        return post_pb2.GetPostResponse(post=_post(post))

    @allow(roles={"checkpoint_lead", "command"}, area="area")
    async def ListPosts(self, request: post_pb2.ListPostsRequest, context: Any) -> post_pb2.ListPostsResponse:
        size = request.page_size or _PAGE
        after = int.from_bytes(_token(request.page_token, 4), "big")
        posts = await store.list_posts(self._pool, request.area, after, size + 1)
        more = _page_token(posts[size - 1].post.to_bytes(4, "big")) if len(posts) > size else ""
        return post_pb2.ListPostsResponse(posts=map(_post, posts[:size]), next_page_token=more)

    @allow(roles={"checkpoint_lead"}, area=RESOURCE)
    async def EnrollDevice(self, request: post_pb2.EnrollDeviceRequest, context: Any) -> post_pb2.EnrollDeviceResponse:
        if read_key(request.public_key) is None:
            raise DomainError(
                Kind.INVALID,
                "INVALID_REQUEST",
                "The request breaks its contract.",
                fields={"public_key": "must be a P-256 key as SubjectPublicKeyInfo in DER"},
            )
        async with self._transaction() as conn:
            post = await store.find_post(conn, UUID(request.post_id))
            if post is None:
                raise _no_post()
            require_area(post.area)
            if (before := await self._replayed(conn, request, post_pb2.EnrollDeviceResponse)) is not None:
                return before
            device = await self._enroll(conn, request, post)
            answer = post_pb2.EnrollDeviceResponse(device=_device(PlacedDevice(device, post.post_id)))
            await self._told(conn, device, request, answer)
        await self._after()
        return answer

    @allow(roles={"checkpoint_lead"}, area=RESOURCE)
    async def RevokeDevice(self, request: post_pb2.RevokeDeviceRequest, context: Any) -> post_pb2.RevokeDeviceResponse:
        device_id = UUID(request.device_id)
        async with self._transaction() as conn:
            found = await store.find_device(conn, device_id, lock=True)
            if found is None:
                raise DomainError(Kind.NOT_FOUND, "DEVICE_NOT_FOUND", "There is no such device.")
            device, post = found
            require_area(post.area)
            if (before := await self._replayed(conn, request, post_pb2.RevokeDeviceResponse)) is not None:
                return before
            await store.revoke_device(conn, device_id)
            revoked = Device(device_id, device.post, device.public_key, device.label, device.enrolled_at, revoked=True)
            answer = post_pb2.RevokeDeviceResponse(device=_device(PlacedDevice(revoked, post.post_id)))
            await self._told(conn, revoked, request, answer)
        await self._after()
        return answer

    @allow(roles={"checkpoint_lead", "command"}, area="area")
    async def ListDevices(self, request: post_pb2.ListDevicesRequest, context: Any) -> post_pb2.ListDevicesResponse:
        size = request.page_size or _PAGE
        after = UUID(bytes=_token(request.page_token, 16))
        placed = await store.list_devices(self._pool, request.area, after, size + 1)
        more = _page_token(placed[size - 1].device.device_id.bytes) if len(placed) > size else ""
        return post_pb2.ListDevicesResponse(devices=map(_device, placed[:size]), next_page_token=more)

    async def _enroll(self, conn: Any, request: post_pb2.EnrollDeviceRequest, post: Post) -> Device:
        """A new device, or a known one moved. Its key is bound for good, and a revoked one stays revoked."""
        wanted = Device(UUID(request.device_id), post.post, request.public_key, request.label, self._clock.now())
        with constraint_errors({"devices_public_key_key": _key_taken}):
            if await store.insert_device(conn, wanted):
                return wanted
        found = await store.find_device(conn, wanted.device_id, lock=True)
        if found is None:
            raise DomainError(Kind.ABORTED, "STORE_CONFLICT", "Another change came first; try again.")
        device, former = found
        require_area(former.area)
        if device.revoked:
            raise DomainError(Kind.PRECONDITION, "DEVICE_REVOKED", "A revoked device is not enrolled again.")
        if device.public_key != wanted.public_key:
            raise DomainError(Kind.EXISTS, "DEVICE_EXISTS", "The device is enrolled with another key.")
        await store.move_device(conn, device.device_id, post.post, wanted.label)
        return Device(device.device_id, post.post, device.public_key, wanted.label, device.enrolled_at)

    async def _told(self, conn: Any, device: Device, request: Any, answer: Message) -> None:
        await store.bump(conn)
        await events.device_changed(conn, device, local_day(self._clock.now()), self._seal)
        await self._remember(conn, request, answer)

    async def _after(self) -> None:
        self._relay.wake()
        await self._directory.announce()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as conn, conn.transaction():
            yield conn

    async def _replayed(self, conn: Any, request: Any, kind: type[_M]) -> _M | None:
        before = await idempotency.replay(conn, request.request_id, _method(request), request)
        return None if before is None else kind.FromString(before)

    async def _remember(self, conn: Any, request: Any, answer: Message) -> None:
        today: date = local_day(self._clock.now())
        await idempotency.remember(conn, request.request_id, _method(request), request, answer, today)


def _method(request: Any) -> str:
    name: str = request.DESCRIPTOR.full_name
    return name.removesuffix("Request")


def _post(post: Post) -> post_pb2.Post:
    return post_pb2.Post(
        post_id=str(post.post_id),
        post=post.post,
        name=post.name,
        level=post_pb2.PostLevel.ValueType(post.level),
        area=post.area,
    )


def _device(placed: PlacedDevice) -> post_pb2.Device:
    device = placed.device
    message = post_pb2.Device(
        device_id=str(device.device_id), post_id=str(placed.post_id), label=device.label, revoked=device.revoked
    )
    message.enrolled_at.FromDatetime(device.enrolled_at)
    return message


def _page_token(position: bytes) -> str:
    return base64.urlsafe_b64encode(position).rstrip(b"=").decode("ascii")


def _token(token: str, size: int) -> bytes:
    """The position in a page token; the beginning for an empty one. INVALID / PAGE_TOKEN_INVALID for one that is not ours."""
    if not token:
        return bytes(size)
    try:
        position = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        position = b""
    if len(position) != size or (position[:1] > b"\x7f" and size == 4):  # noqa: PLR2004 - a post's number is an int4
        raise pages.wrong_token()
    return position


def _no_post() -> DomainError:
    return DomainError(Kind.NOT_FOUND, "POST_NOT_FOUND", "There is no such post.")


def _post_exists() -> DomainError:
    return DomainError(Kind.EXISTS, "POST_EXISTS", "A post with this id exists already.")


def _key_taken() -> DomainError:
    return DomainError(Kind.EXISTS, "KEY_TAKEN", "Another device is enrolled with this key.")
