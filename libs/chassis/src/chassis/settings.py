"""Settings from the environment; a wrong one stops the service with one sentence that names the variable."""

import re
import sys
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import addresses
from chassis.certificates import TlsError, check
from chassis.jwks import parse_keys
from chassis.urls import with_password
from chassis.workloads import read_key

EXIT_CODE = 2  # as shells and argparse use it: the way it was called is wrong
_KEY_BYTES = 32


class SettingsError(Exception):
    """One sentence for the operator, naming the variable; it never quotes a value, which may be a secret."""


def _key(value: object) -> object:
    if isinstance(value, str):
        try:
            decoded = b64decode(value, validate=True)
        except ValueError:
            decoded = b""
        if len(decoded) != _KEY_BYTES:
            raise ValueError("must be 32 bytes in base64")
        return decoded
    return value


SecretKey = Annotated[bytes, BeforeValidator(_key)]


def _readable(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from None


def _told(value: object) -> object:
    if value == "":  # which would be the folder that the process happens to be started in
        raise ValueError("must not be empty")
    return value


def _folder(path: Path) -> Path:
    try:
        found = path.is_dir()
    except OSError:
        found = False
    if not found:
        raise ValueError("there is no such folder")
    return path


def _signs(path: Path) -> Path:
    read_key(_readable(path))
    return path


def _trusted(path: Path) -> Path:
    try:
        check(authority=_readable(path))
    except TlsError as error:
        raise ValueError(error.why) from None
    return path


Authority = Annotated[Path, AfterValidator(_trusted)]
WorkloadKey = Annotated[Path, AfterValidator(_signs)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]
Folder = Annotated[Path, BeforeValidator(_told)]
ReadableFolder = Annotated[Folder, AfterValidator(_folder)]
PostgresUrl = Annotated[str, Field(repr=False), AfterValidator(addresses.postgres)]


def _keys(source: str) -> str:
    if source.startswith(("http://", "https://")):
        return addresses.web(source)
    document = _readable(Path(source)).read_bytes()
    try:
        parse_keys(document)
    except ValueError:
        raise ValueError("the file holds neither a JWKS nor certificates") from None
    return source


def _exporter(text: str) -> str:
    kind, _, target = text.partition(":")
    if text == "none" or (kind == "file" and target):
        return text
    if kind == "otlp":
        addresses.collector(target)
        return text
    raise ValueError("must be none, file:path, otlp:host:port or otlp:http://host:port")


Listen = Annotated[str, AfterValidator(addresses.place)]
MaybeListen = Annotated[str, AfterValidator(lambda text: text and addresses.place(text))]
Target = Annotated[str, AfterValidator(addresses.target)]
Named = Annotated[str, Field(min_length=1)]


class ProcessSettings(BaseSettings):
    """What every process needs, with or without a store. Subclasses set `env_prefix`, for example `GATEWAY_`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["production", "devstack"] = "production"
    listen: Listen = "0.0.0.0:50051"
    metrics_listen: MaybeListen = ""
    jwks: Annotated[str, Field(min_length=1), AfterValidator(_keys)]
    issuer: Named
    audience: Named = "lilitong"
    workload_key: WorkloadKey | None = None
    workload_trust: ReadableFolder | None = None
    workload_token_file: ReadableFile | None = None
    clock_file: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    trace_exporter: Annotated[str, AfterValidator(_exporter)] = "none"
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    hot_trace_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    tls_certificate: ReadableFile | None = None
    tls_key: ReadableFile | None = None
    tls_authority: Authority | None = None
    drain_seconds: Annotated[float, Field(gt=0, le=600)] = 20.0
    linger_seconds: Annotated[float, Field(ge=0, le=120)] = 0.0

    def variable(self, field: str) -> str:
        """The environment's name of a field."""
        return f"{self.model_config.get('env_prefix', '')}{field}".upper()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.clock_file is not None and self.environment != "devstack":
            raise ValueError("clock_file may be set only when environment is devstack")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        try:
            check(certificate=self.tls_certificate, key=self.tls_key)
        except TlsError as error:
            raise ValueError(f"tls_certificate and tls_key cannot be used: {error.why}") from None
        return self


class BrokerSettings(BaseSettings):
    """Where the bus is. `nats_user` and `nats_password` are the account's, `nats_authority` the PEM file of whom its
    certificate must come from. `nats_replicas` is how many servers keep each stream.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    nats_url: Annotated[str, Field(repr=False), AfterValidator(addresses.broker)]
    nats_user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$", description="letters, digits, - and _")] = ""
    nats_password: Annotated[str, Field(repr=False)] = ""
    nats_authority: Authority | None = None
    nats_replicas: Annotated[int, Field(ge=1, le=5)] | None = None

    @model_validator(mode="after")
    def _account(self) -> Self:
        if bool(self.nats_user) != bool(self.nats_password):
            raise ValueError("nats_user and nats_password belong together")
        if self.nats_authority is not None and "ws://" in self.nats_url:
            raise ValueError("nats_authority needs a nats_url that can be encrypted: nats, tls or wss")
        return self


class ServiceSettings(BrokerSettings, ProcessSettings):
    """A process with a store and the bus.

    `health_listen` (`host:port`) answers health in plain text for probes, see `chassis.rpc.probes`. `database_password`
    is put into `database_url`, which then holds none; `event_trace_key` is the 32-byte key (base64) that all services
    share.
    """

    health_listen: MaybeListen = ""
    database_url: PostgresUrl
    database_password: Annotated[str, Field(repr=False)] = ""
    event_trace_key: Annotated[SecretKey, Field(repr=False)]

    @property
    def store_url(self) -> str:
        """`database_url` with the password in its place."""
        return with_password(self.database_url, self.database_password)

    @model_validator(mode="after")
    def _store(self) -> Self:
        if self.tls_authority is not None and self.tls_certificate is None:
            raise ValueError("tls_authority needs tls_certificate and tls_key: the server would speak in the clear")
        try:
            with_password(self.database_url, self.database_password)
        except ValueError as error:
            raise ValueError(f"database_url and database_password do not fit: {error}") from None
        return self


_S = TypeVar("_S", bound=BaseSettings)


def load(kind: type[_S], prefix: str = "") -> _S:
    """The settings from the environment, whose variables begin with `prefix` or the kind's own; raises `SettingsError`."""
    prefix = prefix or str(kind.model_config.get("env_prefix", ""))
    try:
        return kind(_env_prefix=prefix)  # an argument of the library's, not a field
    except ValidationError as error:
        problems = [_problem(kind, prefix, item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise SettingsError("; ".join(problems) + ".") from None


def load_or_exit(kind: type[_S]) -> _S:
    """As `load`, but a wrong setting ends the process with exit code 2 and the one sentence on standard error."""
    try:
        return load(kind)
    except SettingsError as error:
        print(f"Cannot start: {error}", file=sys.stderr)  # noqa: T201 - before logging is set up, for a person
        raise SystemExit(EXIT_CODE) from None


def _problem(kind: type[BaseSettings], prefix: str, location: tuple[int | str, ...], error: str, message: str) -> str:
    text = message.removeprefix("Value error, ")
    if not location:
        # A rule over several settings names them as fields; operators know them as variables.
        fields = sorted(kind.model_fields, key=len, reverse=True)
        return re.sub(rf"\b({'|'.join(fields)})\b", lambda found: f"{prefix}{found[0]}".upper(), text)
    variable = f"{prefix}{location[0]}".upper()
    expected = kind.model_fields[str(location[0])].description
    if error == "string_pattern_mismatch" and expected:
        text = f"must be {expected}"
    return f"{variable} is missing" if error == "missing" else f"{variable} is wrong: {text[0].lower()}{text[1:]}"
