"""What is exported about a replica's list; for services only, since a scanner exports nothing."""

from typing import Final

from prometheus_client import Gauge

LIST_AGE: Final = Gauge(
    "lilitong_list_age_seconds",
    "Time since this replica's restricted list was last known to be all there is; Inf if never.",
)
