"""What a trial's services and actors identify themselves with, laid out as the chart mounts it; vaults are empty."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from devstack.certificates import Authority

ISSUER: Final = "urn:lilitong:trial"


def write_credentials(folder: Path, services: Iterable[str], user: int) -> None:
    """Writes what follows, all of it `user`'s, or anybody's where we are not root.

    issuer.crt, issuer.key   of whoever signs people's tokens
    tls.pem, NAME.crt, NAME.key   authority and pair for mutual TLS, of each service and of `rehearsal`
    workload/SERVICE.key, trust/SERVICE.crt   with which services sign for themselves, and by which peers know them
    vault-SERVICE/   empty
    """
    folder.mkdir(parents=True, mode=0o755)
    authority = Authority(folder, "tls")
    for name in ("issuer", "rehearsal", *services):
        authority.issue(name)
    own = Authority(folder / "workload", "authority")
    (folder / "trust").mkdir()
    for service in services:
        shutil.move(own.issue(service).certificate, folder / "trust")
        (folder / f"vault-{service}").mkdir(mode=0o700)
    for path in (folder, *folder.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, user, user)
        else:  # an engine without root maps its users to ones that have no name here; these keys live for a minute
            path.chmod(0o777 if path.is_dir() else 0o644)
