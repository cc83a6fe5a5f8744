"""Who calls: verified bearer tokens (RFC 7519 over a JWKS, RFC 7517) turned into a `Caller`.

Every service verifies for itself; nothing that a peer says about a person is believed without the
person's own token. Only asymmetric algorithms pass, and a key serves only its own algorithms, so neither `none` nor an
HMAC made with a public key can be accepted.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from joserfc import jws, jwt
from joserfc.errors import JoseError

from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.files import Watch
from chassis.jwks import Key, KeySource, VerificationRegistry
from chassis.workloads import PREFIX, WorkloadTrust

CallerKind = Literal["person", "workload", "device", "anonymous"]

# Official statistical codes are 2, 4, 6, 9 or 12 digits; parts below the twelfth carry a suffix.
_AREA = re.compile(r"\d{2}(\d{2}(\d{2}(\d{3}(\d{3}[0-9A-Za-z-]{0,20})?)?)?)?", re.ASCII)
_NAME = re.compile(r"[\x21-\x7e]{1,128}")
_LONGEST_TOKEN = 8192
_NEVER = datetime.max.replace(tzinfo=UTC)
# What a token can make its decoders raise; the last one by JSON nested deeper than Python's stack.
_BROKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
_LAST_INSTANT = 16_725_225_600  # the year 2500: within what `datetime` holds, beyond any honest token


@dataclass(frozen=True, slots=True)
class Caller:
    """The party behind a call. `areas` are prefixes; `purpose` and `purpose_ref` belong to this one call."""

    subject: str
    roles: frozenset[str] = frozenset()
    areas: tuple[str, ...] = ()
    kind: CallerKind = "person"
    purpose: str = ""
    purpose_ref: str = ""
    expires_at: datetime = _NEVER

    def covers(self, area: str) -> bool:
        """Whether one of the caller's prefixes contains `area`; the empty area is contained in none."""
        return bool(area) and any(prefix and area.startswith(prefix) for prefix in self.areas)


ANONYMOUS = Caller(subject="", kind="anonymous")

# Tries one kind of credentials: None when they are not of its kind, DomainError when they are and are bad.
Authenticator = Callable[[Mapping[str, str]], Awaitable[Caller | None]]


def refused(reason: str = "TOKEN_REFUSED", *, metadata: Mapping[str, str] = MappingProxyType({})) -> DomainError:
    """The one answer to bad credentials: it does not tell a forger which check failed."""
    return DomainError(Kind.UNAUTHENTICATED, reason, "Valid credentials are required.", metadata=metadata)


