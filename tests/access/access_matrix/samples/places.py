"""Requests to venue and checkpoint."""

import secrets
from hashlib import sha256

from lilitong.checkpoint.v1 import post_pb2, scan_pb2
from lilitong.venue.v1 import venue_pb2, visit_pb2
from passes import device
from passes.days import day_number, local_day

from access_matrix.samples.registry import sample, stamp
from access_matrix.world import HOME, World, new_id, new_key, now, public_key


@sample
def register_venue(world: World, role: str) -> venue_pb2.RegisterVenueRequest:
    return venue_pb2.RegisterVenueRequest(
        request_id=new_id(),
        venue_id=new_id(),
        name="和顺饭店",
        category=venue_pb2.VENUE_CATEGORY_RESTAURANT,
        area=HOME,
        address="演示街1号",
        zones=[venue_pb2.NewZone(name=f"{floor}层", capacity=60) for floor in range(1, 5)],
        operators=[world.operator],
    )


@sample
def register_venues(world: World, role: str) -> venue_pb2.BatchRegisterVenuesRequest:
    return venue_pb2.BatchRegisterVenuesRequest(requests=[register_venue(world, role)])


@sample
def get_venue(world: World, role: str) -> venue_pb2.GetVenueRequest:
    return venue_pb2.GetVenueRequest(venue_id=world.venue_id)


@sample
def list_venues(world: World, role: str) -> venue_pb2.ListVenuesRequest:
    return venue_pb2.ListVenuesRequest(area=HOME, page_size=5)


@sample
def replace_code(world: World, role: str) -> venue_pb2.ReplaceVenueCodeRequest:
    return venue_pb2.ReplaceVenueCodeRequest(request_id=new_id(), zone=world.replacing_zone)


@sample
def revoke_code(world: World, role: str) -> venue_pb2.RevokeVenueCodeRequest:
    return venue_pb2.RevokeVenueCodeRequest(request_id=new_id(), zone=world.revoking_zone)


@sample
def screen_secret(world: World, role: str) -> venue_pb2.IssueScreenSecretRequest:
    return venue_pb2.IssueScreenSecretRequest(request_id=new_id(), zone=world.screen_zone)


@sample
def check_in(world: World, role: str) -> visit_pb2.CheckInRequest:
    by_staff = role == "venue_operator"
    return visit_pb2.CheckInRequest(
        visit_key=secrets.token_bytes(8),
        credential=world.shown("" if by_staff else world.venue_code),
        venue_code=world.venue_code,
        scanned_by_staff=by_staff,
    )


@sample
def check_ins(world: World, role: str) -> visit_pb2.BatchCheckInRequest:
    return visit_pb2.BatchCheckInRequest(requests=[check_in(world, role)])


@sample
def check_out(world: World, role: str) -> visit_pb2.CheckOutRequest:
    return visit_pb2.CheckOutRequest(visit_id=world.visit_id)


@sample
def occupancy(world: World, role: str) -> visit_pb2.GetOccupancyRequest:
    return visit_pb2.GetOccupancyRequest(venue_id=world.venue_id)


# Checkpoint


@sample
def register_post(world: World, role: str) -> post_pb2.RegisterPostRequest:
    return post_pb2.RegisterPostRequest(
        request_id=new_id(), post_id=new_id(), name="东门", level=post_pb2.POST_LEVEL_COMPOUND, area=HOME
    )


@sample
def get_post(world: World, role: str) -> post_pb2.GetPostRequest:
    return post_pb2.GetPostRequest(post_id=world.post_id)


@sample
def list_posts(world: World, role: str) -> post_pb2.ListPostsRequest:
    return post_pb2.ListPostsRequest(area=HOME, page_size=5)


@sample
def enroll_device(world: World, role: str) -> post_pb2.EnrollDeviceRequest:
    return post_pb2.EnrollDeviceRequest(
        request_id=new_id(),
        device_id=new_id(),
        post_id=world.post_id,
        public_key=public_key(new_key()),
        label="scanner",
    )


@sample
def revoke_device(world: World, role: str) -> post_pb2.RevokeDeviceRequest:
    return post_pb2.RevokeDeviceRequest(request_id=new_id(), device_id=world.revoking_device_id)


@sample
def list_devices(world: World, role: str) -> post_pb2.ListDevicesRequest:
    return post_pb2.ListDevicesRequest(area=HOME, page_size=5)


@sample
def scan(world: World, role: str) -> scan_pb2.ScanRequest:
    return scan_pb2.ScanRequest(scan_id=secrets.token_bytes(8))


@sample
def record_scans(world: World, role: str) -> scan_pb2.RecordScansRequest:
    item = scan_pb2.OfflineScan(
        scan_id=secrets.token_bytes(8),
        day=day_number(local_day(now())),
        scanned_at=stamp(now()),
        verdict=scan_pb2.VERDICT_REFER,
        reasons=[scan_pb2.SCAN_REASON_NO_CREDENTIAL],
    )
    batch = scan_pb2.ScanBatch(batch_id=secrets.token_bytes(16), scans=[item]).SerializeToString()
    signature = device.sign_batch(world.device_key, sha256(batch).digest())
    return scan_pb2.RecordScansRequest(batch=batch, signature=signature)


@sample
def sync(world: World, role: str) -> scan_pb2.SyncRequest:
    return scan_pb2.SyncRequest()
