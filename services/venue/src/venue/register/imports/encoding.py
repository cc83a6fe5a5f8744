"""Imports as the contract says them."""

from chassis.rpc.times import stamp
from lilitong.venue.v1 import import_pb2 as pb
from verdicts.texts import Text

from venue.register.imports.model import Import
from venue.register.imports.texts import text_of


def encode_import(job: Import) -> pb.Import:
    said = text_of(job.failure) if job.failure else Text("", "")
    return pb.Import(
        import_id=str(job.import_id),
        state=int(job.state),  # type: ignore[arg-type]  # numbers are the contract's
        area=job.area,
        drill_id=job.drill_id,
        file_name=job.file_name,
        created_by=job.created_by,
        created_at=stamp(job.created_at),
        ended_at=stamp(job.ended_at),
        bytes_received=job.bytes_received,
        bytes_read=job.bytes_read,
        rows_read=job.rows_read,
        created=job.created,
        unchanged=job.unchanged,
        rejected=job.rejected,
        failure=job.failure,
        failure_line=job.failure_line,
        failure_zh=said.zh,
        failure_en=said.en,
    )
