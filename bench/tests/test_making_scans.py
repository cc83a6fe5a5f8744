"""What the bench sends is what scanners send: it verifies, and no two are of one person."""

from datetime import UTC, datetime
from hashlib import sha256

import protovalidate
import pytest
from bench.gate import Used
from bench.insert_rows import columns
from bench.load_h2 import grpc_message
from bench.load_http import pack
from bench.make_batches import BATCH, scans_of, upload
from bench.make_scans import scan_request
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from lilitong.checkpoint.v1 import scan_pb2
from passes import cose, device, presentation
from passes.pass_token import IssuerKey

NOW = datetime(2022, 3, 10, 4, 0, tzinfo=UTC)


@pytest.mark.feature("P1")
def test_each_request_shows_a_fresh_pass_of_somebody_else():
    issuer = generate_private_key(SECP256R1())
    kid = cose.kid_of(issuer.public_key())
    keys = {kid: IssuerKey(issuer.public_key())}
    requests = [scan_request(issuer, kid, NOW) for _ in range(20)]
    shown = [presentation.verify(presentation.parse(request.credential), keys, NOW) for request in requests]
    assert len({one.holder_tag for one in shown}) == len({request.scan_id for request in requests}) == 20
    assert not any(protovalidate.collect_violations(request) for request in requests)


@pytest.mark.feature("P2")
@pytest.mark.parametrize("at", [NOW, datetime(2022, 3, 10, 16, 1, tzinfo=UTC)])
def test_an_upload_is_signed_and_its_scans_are_of_the_day_they_say(at, tmp_path):
    key = generate_private_key(SECP256R1())
    request = upload(key, at)
    device.verify_batch(key.public_key(), sha256(request.batch).digest(), request.signature)
    assert not protovalidate.collect_violations(scan_pb2.ScanBatch.FromString(request.batch))
    file = tmp_path / "uploads"
    file.write_bytes(pack([grpc_message(request.SerializeToString())] * 2))
    scans, again = scans_of(file)
    assert len(scans) == len({scan.tags[0] for scan in scans}) == BATCH
    assert scans == again
    laid_out = columns(file, 7)[0]
    assert [len(column) for column in laid_out] == [BATCH] * 10
    assert laid_out[1] == [scan.tags[0] for scan in scans]
    assert set(laid_out[3]) == {7}


@pytest.mark.feature("P1")
def test_the_saturated_side_is_the_one_with_the_least_time_left():
    assert Used(server=4.0, load=0.5, postgres=1.0).saturated(5.0).startswith("saturated: server")
    assert Used(server=4.0, load=0.5, postgres=3.0).saturated(5.0, servers=2).startswith("saturated: Postgres")
