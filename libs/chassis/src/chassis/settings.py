"""Settings from the environment; a wrong one stops the service with one sentence that names the variable."""

import re
import sys
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.certificates import TlsError, check
from chassis.urls import with_password
from chassis.workloads import read_key

EXIT_CODE = 2  # as shells and argparse use it: the way it was called is wrong
_KEY_BYTES = 32
_LAST_PORT = 65_535


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


def _folder(path: Path) -> Path:
    if not path.is_dir():
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
ReadableFolder = Annotated[Path, AfterValidator(_folder)]
PostgresUrl = Annotated[str, Field(repr=False, pattern=r"^postgres(ql)?://")]


def _port(address: str) -> str:
    if address and not 0 <= int(address.rpartition(":")[2]) <= _LAST_PORT:
        raise ValueError("the port is past 65535")
    return address


def _keys(source: str) -> str:
    if not source.startswith(("http://", "https://")):
        _readable(Path(source))
    return source


_Port = AfterValidator(_port)
Listen = Annotated[str, Field(pattern=r"^.+:\d{1,5}$", description="host:port"), _Port]
MaybeListen = Annotated[str, Field(pattern=r"^(|.+:\d{1,5})$", description="host:port, or nothing"), _Port]
Target = Annotated[str, Field(pattern=r"^[^\s]+:\d{1,5}$", description="host:port or dns:///host:port"), _Port]
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
    trace_exporter: Annotated[str, Field(pattern=r"^(none|file:.+|otlp:.+)$")] = "none"
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

    nats_url: Annotated[str, Field(repr=False, pattern=r"^(nats|tls|ws|wss)://[^\s]+$")]
    nats_user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")] = ""
    nats_password: Annotated[str, Field(repr=False)] = ""
    nats_authority: Authority | None = None
    nats_replicas: Annotated[int, Field(ge=1, le=5)] | None = None

    @model_validator(mode="after")
    def _account(self) -> Self:
        if bool(self.nats_user) != bool(self.nats_password):
            raise ValueError("nats_user and nats_password belong together")
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
    return f"{variable} is missing" if error == "missing" else f"{variable} is wrong: {text[0].lower()}{text[1:]}"