class TokenVerifier:
    """Verifies `authorization: Bearer …` tokens; an `Authenticator`.

    Claims: `iss`, `aud`, `sub`, `exp` required; `nbf` and `iat` honoured with `leeway`; `roles` and `areas` are
    lists of strings ("" is no area); `workload: true` goes with `sub` = `workload:<service>` and nothing else does.
    Verified tokens are kept by SHA-256 until they, or the certificates that vouch for their key, end (at most `cache_size`,
    least recently used out first); all are dropped when the key set changes, so a withdrawn key is refused as soon as the
    source is looked at again (see `KeySource`).

    With `workloads` services speak with keys of their own (see `chassis.workloads`), and the issuer of people's tokens for
    none of them.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        clock: Clock,
        workloads: WorkloadTrust | None = None,
        leeway: timedelta = timedelta(seconds=30),
        cache_size: int = 10_000,
    ) -> None:
        self._keys = keys
        self._workloads = workloads
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._leeway = leeway.total_seconds()
        self._cache_size = cache_size
        self._cache: OrderedDict[bytes, Caller] = OrderedDict()
        self._generation = (-1, -1)
        self._registry = VerificationRegistry()

    async def __call__(self, metadata: Mapping[str, str]) -> Caller | None:
        """The caller of a call's metadata; None without a bearer token; raises UNAUTHENTICATED on a bad one."""
        header = metadata.get("authorization")
        if header is None or header[:7].lower() != "bearer ":
            return None
        return await self.verify(header[7:])

    async def verify(self, token: str) -> Caller:
        """The caller that `token` speaks for; raises UNAUTHENTICATED / TOKEN_REFUSED."""
        if len(token) > _LONGEST_TOKEN:
            raise refused()
        await self._keys.freshen()
        if self._workloads is not None:
            self._workloads.freshen()
        generation = (self._keys.generation, 0 if self._workloads is None else self._workloads.generation)
        if self._generation != generation:
            self._cache.clear()
            self._generation = generation
        digest = sha256(token.encode()).digest()
        caller = self._cache.get(digest)
        now = self._clock.now()
        if caller is None:
            caller = await self._verify(token, now.timestamp())
            self._cache[digest] = caller
            if len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
            return caller
        if caller.expires_at <= now:
            del self._cache[digest]
            raise refused()
        self._cache.move_to_end(digest)
        return caller

    async def _verify(self, token: str, now: float) -> Caller:
        try:
            header = jws.extract_compact(token.encode()).headers()
        except _BROKEN:
            raise refused() from None
        kid, algorithm = header.get("kid"), header.get("alg")
        # `crit` and `b64` change what the signature means (RFC 7515 §4.1.11, RFC 7797); we use neither.
        if not isinstance(kid, str) or not isinstance(algorithm, str) or "crit" in header or "b64" in header:
            raise refused()
        own = self._workloads is not None and kid.startswith(PREFIX)
        key: Key | None = None
        until = _NEVER
        if self._workloads is None or not own:
            key = await self._keys.find(kid, algorithm)
        elif algorithm == "ES256" and (vouched := self._workloads.find(kid, datetime.fromtimestamp(now, UTC))):
            key, until = vouched.key, vouched.until
        if key is None:
            raise refused()
        try:
            claims = jwt.decode(token, key, registry=self._registry).claims
        except _BROKEN:
            raise refused() from None
        if own and not WorkloadTrust.speaks_for(kid, claims):
            raise refused()
        if self._workloads is not None and not own and claims.get("workload", False) is not False:
            raise refused()
        caller = self._caller(claims, now, claims["iss"] if own else self._issuer)
        return replace(caller, expires_at=min(caller.expires_at, until))

    def _caller(self, claims: Mapping[str, Any], now: float, issuer: str) -> Caller:
        expires = _instant(claims, "exp", required=True)
        starts = max(_instant(claims, "nbf"), _instant(claims, "iat"))
        audience = claims.get("aud")
        audiences: Sequence[Any] = audience if isinstance(audience, list) else [audience]
        subject = claims.get("sub")
        roles, areas = _strings(claims, "roles"), _strings(claims, "areas")
        workload = claims.get("workload", False)
        if (
            claims.get("iss") != issuer
            or self._audience not in audiences
            or expires + self._leeway <= now
            or starts - self._leeway > now
            or not isinstance(subject, str)
            or _NAME.fullmatch(subject) is None
            or not isinstance(workload, bool)
            or workload != subject.startswith("workload:")
            or not all(map(_AREA.fullmatch, areas))
        ):
            raise refused()
        return Caller(
            subject=subject,
            roles=frozenset(roles),
            areas=areas,
            kind="workload" if workload else "person",
            expires_at=datetime.fromtimestamp(expires + self._leeway, UTC),
        )


def _instant(claims: Mapping[str, Any], name: str, *, required: bool = False) -> float:
    value = claims.get(name)
    if value is None and not required:
        return 0.0
    # `bool` is an `int` to Python but no instant.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LAST_INSTANT:
        raise refused()
    return float(value)


def _strings(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise refused()
    return tuple(value)


class FileToken:
    """A workload's own token, kept fresh in a file by the platform; read again when the file changes.

    Looked at no more than once a second. Raises `DomainError` UNAVAILABLE when the file cannot be read.
    """

    def __init__(self, path: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._watch = Watch([self._path], read=False, monotonic=monotonic)
        self._token = ""

    def __call__(self) -> str:
        if self._watch.changed() or not self._token:
            try:
                self._token = self._path.read_text("ascii").strip()
            except (OSError, UnicodeDecodeError):
                self._watch.again()
                if not self._token:
                    raise DomainError(
                        Kind.UNAVAILABLE, "NO_WORKLOAD_TOKEN", "The service cannot identify itself right now."
                    ) from None
        return self._token
