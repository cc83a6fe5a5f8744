"""The keys of venue that have versions: those that sign codes and the log, those that screens and draws follow from."""

from dataclasses import dataclass
from typing import Any, Final

from chassis.key_versions import Versions
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from passes.vault import KeyVault
from passes.versions import CodeKeyVersions, LogKeyVersions, SecretVersions

CODES: Final = "venue-code"
SCREENS: Final = "venue-screens"
LOG: Final = "venue-log"
DRAWS: Final = "spot-checks"


@dataclass(frozen=True, slots=True)
class VenueKeys:
    codes: Versions[EllipticCurvePrivateKey]
    screens: Versions[bytes]
    log: Versions[Ed25519PrivateKey]
    draws: Versions[bytes]

    @classmethod
    def of(cls, vault: KeyVault, *, brought: bool = False) -> "VenueKeys":
        """The first versions, until others are loaded. `brought`: new ones must be in what is provided to every replica."""
        return cls(
            Versions(CodeKeyVersions(vault, CODES, brought)),
            Versions(SecretVersions(vault, SCREENS, brought)),
            Versions(LogKeyVersions(vault, LOG, brought)),
            Versions(SecretVersions(vault, DRAWS, brought)),
        )

    @property
    def every(self) -> tuple[Versions[Any], ...]:
        return self.codes, self.screens, self.log, self.draws

    def named(self, name: str) -> Versions[Any]:
        return next(each for each in self.every if each.name == name)
