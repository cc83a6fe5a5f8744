"""Control posts and the scanners enrolled for them."""

from chassis.access import RESOURCE
from lilitong.checkpoint.v1 import post_pb2

from gateway.operations import Contract, Operation, people

_POSTS = Contract(post_pb2, "PostService")
_LEAD = {"checkpoint_lead"}
_READERS = {"checkpoint_lead", "command"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/posts",
        rpc=_POSTS["RegisterPost"],
        rule=people(_LEAD, "area"),
        tag="checkpoints",
        summary="Register a control post",
        description="A highway exit, road, community, section, compound or service point.",
        status=201,
        location="/v1/posts/{post_id}",
    ),
    Operation(
        verb="GET",
        path="/v1/posts",
        rpc=_POSTS["ListPosts"],
        rule=people(_READERS, "area"),
        tag="checkpoints",
        summary="List the posts of an area",
        description="Pages are followed by `next_page_token`, which is empty on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/posts/{post_id}",
        rpc=_POSTS["GetPost"],
        rule=people(_READERS, RESOURCE),
        tag="checkpoints",
        summary="Read a post",
        description="Its name, level, area and short number.",
        etag=True,
    ),
    Operation(
        verb="POST",
        path="/v1/devices",
        rpc=_POSTS["EnrollDevice"],
        rule=people(_LEAD, RESOURCE),
        tag="checkpoints",
        summary="Enroll a scanner",
        description="Binds the scanner's public key to a post.",
        status=201,
    ),
    Operation(
        verb="GET",
        path="/v1/devices",
        rpc=_POSTS["ListDevices"],
        rule=people(_READERS, "area"),
        tag="checkpoints",
        summary="List the scanners of an area",
        description="Revoked ones included. Pages are followed by `next_page_token`, empty on the last one.",
    ),
    Operation(
        verb="POST",
        path="/v1/devices/{device_id}/revocation",
        rpc=_POSTS["RevokeDevice"],
        rule=people(_LEAD, RESOURCE),
        tag="checkpoints",
        summary="Revoke a scanner",
        description="Refused everywhere within 60 s.",
    ),
)
