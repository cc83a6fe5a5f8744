"""A process that makes what scanners send, before anything is measured.

    python -m bench.make_scans FILE COUNT TIME VAULT

Scan requests into FILE (`load_http.pack`, framed for gRPC): each shows a presentation signed at TIME (Unix seconds) by a
phone of its own, of a person of their own. VAULT is quarantine's: what its issuer's key signs, the service accepts.
"""

import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from daysets.trust import Use
from devstack.gateclient import HEALTHY
from lilitong.checkpoint.v1 import scan_pb2
from passes import cose, presentation
from passes.days import local_day
from passes.pass_token import Pass, issue
from passes.tags import TAG_BYTES
from passes.vault import DirectoryVault
from quarantine.keys.model import vault_name

from bench.load_h2 import grpc_message
from bench.load_http import pack


def issuer_key(vault: Path) -> EllipticCurvePrivateKey:
    """The key that signs passes, of a system that was started at least once."""
    return DirectoryVault(vault).signing_key(vault_name(Use.PASS, 1))


def scan_request(issuer: EllipticCurvePrivateKey, kid: bytes, at: datetime) -> scan_pb2.ScanRequest:
    """Somebody nobody has seen before, with a phone of their own, shows a pass at that moment."""
    phone = generate_private_key(SECP256R1())
    statement = Pass(local_day(at), (secrets.token_bytes(TAG_BYTES),), cose.point_of(phone.public_key()))
    shown = presentation.present(issue(statement, issuer, kid), phone, at)
    return scan_pb2.ScanRequest(scan_id=secrets.token_bytes(8), credential=shown.to_text(), observations=HEALTHY)


def main() -> int:
    file, count, time, vault = sys.argv[1:5]
    issuer = issuer_key(Path(vault))
    kid, at = cose.kid_of(issuer.public_key()), datetime.fromtimestamp(int(time), UTC)
    requests = (scan_request(issuer, kid, at).SerializeToString() for _ in range(int(count)))
    Path(file).write_bytes(pack(map(grpc_message, requests)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
