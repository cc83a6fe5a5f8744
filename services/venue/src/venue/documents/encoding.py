"""Documents as contracts say them."""

from datetime import datetime

from chassis.rpc.times import stamp
from lilitong.venue.v1 import document_pb2 as pb

from venue.documents.model import ON_THE_DOOR, Document, DocumentStanding


def encode_document(document: Document, standing: DocumentStanding) -> pb.Document:
    new = document.new
    return pb.Document(
        document_id=str(document.document_id),
        kind=int(new.kind),  # type: ignore[arg-type]  # numbers are the contract's
        number=document.text,
        venue_id=str(new.venue_id),
        venue_name=new.content["venue"]["name"],
        issuing_body=new.issuing_body,
        issued_at=stamp(new.issued_at),
        standing=int(standing),  # type: ignore[arg-type]  # numbers are the contract's
        source_id=str(new.source_id or ""),
        template_version=new.template_version,
        verification_id=document.verification_id,
        drill_id=new.drill_id,
    )


def encode_verification(
    document: Document | None, standing: DocumentStanding | None, at: datetime
) -> pb.DocumentVerification:
    """What anybody may know."""
    if document is None or standing is None:
        return pb.DocumentVerification(genuine=False, checked_at=stamp(at))
    new = document.new
    return pb.DocumentVerification(
        genuine=True,
        in_force=standing is DocumentStanding.IN_FORCE,
        standing=int(standing),  # type: ignore[arg-type]  # numbers are the contract's
        kind=int(new.kind),  # type: ignore[arg-type]  # numbers are the contract's
        number=document.text,
        issuing_body=new.issuing_body,
        issued_at=stamp(new.issued_at),
        venue_name=new.content["venue"]["name"] if new.kind in ON_THE_DOOR else "",
        drill=bool(new.drill_id),
        checked_at=stamp(at),
    )
