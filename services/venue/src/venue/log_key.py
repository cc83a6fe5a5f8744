"""The public key of this service's log, for publishing: what outsiders give to `venue.spotcheck.recompute --key`.

`VENUE_VAULT=… [VENUE_LOG_ORIGIN=…] python -m venue.log_key` prints one line, name+hash+key. Exit code 2 where no service has made
its log's key yet: the vault would make one here, and nobody signs with that.
"""

import os
import sys
from pathlib import Path

from ledger.note import Signer
from passes.vault import DirectoryVault

from venue.enforcement.room import LOG_KEY
from venue.settings import VenueSettings


def main() -> int:
    vault = os.environ.get("VENUE_VAULT", "")
    if not vault or not (Path(vault) / "keys" / f"{LOG_KEY}.pem").exists():
        sys.stderr.write("VENUE_VAULT must name the key vault of a service that has started once.\n")
        return 2
    origin = os.environ.get("VENUE_LOG_ORIGIN", VenueSettings.model_fields["log_origin"].default)
    sys.stdout.write(f"{Signer(origin, DirectoryVault(Path(vault)).ed25519_key(LOG_KEY)).verifier.encode()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
