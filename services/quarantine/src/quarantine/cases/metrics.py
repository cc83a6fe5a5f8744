"""What exposures and recalled lots led to, and what was lost of them on purpose, counted."""

from typing import Final

from prometheus_client import Counter

DROPPED: Final = Counter("lilitong_exposure_dropped", "Hits or answers that led nowhere, by cause.", ["cause"])
CONTACTS: Final = Counter("lilitong_contacts_found", "People found for cases, by kind.", ["kind"])
