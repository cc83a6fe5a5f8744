"""Crowded zones and tasks about codes as contracts say them."""

from typing import Any

from chassis.rpc.times import stamp
from lilitong.venue.v1 import code_task_pb2, occupancy_pb2


def encode_crowded(row: Any) -> occupancy_pb2.CrowdedZone:
    return occupancy_pb2.CrowdedZone(
        venue_id=str(row["venue_id"]),
        venue_name=row["venue_name"],
        zone=row["zone"],
        zone_name=row["zone_name"],
        area=row["area"],
        level=row["level"],
        inside=max(row["inside"], 0),
        capacity=row["capacity"],
        since=stamp(row["level_since"]),
        drill_id=row["drill_id"],
    )


def encode_task(row: Any) -> code_task_pb2.CodeTask:
    return code_task_pb2.CodeTask(
        task_id=str(row["task_id"]),
        venue_id=str(row["venue_id"]),
        venue_name=row["venue_name"],
        area=row["area"],
        zone=row["zone"],
        zone_name=row["zone_name"],
        suspicion=row["suspicion"],
        window_start=stamp(row["window_start"]),
        window_minutes=row["window_minutes"],
        seen=row["seen"],
        limit=row["allowed"],
        raised_at=stamp(row["raised_at"]),
        finding=row["finding"],
        note=row["note"],
        answered_by=row["answered_by"],
        answered_at=stamp(row["answered_at"]) if row["answered_at"] else None,
        drill_id=row["drill_id"],
    )
