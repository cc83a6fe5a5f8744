"""Verification keys: a JWKS (RFC 7517) from a file or an address, or a file of certificates, kept current."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from chassis.files import LOOK_EVERY, Stamp, stamp

_log = structlog.get_logger("chassis.jwks")

Key = ECKey | OKPKey | RSAKey

# Which algorithms a key of a type and curve may be used with; nothing else is ever verified.
_ALGORITHMS: Mapping[tuple[str, str], frozenset[str]] = MappingProxyType(
    {
        ("EC", "P-256"): frozenset({"ES256"}),
        ("OKP", "Ed25519"): frozenset({"EdDSA", "Ed25519"}),
        ("RSA", ""): frozenset({"RS256"}),
    }
)
_LARGEST_SET = 256 * 1024
_SMALLEST_RSA = 2048


class VerificationRegistry(JWSRegistry):
    """The algorithms that may verify a token.

    `EdDSA` is taken without the library's warning: RFC 9864 deprecates it for not naming its curve, and our keys name
    theirs (Ed25519 alone passes `parse_keys`).
    """

    def __init__(self) -> None:
        super().__init__(algorithms=sorted(frozenset().union(*_ALGORITHMS.values())))

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name] if name == "EdDSA" else super().get_alg(name)


def parse_keys(document: bytes) -> dict[tuple[str, str], Key]:
    """(kid, algorithm) → key for every usable key of a JWKS, or of certificates in PEM; raises ValueError when it is neither.

    A certificate counts for its key alone, whose id is its thumbprint (RFC 7638).

    Left out, because a set may hold keys meant for others: symmetric keys, keys for encryption, keys without a kid,
    RSA keys under 2048 bits and unknown types. Of a private key only the public part is taken.
    """
    if b"-----BEGIN CERTIFICATE-----" in document:
        document = _as_set(document)
    parsed = json.loads(document)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("keys"), list):
        raise ValueError("a JWKS is an object with a list named keys")  # noqa: TRY004 - callers catch ValueError alone
    found: dict[tuple[str, str], Key] = {}
    for data in parsed["keys"]:
        if not isinstance(data, dict) or data.get("use", "sig") != "sig" or not isinstance(data.get("kid"), str):
            continue
        algorithms = _ALGORITHMS.get((str(data.get("kty")), str(data.get("crv", ""))), frozenset())
        if "alg" in data:
            algorithms &= {data["alg"]}
        public = {name: value for name, value in data.items() if name in _PUBLIC_PARTS}
        if data.get("kty") == "RSA" and len(str(data.get("n"))) * 6 < _SMALLEST_RSA:
            continue  # before the library sees it: it warns about such keys
        try:
            key = _IMPORT[data["kty"]](public) if algorithms else None
        except (JoseError, ValueError, TypeError, KeyError):
            key = None
        if key is None:
            continue
        for algorithm in algorithms:
            found[data["kid"], algorithm] = key
    return found


def _as_set(pem: bytes) -> bytes:
    keys = []
    for certificate in x509.load_pem_x509_certificates(pem):
        try:
            found = _key_of(certificate)
        except (JoseError, ValueError, TypeError, UnsupportedAlgorithm):
            continue
        keys.append({**found.as_dict(private=False), "kid": found.thumbprint()})
    return json.dumps({"keys": keys}).encode()


def _key_of(certificate: x509.Certificate) -> Key:
    key = certificate.public_key()
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):  # the library fails on others
        return ECKey.import_key(key)
    if isinstance(key, Ed25519PublicKey):
        return OKPKey.import_key(key)
    if isinstance(key, RSAPublicKey) and key.key_size >= _SMALLEST_RSA:
        return RSAKey.import_key(key)
    raise ValueError("a key of a kind that verifies no token")


_PUBLIC_PARTS = frozenset({"kty", "crv", "x", "y", "n", "e", "kid"})
_IMPORT: Mapping[str, Callable[[Any], Key]] = MappingProxyType(
    {
        "EC": ECKey.import_key,
        "OKP": OKPKey.import_key,
        "RSA": RSAKey.import_key,
    }
)


async def _fetch(address: str) -> bytes:
    async with httpx.AsyncClient(timeout=5.0, follow_redirects=False) as client:
        response = await client.get(address)
        response.raise_for_status()
        return response.content


class KeySource:
    """The current keys of a JWKS at `source`, a file path or an http(s) address.

    Looked at again after `look_every` seconds (a file after 1, read only if it changed; an address after 30, in the
    background), so a withdrawn key stops working within that time; and for an unknown kid, at most once per
    `at_most_every` seconds, so that forged kids cannot make us hammer the issuer. If the source fails, the keys known
    last go on serving and the failure is logged. `generation` grows when the set of keys changes.
    """

    def __init__(
        self,
        source: str,
        *,
        look_every: float | None = None,
        at_most_every: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
        fetch: Callable[[str], Awaitable[bytes]] = _fetch,
    ) -> None:
        self._source = source
        self._remote = source.startswith(("http://", "https://"))
        # A stat costs a microsecond, a request to the issuer does not; both are far under the minute that is asked for.
        self._look_every = look_every if look_every is not None else 30.0 if self._remote else LOOK_EVERY
        self._looking: asyncio.Task[None] | None = None
        self._at_most_every = at_most_every
        self._monotonic = monotonic
        self._fetch = fetch
        self._keys: dict[tuple[str, str], Key] = {}
        self._seen: Stamp | None = None
        self._document = b""
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()
        self.generation = 0

    @property
    def loaded(self) -> bool:
        """Whether at least one key is known; a readiness check."""
        return bool(self._keys)

    async def freshen(self) -> None:
        """Look at the source if the last look is too old; cheap otherwise, and never waiting for a known issuer."""
        if self._monotonic() - self._looked_at < self._look_every:
            return
        if not self._remote or not self._keys:
            await self._look(self._look_every)
        elif self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(self._look_every))

    async def find(self, kid: str, algorithm: str) -> Key | None:
        """The key of that id for that algorithm, or None."""
        key = self._keys.get((kid, algorithm))
        if key is None and self._monotonic() - self._looked_at >= self._at_most_every:
            await self._look(self._at_most_every)
            key = self._keys.get((kid, algorithm))
        return key

    async def _look(self, older_than: float) -> None:
        async with self._lock:
            if self._monotonic() - self._looked_at < older_than:
                return  # another call looked while this one waited for the lock
            self._looked_at = self._monotonic()
            try:
                document = await self._fetch(self._source) if self._remote else self._read()
                if document is None or document == self._document:
                    return
                if len(document) > _LARGEST_SET:
                    raise ValueError("the JWKS is too large")  # noqa: TRY301 - handled like any other bad set
                self._keys = parse_keys(document)
            except (OSError, ValueError, httpx.HTTPError) as error:
                _log.warning("jwks_unreadable", error=type(error).__name__, keys=len(self._keys))
                return
            self._document = document
            self.generation += 1

    def _read(self) -> bytes | None:
        path = Path(self._source)
        seen = stamp(path)
        if seen == self._seen:
            return None
        document = path.read_bytes()
        self._seen = seen
        return document
