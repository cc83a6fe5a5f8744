"""What ends by itself is exported before it does."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from chassis.expiry import Certificates, Disks
from chassis.run import Service
from chassis.settings import ProcessSettings
from chassis.starting import observe
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client import REGISTRY

pytestmark = pytest.mark.feature("X11")
BEGIN = datetime(2022, 3, 10, tzinfo=UTC)


def certificate(days: int, key: EllipticCurvePrivateKey | None = None) -> bytes:
    key = key or generate_private_key(SECP256R1())
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(BEGIN).not_valid_after(BEGIN + timedelta(days=days)).sign(key, SHA256())
    return made.public_bytes(Encoding.PEM)


def ends(collector: Certificates) -> dict[str, float]:
    (family,) = collector.collect()
    return {sample.labels["certificate"]: sample.value for sample in family.samples}


def test_a_chain_ends_with_the_first_of_its_certificates(tmp_path):
    (tmp_path / "tls.crt").write_bytes(certificate(90) + certificate(30))
    collector = Certificates({"server": tmp_path / "tls.crt"})
    assert ends(collector) == {"server": (BEGIN + timedelta(days=30)).timestamp()}


def test_a_renewed_file_is_read_again_and_a_broken_or_missing_one_counts_as_ended(tmp_path):
    path = tmp_path / "tls.crt"
    collector = Certificates({"server": path})
    assert ends(collector) == {"server": 0}
    path.write_bytes(certificate(30))
    assert ends(collector) == {"server": (BEGIN + timedelta(days=30)).timestamp()}
    path.unlink()
    path.write_bytes(certificate(60))
    assert ends(collector) == {"server": (BEGIN + timedelta(days=60)).timestamp()}
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert ends(collector) == {"server": 0}


def test_whom_it_trusts_is_looked_up_at_each_scrape_and_ends_with_the_last_of_its_certificates(tmp_path):
    collector = Certificates({}, lambda: {path.stem: path for path in tmp_path.glob("*.crt")})
    assert ends(collector) == {}
    (tmp_path / "venue.crt").write_bytes(certificate(30) + certificate(90))  # the old one, and the new
    (tmp_path / "checkpoint.crt").write_bytes(certificate(60))
    assert ends(collector) == {
        "venue": (BEGIN + timedelta(days=90)).timestamp(),
        "checkpoint": (BEGIN + timedelta(days=60)).timestamp(),
    }
    (tmp_path / "venue.crt").unlink()
    assert ends(collector).keys() == {"checkpoint"}


def test_a_file_swapped_for_another_of_the_same_instant_is_read_again(tmp_path):
    path, other = tmp_path / "tls.crt", tmp_path / "new.crt"
    path.write_bytes(certificate(30))
    other.write_bytes(certificate(60))
    collector = Certificates({"server": path})
    assert ends(collector) == {"server": (BEGIN + timedelta(days=30)).timestamp()}
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # both unpacked from one archive
    other.replace(path)
    assert ends(collector) == {"server": (BEGIN + timedelta(days=60)).timestamp()}


def test_a_volume_is_measured_and_one_that_is_away_is_left_out(tmp_path):
    free, size = Disks({"vault": tmp_path, "away": tmp_path / "none"}).collect()
    assert [sample.labels["volume"] for sample in free.samples] == ["vault"]
    assert 0 < free.samples[0].value <= size.samples[0].value


@pytest.mark.parametrize("jwks", ["https://issuer.example/jwks.json", "issuer.crt"])
async def test_a_service_watches_what_its_settings_name_and_stops_with_its_end(tmp_path, monkeypatch, jwks):
    monkeypatch.chdir(tmp_path)
    key = generate_private_key(SECP256R1())
    for name in ("issuer.crt", "tls.crt", "ca.crt"):
        (tmp_path / name).write_bytes(certificate(30, key))
    (tmp_path / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings = ProcessSettings(
        jwks=jwks,
        issuer="i",
        tls_certificate=tmp_path / "tls.crt",
        tls_key=tmp_path / "tls.key",
        tls_authority=tmp_path / "ca.crt",
        workload_trust=tmp_path,
    )
    service = Service("watched")
    await observe(service, settings, {"store": tmp_path})
    (tmp_path / "venue.crt").write_bytes(certificate(60, key))
    end = (BEGIN + timedelta(days=30)).timestamp()
    name = "lilitong_certificate_ends_timestamp_seconds"
    assert REGISTRY.get_sample_value(name, {"certificate": "server"}) == end
    assert REGISTRY.get_sample_value(name, {"certificate": "authority"}) == end
    assert REGISTRY.get_sample_value(name, {"certificate": "issuer"}) == (end if jwks.endswith(".crt") else None)
    later = (BEGIN + timedelta(days=60)).timestamp()
    assert REGISTRY.get_sample_value(name, {"certificate": "workload-venue"}) == later
    assert REGISTRY.get_sample_value("lilitong_disk_size_bytes", {"volume": "store"}) > 0
    for closer in reversed(service._closers):
        await closer.close()
    assert REGISTRY.get_sample_value(name, {"certificate": "server"}) is None
