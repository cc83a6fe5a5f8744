"""The library's client, made to insist on encryption and to follow the file of whom it trusts."""

import ssl
from pathlib import Path

import nats.errors
import structlog
from nats.aio.client import Client

_log = structlog.get_logger("chassis.events.bus")


class NoEncryptionError(nats.errors.Error):
    """The server, or who stands before it, greets without TLS."""

    def __str__(self) -> str:
        return "the server offers no TLS, and is to have a certificate"


class Trust:
    """Whom the broker's certificate must come from: a PEM file, read at each connection, or None for the system's authorities.

    Raises OSError when it is unusable.
    """

    def __init__(self, authority: Path | None) -> None:
        self._authority = authority
        self._last = self._read()

    def context(self) -> ssl.SSLContext:
        """Of the file as it is now; as it was last while it cannot be used."""
        try:
            self._last = self._read()
        except OSError as error:
            _log.warning("tls_files_unusable", reason=str(error))
        return self._last

    def _read(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if self._authority is None else str(self._authority))


class EncryptedClient(Client):
    """Connects to a server of that trust and to no other.

    The library encrypts when the server's greeting asks for it, and that greeting comes in clear: whoever answers in the
    server's place would be sent the password by leaving it out.
    """

    def __init__(self, trust: Trust) -> None:
        super().__init__()
        self._trust = trust

    @property
    def ssl_context(self) -> ssl.SSLContext:
        return self._trust.context()

    def _connect_command(self) -> bytes:
        scheme = self._current_server.uri.scheme if self._current_server else ""
        if scheme != "wss" and (scheme == "ws" or not self._server_info.get("tls_required")):
            if self._transport:  # the library forgets it
                self._transport.close()  # type: ignore[no-untyped-call]
            raise NoEncryptionError
        return super()._connect_command()
