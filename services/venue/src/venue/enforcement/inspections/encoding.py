"""Inspections and checklists as the contract says them."""

from collections.abc import Sequence

from chassis.rpc.times import stamp
from lilitong.venue.v1 import inspection_pb2 as pb

from venue.enforcement.inspections.model import Checklist, Inspection


def encode_checklist(checklist: Checklist) -> pb.Checklist:
    return pb.Checklist(
        subject=int(checklist.subject),  # type: ignore[arg-type]  # numbers are the contract's
        category=checklist.category,  # type: ignore[arg-type]
        version=checklist.version,
        effective_from=stamp(checklist.effective_from),
        items=[
            pb.ChecklistItem(item=each.item, text_zh=each.text_zh, text_en=each.text_en) for each in checklist.items
        ],
    )


def encode_inspection(inspection: Inspection, missing: Sequence[bytes] = (), *, brief: bool = False) -> pb.Inspection:
    """`brief`: without findings, as in lists."""
    position = inspection.position
    return pb.Inspection(
        inspection_id=str(inspection.inspection_id),
        subject=int(inspection.subject),  # type: ignore[arg-type]
        subject_id=str(inspection.subject_id) if inspection.subject_id else "",
        subject_name=inspection.subject_name,
        area=inspection.area,
        category=inspection.category,  # type: ignore[arg-type]
        first_inspector=inspection.inspectors[0],
        second_inspector=inspection.inspectors[1],
        inspected_at=stamp(inspection.inspected_at),
        recorded_at=stamp(inspection.recorded_at),
        checklist_version=inspection.checklist_version,
        passed=inspection.passed,
        findings=[]
        if brief
        else [
            pb.Finding(
                item=each.item,
                outcome=int(each.outcome),  # type: ignore[arg-type]
                remark=each.remark,
                photos=sorted(each.photos),
            )
            for each in inspection.findings
        ],
        position=pb.DevicePosition(
            latitude_e7=position.latitude_e7,
            longitude_e7=position.longitude_e7,
            accuracy_metres=position.accuracy_metres,
        )
        if position
        else None,
        reinspects=str(inspection.reinspects) if inspection.reinspects else "",
        drill_id=inspection.drill_id,
        missing_photos=missing,
    )
