"""Certificates of servers and channels, read again when their files change, so that a new one needs no restart."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from chassis.certificates import TlsError, check
from chassis.files import Watch

__all__ = ["ClientTls", "Renewing", "ServerTls", "TlsError", "check"]

_log = structlog.get_logger("chassis.rpc.tls")


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files. With `client_ca`, clients without a certificate of that authority are refused (mutual TLS)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.certificate, self.key, *([self.client_ca] if self.client_ca else []))

    def credentials(self) -> grpc.ServerCredentials:
        """Of the files as they are at each new connection; raises `TlsError` when they cannot be used now."""
        self.check()
        watch = Watch(self.files)

        # Called by the library before each handshake, in a thread of its own.
        def fetch() -> grpc.ServerCertificateConfiguration | None:
            if not watch.changed():
                return None
            try:
                self.check()
                found = self._configuration()
            except (TlsError, OSError) as error:
                watch.again()
                _log.warning("tls_files_unusable", reason=str(error))
                return None
            _log.info("tls_files_renewed", certificate=str(self.certificate))
            return found

        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            fetch,  # type: ignore[arg-type]  # the stub forgets None, which means no change
            require_client_authentication=self.client_ca is not None,
        )

    def check(self) -> None:
        check(certificate=self.certificate, key=self.key, authority=self.client_ca)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        authority = self.client_ca.read_bytes() if self.client_ca else None
        return grpc.ssl_server_certificate_configuration(
            [(self.key.read_bytes(), self.certificate.read_bytes())], authority
        )


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files: the authority to trust, and our own certificate and key for mutual TLS."""

    authority: Path
    certificate: Path | None = None
    key: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(file for file in (self.authority, self.certificate, self.key) if file is not None)

    def check(self) -> None:
        check(certificate=self.certificate, key=self.key, authority=self.authority)

    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            self.authority.read_bytes(),
            self.key.read_bytes() if self.key else None,
            self.certificate.read_bytes() if self.certificate else None,
        )


class Renewing:
    """A channel whose credentials follow their files: `current()` is one made with what the files hold now.

    `retire` is given the former one, on which calls may be under way. Raises `TlsError` when the files cannot be used.
    """

    def __init__(
        self,
        tls: ClientTls,
        make: Callable[[grpc.ChannelCredentials], grpc.aio.Channel],
        retire: Callable[[grpc.aio.Channel], object],
    ) -> None:
        self._tls = tls
        self._make = make
        self._retire = retire
        tls.check()
        self._watch = Watch(tls.files)
        self._channel = make(tls.credentials())

    def current(self) -> grpc.aio.Channel:
        if self._watch.changed():
            try:
                self._tls.check()
                credentials = self._tls.credentials()
            except (TlsError, OSError) as error:
                self._watch.again()
                _log.warning("tls_files_unusable", reason=str(error))
                return self._channel
            former, self._channel = self._channel, self._make(credentials)
            with suppress(RuntimeError):  # no loop runs: the process is ending
                self._retire(former)
            _log.info("tls_files_renewed", certificate=str(self._tls.certificate))
        return self._channel
