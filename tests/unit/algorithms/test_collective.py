"""Sums, gathers and broadcasts among hosts: threads on loopback addresses stand for machines."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from sagebrush.algorithms.collective import Collective, connect
from sagebrush.algorithms.errors import AlgorithmError

HOSTS = ["127.0.3.1", "127.0.3.2", "127.0.3.3"]


def on_all(work: Callable[[Collective], Any], hosts: list[str] = HOSTS, job: str = "job") -> list:
    """The results of the work on every host, in host order."""

    def run(host: str) -> Any:
        collective = connect(hosts, host, job=job, timeout_s=10)
        try:
            return work(collective)
        finally:
            collective.close()

    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(run, hosts))


def test_sum_is_the_same_on_every_host_to_the_last_bit():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(7, 3)) * 10.0**rank for rank in range(3)]
    results = on_all(lambda group: group.sum(parts[group.rank]))
    assert np.array_equal(results[0], parts[0] + parts[1] + parts[2])
    assert all(np.array_equal(result, results[0]) for result in results)


def test_minimum_maximum_and_any():
    def work(group: Collective) -> tuple:
        values = np.array([group.rank, -group.rank, 5.0])
        return (
            group.minimum(values).tolist(),
            group.maximum(values).tolist(),
            group.any(group.rank == 2),
            group.any(False),
        )

    for result in on_all(work):
        assert result == ([0.0, -2.0, 5.0], [2.0, 0.0, 5.0], True, False)


def test_gather_reaches_the_first_host_in_order():
    results = on_all(lambda group: group.gather(np.full(group.rank + 1, group.rank)))
    assert [part.tolist() for part in results[0]] == [[0], [1, 1], [2, 2, 2]]
    assert results[1:] == [[], []]


def test_concatenate_gives_every_host_all_rows():
    results = on_all(lambda group: group.concatenate(np.full((group.rank, 2), group.rank)))
    assert all(result.tolist() == [[1, 1], [2, 2], [2, 2]] for result in results)


def test_broadcast_keeps_type_and_shape_of_the_first_hosts_array():
    def work(group: Collective) -> np.ndarray:
        return group.broadcast(np.arange(6, dtype=np.int16).reshape(2, 3) if group.leads else None)

    for result in on_all(work):
        assert result.dtype == np.int16
        assert result.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_arrays_larger_than_a_socket_buffer_arrive_whole():
    big = np.arange(3_000_000, dtype=np.float32)
    results = on_all(lambda group: group.sum(big), HOSTS[:2])
    assert np.array_equal(results[1], big * 2)


def test_one_host_needs_no_network():
    group = connect(["algo-1"], "algo-1")
    assert group.leads
    assert group.sum(np.ones(2)).tolist() == [1, 1]
    assert group.concatenate(np.ones(2)).tolist() == [1, 1]
    assert [part.tolist() for part in group.gather(np.ones(1))] == [[1]]


def test_two_jobs_on_the_same_hosts_do_not_mix():
    def work(name: str) -> list:
        return on_all(lambda group: group.sum(np.array([len(name)])).item(), HOSTS[:2], job=name)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, ["a", "bcd"])) == [[2, 2], [6, 6]]


def test_a_stranger_on_the_port_is_passed_over(monkeypatch: pytest.MonkeyPatch):
    # All jobs try the same ports, and a stranger that never answers holds the first one.
    monkeypatch.setattr("sagebrush.algorithms.collective.PORT_SPAN", 1)
    monkeypatch.setattr("sagebrush.algorithms.collective.FIRST_PORT", 33_100)
    with socket.create_server((HOSTS[0], 33_100)) as stranger:
        stranger.settimeout(5)

        def hang_up(_: int) -> None:
            connection, _address = stranger.accept()
            connection.close()

        with ThreadPoolExecutor(1) as pool:
            pool.submit(hang_up, 0)
            results = on_all(lambda group: group.sum(np.ones(1)).item(), HOSTS[:2])
    assert results == [2, 2]


def test_hosts_whose_names_do_not_resolve_are_this_machine():
    hosts = ["algo-1.invalid", "algo-2.invalid"]
    assert on_all(lambda group: group.sum(np.ones(1)).item(), hosts) == [2, 2]


def test_an_address_of_another_machine_cannot_be_listened_on():
    with pytest.raises(AlgorithmError, match=r"Host 192\.0\.2\.1 cannot listen"):
        connect(["192.0.2.1", HOSTS[0]], "192.0.2.1", job="elsewhere")


def test_a_lost_host_is_an_algorithm_error_that_names_it():
    def work(group: Collective) -> str:
        if group.rank == 1:
            group.close()
            return ""
        with pytest.raises(AlgorithmError) as failure:
            group.sum(np.ones(4))
        return str(failure.value)

    assert HOSTS[1] in on_all(work, HOSTS[:2])[0]


def test_waiting_for_a_host_ends_at_the_deadline_or_at_a_stop():
    with pytest.raises(AlgorithmError, match=f"Gave up waiting for host {HOSTS[1]}"):
        connect(HOSTS[:2], HOSTS[0], job="alone", timeout_s=0.1)
    with pytest.raises(AlgorithmError, match="Stopped while waiting"):
        connect(HOSTS[:2], HOSTS[1], job="alone", stop_requested=lambda: True)
