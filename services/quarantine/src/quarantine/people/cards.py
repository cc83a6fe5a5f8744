"""Numbers of paper cards. They follow from the card's id and a secret of the vault, so that they are stored nowhere."""

import hmac
from typing import Final
from uuid import UUID

from passes.cards import NUMBER_BYTES

SECRET: Final = "paper-card"  # noqa: S105 - the vault's name of it, not the secret
_LABEL: Final = b"lilitong/paper-card/1\x00"


def number(secret: bytes, card_id: UUID) -> bytes:
    """The card's 16 bytes: HMAC-SHA256 under the vault's secret, cut. The same whenever it is asked for."""
    return hmac.digest(secret, _LABEL + card_id.bytes, "sha256")[:NUMBER_BYTES]
