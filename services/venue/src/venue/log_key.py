"""The public keys of this service's log, to be published: what outsiders give to `venue.spotcheck.recompute --key`.

`VENUE_VAULT=… [VENUE_VAULT_PROVIDED=…] [VENUE_LOG_ORIGIN=…] python -m venue.log_key` prints a line for each version that is
there, the newest last: name+hash+key. A checkpoint names the one that signed it. What was taken away stands in `venue.keys list`.
Exit code 2 where no service has made its log's key yet: the vault would make one here, and nobody signs with that.
"""

import os
import sys
from pathlib import Path
from typing import Final

from ledger.note import Verifier
from passes.vault import DirectoryVault
from passes.versions import LogKeyVersions

from venue.key_versions import LOG
from venue.settings import VenueSettings

MOST: Final = 1000


def main() -> int:
    vault, provided = (Path(os.environ.get(f"VENUE_{name}") or "/nowhere") for name in ("VAULT", "VAULT_PROVIDED"))
    if not (vault / "keys").is_dir() and not provided.is_dir():
        return _refused()
    source = LogKeyVersions(DirectoryVault(vault, provided=provided), LOG)
    keys = [key for version in range(1, MOST) if (key := source.find(version)) is not None]
    if not keys:
        return _refused()
    origin = os.environ.get("VENUE_LOG_ORIGIN", VenueSettings.model_fields["log_origin"].default)
    for key in keys:
        sys.stdout.write(f"{Verifier(origin, source.public(key)).encode()}\n")
    return 0


def _refused() -> int:
    sys.stderr.write("VENUE_VAULT must name the key vault of a service that has started once.\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
