"""An installed release as the demo's people see it: where its doors are, who gives tokens, whom to trust."""

import json
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from devstack.district import DistrictError
from devstack.system import SERVICES, Issuer
from devstack.tokens import Signer
from joserfc.jwk import ECKey

from rehearsal.settings import RehearsalSettings, SettingsError


class GivenTokens:
    """Tokens that the real issuer made, a file for each actor: `<subject>.jwt`, else `<role>.jwt`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def person(
        self,
        subject: str,
        roles: Sequence[str],
        areas: Sequence[str] = (),  # noqa: ARG002 - as the issuer wrote it
        *,
        seconds: int = 0,  # noqa: ARG002
        now: float | None = None,  # noqa: ARG002
    ) -> str:
        """The actor's token. Raises SettingsError when there is none."""
        for name in (subject, *roles):
            path = self._folder / f"{name}.jwt"
            if path.is_file():
                return path.read_text().strip()
        raise SettingsError(f"there is neither {subject}.jwt nor {roles[0]}.jwt in {self._folder}")

    def subject(self, role: str) -> str:
        """Whose token a role's is; read, not verified, which the services do. Raises SettingsError when it is no token."""
        try:
            payload = self.person(role, [role]).split(".")[1]
            return str(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])
        except (IndexError, KeyError, ValueError):
            raise SettingsError(f"{role}.jwt in {self._folder} is no token with a subject") from None


@dataclass(frozen=True, slots=True)
class Release:
    """Doors of an installed release; satisfies devstack's System. `targets`: service → host:port of its gRPC."""

    gateway_url: str
    minter: Issuer
    targets: dict[str, str]

    @property
    def venue_account(self) -> str:
        """The account that is to run the venue; "" where any may, because its token is made here."""
        return self.minter.subject("venue_operator") if isinstance(self.minter, GivenTokens) else ""

    def address(self, service: str) -> str:
        return self.targets[service]

    def set_clock(self, offset: float, services: Sequence[str] = SERVICES) -> None:
        """Its clock is the world's."""
        if offset and services:
            raise DistrictError("an installed release's clock cannot be moved")


def of(settings: RehearsalSettings) -> Release:
    """Raises SettingsError for a key or folder that cannot be read."""
    targets = {"checkpoint": settings.checkpoint_target, "quarantine": settings.quarantine_target}
    return Release(settings.gateway_url, issuer_of(settings), targets)


def issuer_of(settings: RehearsalSettings) -> Issuer:
    """Who gives the actors their tokens. Raises SettingsError."""
    if settings.issuer_key is None:
        if settings.tokens is None or not settings.tokens.is_dir():
            raise SettingsError(f"REHEARSAL_TOKENS names no folder: {settings.tokens}")
        return GivenTokens(settings.tokens)
    try:
        key = ECKey.import_key(settings.issuer_key.read_text())
        kid = key.thumbprint()
    except (OSError, ValueError) as error:
        raise SettingsError(f"REHEARSAL_ISSUER_KEY cannot be read: {error}") from None
    return Signer(key, kid=kid, issuer=settings.issuer, audience=settings.audience)


def credentials_of(settings: RehearsalSettings) -> grpc.ChannelCredentials | None:
    """Mutual TLS for gRPC; None where it is not set. Raises SettingsError."""
    files = (settings.tls_authority, settings.tls_key, settings.tls_certificate)
    try:
        contents = [path.read_bytes() for path in files if path is not None]
    except OSError as error:
        raise SettingsError(f"a file of REHEARSAL_TLS_… cannot be read: {error}") from None
    return grpc.ssl_channel_credentials(*contents) if contents else None


def trust_of(settings: RehearsalSettings) -> ssl.SSLContext | bool:
    """Whom an https gateway is to be certified by: the release's authority, else the public ones."""
    if settings.tls_authority is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.tls_authority))
    if settings.tls_certificate is not None:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context
