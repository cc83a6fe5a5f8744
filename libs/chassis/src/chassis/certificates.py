"""Whether files make TLS, asked before they are used."""

import ssl
from collections.abc import Callable
from pathlib import Path


class TlsError(Exception):
    """Files that make no TLS; the text says which and `why`, and quotes nothing of what is in them."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} cannot be used: {why}")
        self.why = why


def check(*, certificate: Path | None = None, key: Path | None = None, authority: Path | None = None) -> None:
    """Raises `TlsError` when a file is unreadable or no PEM, or when the key is not the certificate's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate is not None and key is not None:
        _tried(f"the certificate {certificate} and the key {key}", lambda: context.load_cert_chain(certificate, key))
    if authority is not None:
        _tried(f"the authority {authority}", lambda: context.load_verify_locations(authority))


def _tried(what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        why = "they do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else "there is no usable PEM in it"
        raise TlsError(what, why) from None
    except OSError as error:
        raise TlsError(what, str(error.strerror)) from None
