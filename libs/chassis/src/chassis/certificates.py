"""Whether files make TLS, asked before they are used."""

import codecs
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

_CURVES: Final = (ec.SECP224R1, ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA: Final = "1.2.840.113549.1.1.1"


class TlsError(Exception):
    """Files that make no TLS; the text says which and `why`, and quotes nothing of what is in them."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} cannot be used: {why}")
        self.why = why


def check(*, certificate: Path | None = None, key: Path | None = None, authority: Path | None = None) -> None:
    """Raises `TlsError` when a file is unreadable or no PEM, or the key is not the certificate's or of a kind that gRPC refuses.

    gRPC itself says nothing then: a server goes on with the certificate before until that ends.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate is not None and key is not None:
        _tried(f"the certificate {certificate} and the key {key}", lambda: context.load_cert_chain(certificate, key))
        _fit(certificate, key)
    if authority is not None:
        _tried(f"the authority {authority}", lambda: context.load_verify_locations(authority))
        _plain(authority)


def _fit(certificate: Path, key: Path) -> None:
    _plain(certificate)
    _plain(key)
    try:
        first = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        good = _common(first.public_key(), first.public_key_algorithm_oid.dotted_string)
    except ValueError:
        raise TlsError(f"the certificate {certificate}", "there is no usable PEM in it") from None
    if not good:
        raise TlsError(f"the certificate {certificate}", "its key is not one of P-256, P-384, P-521, Ed25519 and RSA")


def _common(key: CertificatePublicKeyTypes, algorithm: str) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    return isinstance(key, ed25519.Ed25519PublicKey) or (isinstance(key, rsa.RSAPublicKey) and algorithm == _RSA)


def _plain(path: Path) -> None:
    if path.read_bytes().startswith(codecs.BOM_UTF8):
        raise TlsError(f"{path}", "it begins with a byte order mark; save it without")


def _tried(what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        why = "they do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else "there is no usable PEM in it"
        raise TlsError(what, why) from None
    except OSError as error:
        raise TlsError(what, str(error.strerror)) from None
