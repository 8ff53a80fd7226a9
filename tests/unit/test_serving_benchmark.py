"""The serving benchmark: what its figures are judged by, and that its load does what it says."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest
from benchmarks.serving.load import drive, http_request
from benchmarks.serving.processes import cpu_s, memory_bytes
from benchmarks.serving.relay import relayed
from benchmarks.serving.soak import Sample, faults
from benchmarks.serving.targets import settings
from benchmarks.serving.verdicts import generator_bound, judge


def figures(per_second: float, p99_ms: float = 1.0, **more: float) -> dict[str, float]:
    return {"per_second": per_second, "p50_ms": 0.5, "p99_ms": p99_ms, "errors": 0} | more


def results(ours: dict, peers: tuple[dict | None, ...], *, workers: int = 1, count: str = "16"):
    names = ("mlserver", "litserve", "bentoml")
    told = {f"sagebrush/xgboost/{workers}": {count: ours}}
    for name, each in zip(names, peers, strict=True):
        if each is not None:
            told[f"{name}/xgboost/{workers}"] = {count: each}
    return told


def verdict(found, beginning: str):
    (one,) = [each for each in judge(found) if each.target.startswith(beginning)]
    return one


@pytest.mark.parametrize(
    ("workers", "ours", "met"),
    [(1, 500.0, True), (1, 499.0, False), (2, 201.0, True), (2, 200.0, False)],
)
def test_throughput_is_judged_against_the_best_peer(workers, ours, met):
    peers = (figures(40), figures(100), figures(60))
    found = verdict(results(figures(ours), peers, workers=workers), "throughput")
    assert found.met is met
    assert found.figure == f"{ours / 100:.1f} times"


@pytest.mark.parametrize(("p99_ms", "met"), [(2.0, True), (2.1, False)])
def test_tails_are_judged_against_the_shortest(p99_ms, met):
    peers = (figures(1, 9.0), figures(1, 4.0), figures(1, 30.0))
    assert verdict(results(figures(9, p99_ms), peers), "p99").met is met


def test_one_connection_has_no_tail_to_judge():
    found = judge(results(figures(9), (figures(1),) * 3, count="1"))
    assert not [each for each in found if each.target.startswith("p99")]


@pytest.mark.parametrize("third", [None, figures(1, errors=3)])
def test_without_all_peers_nothing_is_known(third):
    found = judge(results(figures(900), (figures(1), figures(1), third)))
    assert [each.met for each in found] == [None, True]


@pytest.mark.parametrize(
    ("cpu_us", "p50_ms", "met"),
    [(100.0, 0.7, [True, True]), (101.0, 0.71, [False, False])],
)
def test_what_the_router_costs(cpu_us, p50_ms, met):
    ours = figures(9, router_cpu_us=cpu_us, direct_p50_ms=0.4) | {"p50_ms": p50_ms}
    found = judge(results(ours, (figures(1),) * 3, count="1"))
    assert [each.met for each in found if each.target.startswith("router")] == met


def test_an_error_of_ours_is_a_miss():
    assert verdict(results(figures(9, errors=1), (figures(1),) * 3), "no error").met is False


def test_a_busy_generator_is_named():
    found = results(figures(9, generator_share=0.95), (figures(1, generator_share=0.5), None, None))
    assert generator_bound(found) == ["sagebrush/xgboost/1 at 16 connections"]


def test_every_target_has_its_setting():
    names = [each.name for each in settings(("xgboost", "linear"), ("sagebrush", "litserve"))]
    assert names == [
        *("sagebrush/xgboost/1", "litserve/xgboost/1", "sagebrush/linear/1", "litserve/linear/1"),
        *("sagebrush/xgboost/2", "litserve/xgboost/2"),
        *("sagebrush+capture/xgboost/1", "sagebrush+2variants/xgboost/2"),
    ]


def samples(*memories_mb: float, errors: int = 0, per_second: float = 70.0) -> list[Sample]:
    return [Sample(int(each * 1e6), errors, per_second, 1.0) for each in memories_mb]


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (samples(50, 100, 101, 100, 102, 101, 100), []),
        (samples(50, 100, 102, 106, 109, 112, 115), ["memory grew from 102.0 to 115.0 MB"]),
        (samples(100, 100, 100, 100, errors=1), ["4 requests failed"]),
        (samples(100, 100, 100, 100, per_second=60.0), ["60 requests per second were answered"]),
        (samples(100, 100), ["too short to tell"]),
    ],
)
def test_a_soak_is_judged_by_errors_memory_and_rate(held, found):
    told = faults(held, 70.0)
    assert len(told) == len(found)
    assert all(words.startswith(begin) for words, begin in zip(told, found, strict=True))


@contextlib.contextmanager
def answering(listener: socket.socket) -> Iterator[None]:
    """A server that answers every request, each tenth with 503, closing now and then."""
    answered = iter(range(10**9))

    def serve(accepted: socket.socket) -> None:
        with accepted, contextlib.suppress(ConnectionError):
            while accepted.recv(1 << 16):
                number = next(answered)
                status = b"503 Busy" if number % 10 == 9 else b"200 OK"
                close = b"connection: close\r\n" if number % 7 == 6 else b""
                accepted.sendall(b"HTTP/1.1 %b\r\n%bcontent-length: 2\r\n\r\nok" % (status, close))
                if close:
                    return

    def accept() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(accepted,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def port() -> Iterator[int]:
    """Where such a server listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    with answering(listener):
        yield listener.getsockname()[1]


@pytest.mark.parametrize("rate", [None, 200.0])
def test_a_load_counts_what_was_answered(port, rate):
    run = drive(port, http_request("GET", "/", {}), connections=3, duration_s=0.3, rate=rate)
    assert 0 < run.requests <= run.total_requests
    assert run.total_requests // 10 - 3 <= run.errors <= run.total_requests // 10 + 3
    assert run.p50_ms <= run.p99_ms
    assert run.generator_share > 0
    if rate is not None:
        assert run.total_requests <= rate * 0.3 + 1


def test_a_load_without_a_server_says_so(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        drive(str(tmp_path / "s"), b"GET / HTTP/1.1\r\n\r\n", connections=1, duration_s=0.1)


def test_processes_tell_what_they_take():
    before = cpu_s(os.getpid())
    sum(range(10**6))
    assert cpu_s(os.getpid()) > before
    assert memory_bytes([os.getpid()]) > memory_bytes([os.getpid()], "Pss_Anon") > 1 << 20
    assert cpu_s(2**22 + 1) == 0


def test_what_a_mere_relay_reaches_is_told_beside_it():
    ours = figures(400, router_cpu_us=120.0, direct_p50_ms=0.4)
    ours |= {"relay_per_second": 480.0, "relay_cpu_us": 57.0}
    found = results(ours, (figures(100),) * 3, count="1")
    assert verdict(found, "throughput").figure == "4.0 times (a mere relay before the model: 4.8)"
    assert verdict(found, "router, xgboost, connections").figure == "120 us (a mere relay: 57 us)"


def test_a_relay_passes_requests_on_and_answers_back(tmp_path):
    path = tmp_path / "model.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    with answering(listener):
        found = relayed(str(path), http_request("GET", "/", {}), 2, 0.3)
    assert found["relay_per_second"] > 0
    assert found["relay_cpu_us"] > 0
