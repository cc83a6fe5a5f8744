"""Figures of an area: its summary, crowded zones, tasks about copied codes, tables as files."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import code_task_pb2, export_pb2, occupancy_pb2, summary_pb2

from gateway.operations import Contract, Operation, people

_SUMMARIES = Contract(summary_pb2, "SummaryService")
_OCCUPANCY = Contract(occupancy_pb2, "OccupancyService")
_TASKS = Contract(code_task_pb2, "CodeTaskService")
_EXPORTS = Contract(export_pb2, "ExportService")
_OFFICERS = {"venue_officer"}

OPERATIONS = (
    Operation(
        verb="GET",
        path="/v1/venue-summary",
        rpc=_SUMMARIES["GetVenueSummary"],
        rule=people({"venue_officer", "enforcement_lead", "grid_worker", "command", "auditor"}, "area"),
        tag="figures",
        summary="Figures of an area for a period",
        description="What stands now and what happened from `first_day` to `last_day` (local days, both included; today without "
        "them), in one row, or with `area_digits` in one for each area of so many digits. Exact at the moment of asking.",
        example={
            "area": "141102",
            "first_day": "2022-03-01",
            "last_day": "2022-03-10",
            "area_digits": 9,
            "drill_id": "",
        },
    ),
    Operation(
        verb="GET",
        path="/v1/crowded-zones",
        rpc=_OCCUPANCY["ListCrowdedZones"],
        rule=people({"venue_officer", "grid_worker", "inspector", "command"}, "area"),
        tag="figures",
        summary="Where too many people are now",
        description="The fullest first; a few seconds old. `at_least` names the level from which on a zone is listed.",
    ),
    Operation(
        verb="GET",
        path="/v1/code-tasks",
        rpc=_TASKS["ListCodeTasks"],
        rule=people(_OFFICERS, "area"),
        tag="figures",
        summary="Printed codes that may have been copied",
        description="Used as one place cannot be. The newest first; pages are followed by `next_page_token`, empty at the end.",
    ),
    Operation(
        verb="POST",
        path="/v1/code-tasks/{task_id}/answer",
        rpc=_TASKS["AnswerCodeTask"],
        rule=people(_OFFICERS, RESOURCE),
        tag="figures",
        summary="Say what became of a suspicion",
        description="Once. A code that was copied is replaced by the zone's own route.",
    ),
    Operation(
        verb="POST",
        path="/v1/exports",
        rpc=_EXPORTS["CreateExport"],
        rule=people(_OFFICERS, "area", purpose=True),
        tag="figures",
        summary="Export a table of an area",
        description="As CSV or XLSX: complete, counted, marked with who exported it, when and what for, without a cell that "
        "computes anything. Needs X-Purpose and X-Purpose-Ref, which are recorded. The file can be read for a day.",
        status=201,
        seconds=60.0,
        example={"area": "141102001", "drill_id": ""},
    ),
    Operation(
        verb="GET",
        path="/v1/exports",
        rpc=_EXPORTS["ListExports"],
        rule=people({"venue_officer", "command", "auditor"}, "area"),
        tag="figures",
        summary="Who exported what",
        description="The newest first, also when the file is gone. Pages are followed by `next_page_token`.",
    ),
    Operation(
        verb="GET",
        path="/v1/exports/{export_id}/content",
        rpc=_EXPORTS["ReadExport"],
        rule=people(_OFFICERS, RESOURCE),
        tag="figures",
        summary="Read a file part by part",
        description="From `offset` on, which begins at 0 and grows by what was read until `bytes` of the export are there; by "
        "whoever exported it. With `Accept` of the export's media type the answer is the part itself, otherwise it stands in "
        "`data`.",
        raw=("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        seconds=15.0,
    ),
)
