"""A local key set and the tokens signed with it. For development and tests: production brings its own OIDC provider."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from joserfc import jwk, jwt

ISSUER = "urn:lilitong:devstack"
AUDIENCE = "lilitong"
DISTRICT = "141102"
HOUR = 3600
KID = "devstack-1"


class Signer:
    """Signs tokens with a key that somebody else keeps."""

    def __init__(self, key: jwk.ECKey, *, kid: str = KID, issuer: str = ISSUER, audience: str = AUDIENCE) -> None:
        self._key, self._kid, self._issuer, self._audience = key, kid, issuer, audience

    def sign(self, subject: str, seconds: int, now: float | None, **claims: object) -> str:
        """A token that holds for `seconds` from `now`, Unix time."""
        issued = int(time.time() if now is None else now)
        payload = {"iss": self._issuer, "aud": self._audience, "sub": subject, "iat": issued, "exp": issued + seconds}
        return jwt.encode({"alg": "ES256", "kid": self._kid}, payload | claims, self._key)

    def person(
        self,
        subject: str,
        roles: Sequence[str],
        areas: Sequence[str] = (DISTRICT,),
        *,
        seconds: int = 12 * HOUR,
        now: float | None = None,
    ) -> str:
        """A token of a person or an app backend. `now`: Unix time of issue, where services live at another time."""
        return self.sign(subject, seconds, now, roles=list(roles), areas=list(areas))


class Minter(Signer):
    """Signs tokens with a key kept in `folder`, whose public half lies in `jwks.json` beside it. `key`: for forgers in tests."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        private = folder / "issuer.jwk"
        if private.exists():
            key = jwk.ECKey.import_key(json.loads(private.read_text()))
        else:
            key = jwk.ECKey.generate_key("P-256", {"kid": KID, "use": "sig", "alg": "ES256"}, private=True)
            private.write_text(json.dumps(key.as_dict(private=True)))
            private.chmod(0o600)
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
        super().__init__(key)
        self.key = key

    def workload(self, service: str, *, seconds: int = 30 * 24 * HOUR, now: float | None = None) -> str:
        """A service's own token."""
        return self.sign(f"workload:{service}", seconds, now, workload=True)
