"""What is asked of TLS files before they are used, so that no part goes on with old ones in silence."""

import codecs
from datetime import UTC, datetime, timedelta

import pytest
from chassis.certificates import TlsError, check
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

pytestmark = pytest.mark.feature("X2")


def pair(folder, key):
    """Files of a certificate that its own key has signed."""
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")]), datetime.now(UTC)
    draft = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    digest = None if isinstance(key, ed448.Ed448PrivateKey | ed25519.Ed25519PrivateKey) else hashes.SHA256()
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(draft.sign(key, digest).public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate,
        lambda: rsa.generate_private_key(65537, 2048),
    ],
)
def test_keys_that_every_part_takes_are_taken(tmp_path, make):
    certificate, key = pair(tmp_path, make())
    check(certificate=certificate, key=key, authority=certificate)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256K1()),
        lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
        ed448.Ed448PrivateKey.generate,
    ],
)
def test_a_key_that_grpc_refuses_in_silence_is_told(tmp_path, make):
    certificate, key = pair(tmp_path, make())
    with pytest.raises(TlsError, match="its key is not one of"):
        check(certificate=certificate, key=key)


@pytest.mark.parametrize("which", ["certificate", "key", "authority"])
def test_a_byte_order_mark_which_grpc_does_not_read_past_is_told(tmp_path, which):
    certificate, key = pair(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    authority = tmp_path / "ca.crt"
    authority.write_bytes(certificate.read_bytes())
    files = {"certificate": certificate, "key": key, "authority": authority}
    files[which].write_bytes(codecs.BOM_UTF8 + files[which].read_bytes())
    with pytest.raises(TlsError, match="byte order mark"):
        check(**files)
