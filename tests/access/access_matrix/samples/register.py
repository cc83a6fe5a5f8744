"""Requests to venue about applications, imports, likely duplicates, and what becomes of a registered venue."""

from lilitong.venue.v1 import application_pb2, duplicate_pb2, import_pb2, venue_pb2

from access_matrix.samples.registry import sample
from access_matrix.world import HOME, World, new_id

FILE = "名称,类别,区划代码,地址\n".encode()
OWNER = venue_pb2.Particulars(owner="和顺商行", responsible_person="示例", licence="91141102MA0K00000X")


@sample
def add_zones(world: World, role: str) -> venue_pb2.AddZonesRequest:
    """Of a name that no other call uses; the venue has room for some dozens."""
    zone = venue_pb2.NewZone(name=f"区{new_id()}", capacity=20)
    return venue_pb2.AddZonesRequest(request_id=new_id(), venue_id=world.growing_id, zones=[zone])


@sample
def change_owner(world: World, role: str) -> venue_pb2.ChangeOwnerRequest:
    return venue_pb2.ChangeOwnerRequest(
        request_id=new_id(), venue_id=world.growing_id, particulars=OWNER, operators=[world.operator]
    )


@sample
def close(world: World, role: str) -> venue_pb2.CloseVenueRequest:
    return venue_pb2.CloseVenueRequest(request_id=new_id(), venue_id=world.closing_id, reason="歇业")


@sample
def particulars(world: World, role: str) -> venue_pb2.GetParticularsRequest:
    return venue_pb2.GetParticularsRequest(venue_id=world.venue_id)


@sample
def submit(world: World, role: str) -> application_pb2.SubmitApplicationRequest:
    content = application_pb2.ApplicationContent(
        name="和顺二店",
        category=venue_pb2.VENUE_CATEGORY_RESTAURANT,
        area=HOME,
        address=f"演示街{new_id()}",
        zones=[venue_pb2.NewZone(name="大厅", capacity=20)],
        particulars=OWNER,
    )
    return application_pb2.SubmitApplicationRequest(request_id=new_id(), application_id=new_id(), content=content)


@sample
def approve(world: World, role: str) -> application_pb2.ApproveApplicationRequest:
    return application_pb2.ApproveApplicationRequest(
        request_id=new_id(), application_id=world.approving_application_id, submission=1
    )


@sample
def give_back(world: World, role: str) -> application_pb2.ReturnApplicationRequest:
    return application_pb2.ReturnApplicationRequest(
        request_id=new_id(), application_id=world.returning_application_id, submission=1, reasons=["地址不详"]
    )


@sample
def get_application(world: World, role: str) -> application_pb2.GetApplicationRequest:
    return application_pb2.GetApplicationRequest(application_id=world.approving_application_id)


@sample
def list_applications(world: World, role: str) -> application_pb2.ListApplicationsRequest:
    return application_pb2.ListApplicationsRequest(area=HOME, page_size=5)


@sample
def create_import(world: World, role: str) -> import_pb2.CreateImportRequest:
    return import_pb2.CreateImportRequest(request_id=new_id(), import_id=new_id(), area=HOME, file_name="场所.csv")


@sample
def append_part(world: World, role: str) -> import_pb2.AppendImportPartRequest:
    """The whole file; put in again it changes nothing."""
    return import_pb2.AppendImportPartRequest(import_id=world.import_id, data=FILE, last=True)


@sample
def get_import(world: World, role: str) -> import_pb2.GetImportRequest:
    return import_pb2.GetImportRequest(import_id=world.import_id)


@sample
def list_imports(world: World, role: str) -> import_pb2.ListImportsRequest:
    return import_pb2.ListImportsRequest(area=HOME, page_size=5)


@sample
def import_report(world: World, role: str) -> import_pb2.GetImportReportRequest:
    return import_pb2.GetImportReportRequest(import_id=world.import_id)


@sample
def list_candidates(world: World, role: str) -> duplicate_pb2.ListMergeCandidatesRequest:
    return duplicate_pb2.ListMergeCandidatesRequest(area=HOME, page_size=5)


@sample
def decide(world: World, role: str) -> duplicate_pb2.DecideMergeCandidateRequest:
    return duplicate_pb2.DecideMergeCandidateRequest(
        request_id=new_id(),
        candidate_id=world.candidate_id,
        decision=duplicate_pb2.MERGE_DECISION_DIFFERENT_VENUES,
    )
