"""One sample of every request type. `request_for` finds it; the modules name them."""

from access_matrix.samples import (
    cold_chain,
    figures,
    inspections,
    ladder,
    loop,
    papers,
    people,
    places,
    register,
    spot_checks,
)
from access_matrix.samples.registry import SAMPLES, request_for

__all__ = [
    "SAMPLES",
    "cold_chain",
    "figures",
    "inspections",
    "ladder",
    "loop",
    "papers",
    "people",
    "places",
    "register",
    "request_for",
    "spot_checks",
]
