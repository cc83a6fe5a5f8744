"""Secrets that an operator brings, and the values that name them: mutual TLS, and keys and passwords of one's own throughout."""

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from devstack.certificates import Authority

from tools.chart.rendering import NAMESPACE, RELEASE
from tools.images.volumes import Object

STORES: Final = ("venue", "checkpoint", "quarantine")
CALLERS: Final = ("venue", "checkpoint")
BUS_USERS: Final = (*STORES, "admin")
TLS: Final = (*STORES, "gateway", "nats", "rehearsal")
VENUE_RANDOM: Final = ("venue-screens.bin", "spot-checks.bin")
QUARANTINE_RANDOM: Final = (
    "people-kek.bin", "national-id-index.bin", "registration-digests.bin", "approver-names.bin", "paper-card.bin",
)  # fmt: skip
QUARANTINE_P256: Final = ("pass", "drill-pass", "sealing")
AWKWARD: Final = "@/:%#?& '\"\\$(HOME)+"
"""What a password may hold and a URL, a shell or a manifest might take for something else."""


def values() -> dict[str, Any]:
    """Of the chart, with a name wherever it takes a Secret."""
    return {
        "auth": {"existingSecret": "made-issuer"},
        "eventTraceKey": {"existingSecret": "made-trace-key"},
        "services": {name: {"keys": {"existingSecret": f"made-{name}-keys"}} for name in ("venue", "quarantine")},
        "workloadIdentity": {"existingSecrets": {name: f"made-{name}-workload" for name in CALLERS}},
        "postgres": {
            "existingSecrets": {name: f"made-{name}-database" for name in STORES},
            "quickstart": {"existingSecret": "made-postgres"},
        },
        "nats": {
            "existingSecrets": {name: f"made-nats-{name}" for name in BUS_USERS},
            "quickstart": {"existingSecret": "made-nats-system"},
        },
        "tls": {"mode": "existing", "existingSecrets": {name: f"made-{name}-tls" for name in TLS}},
    }


def secret(name: str, data: Mapping[str, bytes]) -> Object:
    """As `kubectl create secret generic` makes it."""
    encoded = {key: base64.b64encode(content).decode() for key, content in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def made(folder: Path) -> list[Object]:
    """All of them, anew. `folder`: for the authority's files."""
    authority = Authority(folder / "tls", "authority")
    workloads = Authority(folder / "workload", "authority")
    found = [secret("made-issuer", _pair(workloads, "issuer"))]
    found += [secret(f"made-{name}-workload", _pair(workloads, name)) for name in CALLERS]
    found += [
        secret(f"made-{name}-tls", _pair(authority, name) | {"ca.crt": authority.certificate.read_bytes()})
        for name in TLS
    ]
    found += [
        secret(f"made-{name}-database", {"password": _password(), "owner-password": _password()}) for name in STORES
    ]
    found.append(secret("made-postgres", {"password": _password()}))
    # The server reads these as variables of its configuration, where a letter must come first.
    found += [
        secret(f"made-nats-{name}", {"user": name.encode(), "password": b"p" + secrets.token_hex(16).encode()})
        for name in BUS_USERS
    ]
    found.append(secret("made-nats-system", {"password": b"p" + secrets.token_hex(16).encode()}))
    found.append(secret("made-trace-key", {"key": base64.b64encode(secrets.token_bytes(32))}))
    code = {"venue-code.pem": _p256(), "venue-log.pem": _ed25519()}
    found.append(secret("made-venue-keys", code | {name: secrets.token_bytes(32) for name in VENUE_RANDOM}))
    signing = {f"{name}-1.pem": _p256() for name in QUARANTINE_P256} | {"log-1.pem": _ed25519()}
    found.append(
        secret("made-quarantine-keys", signing | {name: secrets.token_bytes(32) for name in QUARANTINE_RANDOM})
    )
    return found


def _pair(authority: Authority, name: str) -> dict[str, bytes]:
    within = f"{RELEASE}-{name}.{NAMESPACE}"
    known = (f"{RELEASE}-{name}", within, f"{within}.svc", f"{within}.svc.cluster.local")
    pair = authority.issue(name, names=known)
    return {"tls.crt": pair.certificate.read_bytes(), "tls.key": pair.key.read_bytes()}


def _password() -> bytes:
    return f"{secrets.token_hex(8)}{AWKWARD}{secrets.token_hex(8)}".encode()


def _p256() -> bytes:
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def _ed25519() -> bytes:
    return _pem(ed25519.Ed25519PrivateKey.generate())


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
