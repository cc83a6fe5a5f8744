"""Requests to venue about documents, letters and notices."""

import secrets

from lilitong.venue.v1 import document_pb2, obligation_pb2

from access_matrix.samples.registry import sample, stamp
from access_matrix.world import HOME, World, new_id, now


@sample
def poster(world: World, role: str) -> document_pb2.IssuePosterRequest:
    return document_pb2.IssuePosterRequest(request_id=new_id(), zone=world.zone)


@sample
def get_document(world: World, role: str) -> document_pb2.GetDocumentRequest:
    return document_pb2.GetDocumentRequest(document_id=world.obligation_id)


@sample
def list_documents(world: World, role: str) -> document_pb2.ListDocumentsRequest:
    return document_pb2.ListDocumentsRequest(area=HOME, page_size=5)


@sample
def list_venue_documents(world: World, role: str) -> document_pb2.ListVenueDocumentsRequest:
    return document_pb2.ListVenueDocumentsRequest(venue_id=world.venue_id, page_size=5)


@sample
def render(world: World, role: str) -> document_pb2.RenderDocumentRequest:
    return document_pb2.RenderDocumentRequest(document_id=world.obligation_id)


@sample
def draft_template(world: World, role: str) -> obligation_pb2.DraftObligationTemplateRequest:
    return obligation_pb2.DraftObligationTemplateRequest(
        request_id=new_id(),
        template_id=new_id(),
        kind=obligation_pb2.OBLIGATION_KIND_LETTER,
        area=HOME,
        title="疫情防控责任书",
        body="为落实疫情防控主体责任，特立此书。",
        requirements=["进店扫码登记"],
        issuing_body="凤山街道疫情防控办公室",
    )


@sample
def approve_template(world: World, role: str) -> obligation_pb2.ApproveObligationTemplateRequest:
    return obligation_pb2.ApproveObligationTemplateRequest(request_id=new_id(), template_id=world.letter_draft_id)


@sample
def get_template(world: World, role: str) -> obligation_pb2.GetObligationTemplateRequest:
    return obligation_pb2.GetObligationTemplateRequest(template_id=world.letter_draft_id)


@sample
def list_templates(world: World, role: str) -> obligation_pb2.ListObligationTemplatesRequest:
    return obligation_pb2.ListObligationTemplatesRequest(area=HOME)


@sample
def issue(world: World, role: str) -> obligation_pb2.IssueObligationsRequest:
    return obligation_pb2.IssueObligationsRequest(request_id=new_id(), area=HOME, limit=1)


@sample
def serve(world: World, role: str) -> obligation_pb2.ServeObligationsRequest:
    return obligation_pb2.ServeObligationsRequest(
        request_id=new_id(),
        venue_id=world.venue_id,
        obligation_ids=[world.obligation_id],
        method=obligation_pb2.SERVICE_METHOD_IN_PERSON,
        served_at=stamp(now()),
        photo_sha256=secrets.token_bytes(32),
    )


@sample
def serve_many(world: World, role: str) -> obligation_pb2.BatchServeObligationsRequest:
    return obligation_pb2.BatchServeObligationsRequest(requests=[serve(world, role)])


@sample
def acknowledge(world: World, role: str) -> obligation_pb2.AcknowledgeObligationRequest:
    return obligation_pb2.AcknowledgeObligationRequest(request_id=new_id(), obligation_id=world.obligation_id)


@sample
def list_obligations(world: World, role: str) -> obligation_pb2.ListObligationsRequest:
    return obligation_pb2.ListObligationsRequest(venue_id=world.venue_id)


@sample
def coverage(world: World, role: str) -> obligation_pb2.GetObligationCoverageRequest:
    return obligation_pb2.GetObligationCoverageRequest(area=HOME)


@sample
def missing(world: World, role: str) -> obligation_pb2.ListMissingObligationsRequest:
    return obligation_pb2.ListMissingObligationsRequest(area=HOME, stage=obligation_pb2.OBLIGATION_STAGE_SERVED)
