"""Who a service is, to another: tokens that it signs itself, and certificates by which its peers know its key.

A service holds a P-256 key; each peer has a folder with `<service>.crt`, the certificates of that service's keys. The file's
name says whose key it is, so that no key can speak in another's name, and neither can the issuer of people's tokens.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import ECKey

from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.files import Pace, Stamp, Watch, stamp

PREFIX: Final = "workload:"
LIFETIME: Final = 300
"""Seconds that a token is good for."""
_RENEW: Final = 60
_LONGEST: Final = 2 * LIFETIME
_MOST_CERTIFICATES: Final = 8  # of one service; two while a key is being changed

_log = structlog.get_logger("chassis.workloads")


def read_key(path: Path) -> ECKey:
    """The P-256 key in a PEM file, with its thumbprint (RFC 7638) as id. Raises OSError or ValueError."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (TypeError, UnsupportedAlgorithm):
        raise ValueError("the file holds no private key without a password") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("the key is not on the curve P-256")  # noqa: TRY004 - callers catch ValueError alone
    return _identified(key)


def _identified(key: EllipticCurvePrivateKey | EllipticCurvePublicKey) -> ECKey:
    found = ECKey.import_key(key)
    return ECKey.import_key(key, {"kid": found.thumbprint()})


class WorkloadToken:
    """Gives this service's own token, signed anew in time and when the key's file changes; call it for each request.

    Raises `DomainError` UNAVAILABLE when there is no key, which a file that is just being replaced may mean.
    """

    def __init__(
        self,
        service: str,
        key: Path,
        *,
        audience: str,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subject = f"{PREFIX}{service}"
        self._path = key
        self._audience = audience
        self._clock = clock
        self._watch = Watch([key], read=False, monotonic=monotonic)
        self._key: ECKey | None = None
        self._token = ""
        self._good = (0.0, 0.0)

    def __call__(self) -> str:
        self._look()
        if self._key is None:
            raise DomainError(Kind.UNAVAILABLE, "NO_WORKLOAD_TOKEN", "The service cannot identify itself right now.")
        now = self._clock.now().timestamp()
        since, until = self._good
        if not self._token or not since <= now < until:
            claims = {"iss": self._subject, "sub": self._subject, "aud": self._audience, "workload": True}
            times = {"iat": int(now), "exp": int(now) + LIFETIME}
            header = {"alg": "ES256", "kid": f"{self._subject}:{self._key.kid}"}
            self._token = jwt.encode(header, claims | times, self._key)
            self._good = (now - 1, now + LIFETIME - _RENEW)
        return self._token

    def _look(self) -> None:
        if not self._watch.changed():
            return
        try:
            self._key, self._token = read_key(self._path), ""
        except (OSError, ValueError) as error:
            self._watch.again()
            _log.warning("workload_key_unreadable", error=type(error).__name__, kept=self._key is not None)


@dataclass(frozen=True, slots=True)
class Vouched:
    """A service's key, and the time for which its certificates vouch for it."""

    key: ECKey
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _File:
    """What stood in a file when it was last read."""

    seen: Stamp | None
    keys: Mapping[str, Vouched]


_NOTHING: Final = _File(None, {})


class WorkloadTrust:
    """The peers' certificates: files `<service>.crt`, one or more in PEM, read again when one changes.

    A certificate counts for its key and its dates; the name is the file's, whatever its subject says. `generation` grows with
    each change.
    """

    def __init__(self, folder: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._pace = Pace(monotonic=monotonic)
        self._read_before: dict[str, _File] = {}
        self._known: dict[str, Vouched] = {}
        self.generation = 0

    def freshen(self) -> None:
        """Look at the folder, once a second at most."""
        if not self._pace.due():
            return
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.suffix == ".crt")
        except OSError as error:  # away for a moment; what is known goes on
            _log.warning("workload_trust_unreadable", error=type(error).__name__, keys=len(self._known))
            return
        read = {path.name: self._read(path) for path in paths}
        if read != self._read_before:
            self._read_before = read
            self._known = {kid: one for file in read.values() for kid, one in file.keys.items()}
            self.generation += 1

    def _read(self, path: Path) -> _File:
        """The file as it is, or as it was last where it cannot be read: the others may have changed for a reason."""
        before = self._read_before.get(path.name, _NOTHING)
        try:
            seen = stamp(path)
            return before if seen == before.seen else _File(seen, certificates(path))
        except OSError as error:
            _log.warning("workload_trust_unreadable", error=type(error).__name__, file=path.name)
            return before

    def find(self, kid: str, now: datetime) -> Vouched | None:
        """The key of that id, if its certificate holds at `now`."""
        known = self._known.get(kid)
        return known if known is not None and known.since <= now <= known.until else None

    @staticmethod
    def speaks_for(kid: str, claims: Mapping[str, Any]) -> bool:
        """Whether claims that the key `kid` signed are what that service may say of itself: its own name, for a short time, and
        nothing of roles and areas, which are people's.
        """
        subject = kid.rpartition(":")[0]
        issued, expires = claims.get("iat"), claims.get("exp")
        return (
            claims.get("iss") == subject == claims.get("sub")
            and claims.get("workload") is True
            and not claims.get("roles")
            and not claims.get("areas")
            and isinstance(issued, int | float)
            and isinstance(expires, int | float)
            and expires - issued <= _LONGEST
        )


def certificates(path: Path) -> dict[str, Vouched]:
    """Kid → key of the certificates in `<service>.crt`; what is none of ours is left out, and told. Raises OSError."""
    service = path.stem
    found: dict[str, Vouched] = {}
    try:
        read = x509.load_pem_x509_certificates(path.read_bytes())[:_MOST_CERTIFICATES]
    except ValueError:
        read = []
    for certificate in read:
        try:
            key = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            known = _identified(key)
            since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            kid = f"{PREFIX}{service}:{known.kid}"
            if kid in found:  # renewed for the same key: the later one counts
                until = max(until, found[kid].until)
                since = min(since, found[kid].since)
            found[kid] = Vouched(known, since, until)
    if not found:
        _log.warning("workload_certificate_unusable", service=service)
    return found
