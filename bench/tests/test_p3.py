"""The arithmetic and the generators of the check-in's measurement."""

import random
import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest
from bench.cpu import Used
from bench.load_http import LoadError, drive, pack, unpack, whole
from bench.p3_check_in import Round, venue_processes
from bench.p3_people import Crowd, away_from_midnight, popularity, request

pytestmark = pytest.mark.feature("P3")
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\nx: y\r\n\r\n{"outcome":"admitted"}'


def test_requests_survive_the_file():
    requests = [b"", b"a", b"b" * 70_000]
    assert list(unpack(pack(requests))) == requests


def test_an_answer_is_whole_at_its_last_byte_and_not_before():
    assert [whole(ANSWER[:size]) for size in range(len(ANSWER) + 1)] == [False] * len(ANSWER) + [True]
    with pytest.raises(LoadError):
        whole(ANSWER + b"H")
    with pytest.raises(LoadError):
        whole(b"HTTP/1.1 200 OK\r\n\r\n")


def test_every_request_is_sent_once_and_every_answer_is_counted():
    ours, theirs = zip(*(socket.socketpair() for _ in range(3)), strict=True)
    got = []

    def serve(peer):
        while data := peer.recv(100):
            got.append(data)
            head, _, body = ANSWER.partition(b"admitted")
            peer.sendall(head)  # in two parts, as a network may bring it
            peer.sendall((b"admitted" if data != b"r7" else b"refused!") + body)

    servers = [threading.Thread(target=serve, args=(peer,)) for peer in theirs]
    for server in servers:
        server.start()
    requests = [b"r%d" % number for number in range(10)]
    load = drive(list(ours), iter(requests), b'"outcome":"admitted"')
    for each in (*ours, *theirs):
        each.shutdown(socket.SHUT_RDWR)
    for server in servers:
        server.join(5)
    for each in (*ours, *theirs):
        each.close()
    assert sorted(got) == sorted(requests)
    assert (load.statuses, load.marked) == ({"200": 10}, 9)


def test_nobody_checks_in_twice():
    class Shown:
        def __init__(self, number):
            self.number = number

        def check_in(self, code, _at):
            return f"{self.number}"

    crowd = Crowd([Shown(number) for number in range(10)], ["a", "b"], random.Random(1))
    visits = crowd.visits(4, datetime.now(UTC)) + crowd.visits(6, datetime.now(UTC))
    assert sorted(credential for credential, _ in visits) == sorted(map(str, range(10)))
    with pytest.raises(ValueError, match="0 are left"):
        crowd.visits(1, datetime.now(UTC))


def test_places_differ_in_popularity_and_all_are_visited():
    weights = popularity(1000)
    assert weights == sorted(weights, reverse=True)
    assert 0.01 < weights[-1] / sum(weights) * 1000 < 1


@pytest.mark.parametrize(("hour", "hours"), [(14.9, 0), (15.0, -2), (15.99, -2), (16.0, 0), (4.0, 0)])
def test_no_local_day_ends_while_it_is_measured(hour, hours):
    now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour)
    assert away_from_midnight(now) == timedelta(hours=hours)


def test_a_request_is_http_with_a_key_of_its_own():
    first, second = (request("gateway", "token", ("LLT1:A", "LLV1:B")) for _ in range(2))
    head, _, body = first.partition(b"\r\n\r\n")
    assert first != second
    assert f"content-length: {len(body)}".encode() in head
    assert head.startswith(b"POST /v1/check-ins HTTP/1.1\r\n")


def test_cost_and_saturation_are_told_by_process():
    used = Used(2.0, {"gateway": 0.5, "venue": 1.8}, 3.1, 2)
    assert used.busiest == ("venue", 0.9)
    assert used.others == pytest.approx(0.2)
    assert used.saturated == "venue, 90% of a core"
    assert Used(2.0, {"venue": 1.8}, 3.7, 2).saturated == "all 2 cores; most by venue, 90% of a core"
    assert Used(2.0, {"venue": 1.0}, 1.1, 2).saturated == "nothing; most used venue, 50% of a core"
    load = type("Load", (), {"statuses": {"200": 1000}, "seconds": 2.0})()
    assert (Round(load, used).rate, Round(load, used).cost("gateway")) == (500.0, 500.0)


def test_there_is_a_venue_process_for_each_core_but_one_and_never_fewer_than_two(monkeypatch):
    found = []
    for cores in (1, 2, 3, 4, 64):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        found.append(venue_processes())
    assert found == [2, 2, 2, 3, 6]
