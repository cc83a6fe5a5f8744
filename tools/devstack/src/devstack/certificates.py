"""An authority of one's own for tests of TLS: certificates for 127.0.0.1 and for clients, as PEM files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; `certificate` is what those trust who believe it. Everything lies in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name, self._key = folder, name, ec.generate_private_key(ec.SECP256R1())
        self.certificate = folder / f"{name}.pem"
        own = self._draft(name, self._key, datetime.now(UTC) + _DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        _write(self.certificate, own.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, *, address: str = "127.0.0.1", names: Sequence[str] = (), expired: bool = False) -> Pair:
        """A certificate for a server at `address` that is called `names`, or for a client, which nobody asks for either."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = datetime.now(UTC) - timedelta(hours=1) if expired else datetime.now(UTC) + _DAY
        known = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address)), *map(x509.DNSName, names)])
        signed = self._draft(name, key, until).add_extension(known, critical=False).sign(self._key, hashes.SHA256())
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        _write(pair.certificate, signed)
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        pair.key.chmod(0o600)
        return pair

    def _draft(self, name: str, key: ec.EllipticCurvePrivateKey, until: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - 2 * _DAY)
            .not_valid_after(until)
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
