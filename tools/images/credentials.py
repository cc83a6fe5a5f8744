"""What a trial's services and actors identify themselves with: one issuer, its key set, workload tokens, empty vaults."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from devstack.tokens import Signer
from joserfc.jwk import ECKey

ISSUER: Final = "urn:lilitong:trial"
DAY = 24 * 3600


def write_credentials(folder: Path, services: Iterable[str], user: int) -> None:
    """Writes issuer.pem (private), issuer.json (a key set), SERVICE.jwt and vault-SERVICE/; all of it belongs to `user`."""
    folder.mkdir(parents=True, mode=0o755)
    key = ECKey.generate_key("P-256")
    kid = key.thumbprint()
    (folder / "issuer.pem").write_bytes(key.as_pem(private=True))
    public = key.as_dict(private=False) | {"kid": kid, "alg": "ES256", "use": "sig"}
    (folder / "issuer.json").write_text(json.dumps({"keys": [public]}))
    signer = Signer(key, kid=kid, issuer=ISSUER)
    for service in services:
        (folder / f"{service}.jwt").write_text(signer.sign(f"workload:{service}", DAY, None, workload=True))
        (folder / f"vault-{service}").mkdir(mode=0o700)
    for path in (folder, *folder.iterdir()):
        os.chown(path, user, user)
