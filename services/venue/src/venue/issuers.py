"""The issuers of passes that are believed now, in the shape in which passes are verified."""

from daysets.trust_store import TrustStore
from passes.pass_token import IssuerKey, IssuerKeys


class Issuers:
    """Follows a `TrustStore`; the conversion is made when keys change, not at each check-in."""

    def __init__(self, trust: TrustStore) -> None:
        self._trust = trust
        self._keys: IssuerKeys = {}
        trust.on_change(self._take_over)
        self._take_over()

    def current(self) -> IssuerKeys:
        return self._keys

    def _take_over(self) -> None:
        passes = self._trust.keys.passes
        self._keys = {kid: IssuerKey(key.public_key, drill=key.drill) for kid, key in passes.items()}
