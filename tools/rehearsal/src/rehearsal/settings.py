"""What the rehearsal is told by its environment, as REHEARSAL_… variables."""

from pathlib import Path
from typing import Annotated, Self

from devstack.tokens import DISTRICT
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "REHEARSAL_"
Target = Annotated[str, Field(pattern=r"^.+:\d{1,5}$")]


class SettingsError(Exception):
    """A setting is missing or wrong; the text is one sentence that names it."""


class RehearsalSettings(BaseSettings):
    """README.md says what each is. Files and folders, `host:port` targets, seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    gateway_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")]
    checkpoint_target: Target
    quarantine_target: Target
    issuer_key: Path | None = None
    issuer: str = ""
    audience: str = "lilitong"
    tokens: Path | None = None
    tls_authority: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    area: Annotated[str, Field(pattern=r"^\d{6}$")] = DISTRICT
    start_policy: bool = False
    seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.issuer_key is None) == (self.tokens is None):
            raise ValueError(f"give either {PREFIX}ISSUER_KEY or {PREFIX}TOKENS")
        if self.issuer_key is not None and not self.issuer:
            raise ValueError(f"{PREFIX}ISSUER must name the issuer whose key {PREFIX}ISSUER_KEY is")
        if len({part is None for part in (self.tls_authority, self.tls_certificate, self.tls_key)}) > 1:
            raise ValueError(f"{PREFIX}TLS_AUTHORITY, {PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY go together")
        return self


def load() -> RehearsalSettings:
    """From the environment. Raises SettingsError."""
    try:
        return RehearsalSettings()  # type: ignore[call-arg]  # the environment gives them
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{first['loc'][0]}".upper() if first["loc"] else ""
        if first["type"] == "missing":
            raise SettingsError(f"{name} is missing") from None
        text = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name} is wrong: {text}" if name else text) from None
