"""A process that makes what scanners upload after they were off line, before anything is measured.

    python -m bench.make_batches FILE COUNT TIME KEY

Uploads into FILE (`load_http.pack`, framed for gRPC): `BATCH` scans each, of as many people, scanned in the minutes before
TIME (Unix seconds), signed by the device whose private key is in the file KEY (PEM).
"""

import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from devstack.gateclient import HEALTHY
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import day_number, local_day
from passes.device import sign_batch
from passes.tags import TAG_BYTES

from bench.load_h2 import grpc_message
from bench.load_http import pack, unpack

BATCH = 100
PAUSE = timedelta(seconds=2)
"""Between two people at one post."""


def upload(key: EllipticCurvePrivateKey, at: datetime) -> scan_pb2.RecordScansRequest:
    """`BATCH` scans that a device made one after the other, the last one at that moment, all of one local day."""
    scans = []
    for number in range(BATCH):
        scanned_at = at - PAUSE * (BATCH - 1 - number)
        if local_day(scanned_at) != local_day(at):
            scanned_at = at
        scan = scan_pb2.OfflineScan(
            scan_id=secrets.token_bytes(8),
            day=day_number(local_day(scanned_at)),
            tags=[secrets.token_bytes(TAG_BYTES)],
            verdict=scan_pb2.VERDICT_ALLOW,
            observations=HEALTHY,
        )
        scan.scanned_at.FromDatetime(scanned_at)
        scans.append(scan)
    batch = scan_pb2.ScanBatch(batch_id=secrets.token_bytes(16), scans=scans).SerializeToString()
    return scan_pb2.RecordScansRequest(batch=batch, signature=sign_batch(key, sha256(batch).digest()))


def scans_of(file: Path) -> Iterator[list[scan_pb2.OfflineScan]]:
    """The scans of each upload in such a file."""
    for framed in unpack(file.read_bytes()):
        request = scan_pb2.RecordScansRequest.FromString(framed[5:])
        yield list(scan_pb2.ScanBatch.FromString(request.batch).scans)


def main() -> int:
    file, count, time, path = sys.argv[1:5]
    key = load_pem_private_key(Path(path).read_bytes(), None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError("the device's key is none of P-256")
    at = datetime.fromtimestamp(int(time), UTC)
    uploads = (upload(key, at).SerializeToString() for _ in range(int(count)))
    Path(file).write_bytes(pack(map(grpc_message, uploads)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
