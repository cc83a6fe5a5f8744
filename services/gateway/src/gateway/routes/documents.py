"""Numbered documents: posters issued, documents read, listed and fetched as sheets; `verification.py` has the open page."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import document_pb2

from gateway.operations import Contract, Operation, people

DOCUMENTS = Contract(document_pb2, "DocumentService")
_STAFF = {"venue_officer", "inspector", "enforcement_lead", "command", "auditor"}
_READERS = _STAFF | {"venue_operator"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/zones/{zone}/posters",
        rpc=DOCUMENTS["IssuePoster"],
        rule=people({"venue_officer", "venue_operator"}, RESOURCE),
        tag="documents",
        summary="Issue the poster of a zone's code",
        description="A numbered document. There is one for each version of the code: asked for again, the same.",
        status=201,
    ),
    Operation(
        verb="GET",
        path="/v1/documents",
        rpc=DOCUMENTS["ListDocuments"],
        rule=people(_STAFF, "area"),
        tag="documents",
        summary="List documents of an area",
        description="The newest first. Pages are followed by `next_page_token`, empty on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/documents/{document_id}",
        rpc=DOCUMENTS["GetDocument"],
        rule=people(_READERS, RESOURCE),
        tag="documents",
        summary="Read a document",
        description="Its number, what it comes from, and whether it is in force now.",
        etag=True,
    ),
    Operation(
        verb="GET",
        path="/v1/documents/{document_id}/sheet",
        rpc=DOCUMENTS["RenderDocument"],
        rule=people(_READERS, RESOURCE),
        tag="documents",
        summary="Fetch a document as it is printed",
        description="PDF; of a poster SVG and PNG too, by `format`. With `Accept: application/pdf` (or the picture's type) the "
        "answer is the file itself, otherwise it stands in `data`.",
        raw=("application/pdf", "image/svg+xml", "image/png"),
        seconds=15.0,
    ),
    Operation(
        verb="GET",
        path="/v1/venues/{venue_id}/documents",
        rpc=DOCUMENTS["ListVenueDocuments"],
        rule=people(_READERS, RESOURCE),
        tag="documents",
        summary="List a venue's documents",
        description="The newest first; for the venue's own accounts too.",
    ),
)
