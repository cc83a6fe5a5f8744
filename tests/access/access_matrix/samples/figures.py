"""Requests to venue about figures of an area: summary, crowds, copied codes, exports."""

from lilitong.venue.v1 import code_task_pb2, export_pb2, occupancy_pb2, summary_pb2

from access_matrix.samples.registry import sample
from access_matrix.world import HOME, World, new_id


@sample
def summary(world: World, role: str) -> summary_pb2.GetVenueSummaryRequest:
    return summary_pb2.GetVenueSummaryRequest(area=HOME)


@sample
def crowded(world: World, role: str) -> occupancy_pb2.ListCrowdedZonesRequest:
    return occupancy_pb2.ListCrowdedZonesRequest(area=HOME, page_size=5)


@sample
def list_tasks(world: World, role: str) -> code_task_pb2.ListCodeTasksRequest:
    return code_task_pb2.ListCodeTasksRequest(area=HOME, page_size=5)


@sample
def answer_task(world: World, role: str) -> code_task_pb2.AnswerCodeTaskRequest:
    return code_task_pb2.AnswerCodeTaskRequest(
        request_id=new_id(), task_id=world.code_task_id, finding=code_task_pb2.CODE_FINDING_EXPLAINED, note="开业酬宾"
    )


@sample
def create_export(world: World, role: str) -> export_pb2.CreateExportRequest:
    return export_pb2.CreateExportRequest(
        request_id=new_id(),
        export_id=new_id(),
        table=export_pb2.EXPORT_TABLE_VENUES,
        format=export_pb2.EXPORT_FORMAT_CSV,
        area=HOME,
    )


@sample
def read_export(world: World, role: str) -> export_pb2.ReadExportRequest:
    return export_pb2.ReadExportRequest(export_id=world.export_id)


@sample
def list_exports(world: World, role: str) -> export_pb2.ListExportsRequest:
    return export_pb2.ListExportsRequest(area=HOME, page_size=5)
