"""Between the contract's messages and the models."""

from typing import Final

from lilitong.checkpoint.v1 import scan_pb2
from passes.days import day_number
from verdicts import texts
from verdicts.model import Colour, Denial, Observations, Policy, Reason

_TEXTS: Final = {
    reason: scan_pb2.ReasonText(
        reason=scan_pb2.ScanReason.ValueType(reason), text_zh=texts.REASONS[reason].zh, text_en=texts.REASONS[reason].en
    )
    for reason in Reason
}


def observations(message: scan_pb2.Observations) -> Observations:
    return Observations(
        message.temperature_decicelsius,
        Colour(message.health_code),
        Colour(message.itinerary_card),
        message.mask_worn,
    )


def reason_text(reason: Reason) -> scan_pb2.ReasonText:
    return _TEXTS[reason]


def denial(found: Denial) -> scan_pb2.DenialProof:
    return scan_pb2.DenialProof(
        day=day_number(found.day),
        generation=found.generation,
        number=found.number,
        reference=found.reference,
        person=found.person,
    )


def policy(found: Policy) -> scan_pb2.ScanPolicy:
    return scan_pb2.ScanPolicy(
        version=found.version,
        temperature_required=found.temperature_required,
        high_temperature_decicelsius=found.high_temperature_decicelsius,
        codes_required=found.codes_required,
        registration_required=found.registration_required,
        list_max_age_seconds=found.list_max_age_seconds,
    )
