"""Imports of venues from files."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import import_pb2

from gateway.operations import Contract, Operation, people

_IMPORTS = Contract(import_pb2, "ImportService")
_OFFICERS = {"venue_officer"}
_READERS = _OFFICERS | {"auditor"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/venue-imports",
        rpc=_IMPORTS["CreateImport"],
        rule=people(_OFFICERS, "area"),
        tag="imports",
        summary="Begin an import of venues",
        description="For rows of this area; the file follows.",
        status=201,
        location="/v1/venue-imports/{import_id}",
    ),
    Operation(
        verb="POST",
        path="/v1/venue-imports/{import_id}/file",
        rpc=_IMPORTS["AppendImportPart"],
        rule=people(_OFFICERS, RESOURCE),
        tag="imports",
        summary="Upload an import's file",
        description="CSV of at most 32 MiB as the body itself: UTF-8 or GB18030, columns apart by comma, semicolon or tab, "
        "titles in Chinese or English in the first row. The job begins when it is complete; sending the same file again "
        "changes nothing.",
        status=202,
        keyed=False,
        upload=True,
        seconds=120.0,
    ),
    Operation(
        verb="GET",
        path="/v1/venue-imports",
        rpc=_IMPORTS["ListImports"],
        rule=people(_READERS, "area"),
        tag="imports",
        summary="List imports of an area",
        description="The newest first. Pages are followed by `next_page_token`, empty on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/venue-imports/{import_id}",
        rpc=_IMPORTS["GetImport"],
        rule=people(_READERS, RESOURCE),
        tag="imports",
        summary="Read how far an import is",
        description="`rows_read` = `created` + `unchanged` + `rejected`, at every moment.",
    ),
    Operation(
        verb="GET",
        path="/v1/venue-imports/{import_id}/report",
        rpc=_IMPORTS["GetImportReport"],
        rule=people(_READERS, RESOURCE),
        tag="imports",
        summary="Fetch the rejected rows of an import",
        description="By line, column and reason. With `Accept: text/csv` the answer is the whole report as a file that no "
        "spreadsheet takes for formulas, otherwise its pages stand in `data`.",
        raw=("text/csv",),
        seconds=60.0,
    ),
)
