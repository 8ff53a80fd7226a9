"""The reservoir keeps a uniform sample, on one host and over several."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse, stats

from sagebrush.algorithms.collective import Collective, connect
from sagebrush.algorithms.random_cut_forest.sampling import Reservoir, gather_sample


def numbered(first: int, end: int) -> np.ndarray:
    return np.arange(first, end, dtype=np.float32)[:, None]


def filled(capacity: int, parts: list[np.ndarray], seed: int = 0) -> Reservoir:
    reservoir = Reservoir(capacity, 1, np.random.default_rng(seed))
    for part in parts:
        reservoir.add(part)
    return reservoir


def assert_uniform(times_kept: np.ndarray, draws: int, capacity: int) -> None:
    """Each row is kept equally often; kept rows vary less than independent ones would."""
    expected = draws * capacity / times_kept.size
    statistic = ((times_kept - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, times_kept.size - 1) > 1e-4
    assert times_kept.sum() == draws * capacity


def test_every_row_is_kept_as_often_as_any_other():
    kept = np.zeros(40)
    for seed in range(2000):
        rows = filled(7, [numbered(0, 5), numbered(5, 9), numbered(9, 40)], seed).rows
        assert np.unique(rows).size == 7
        kept[rows[:, 0].astype(int)] += 1
    assert_uniform(kept, 2000, 7)


@pytest.mark.parametrize("size", [1, 3, 1000, 5000])
def test_how_rows_are_cut_into_batches_does_not_matter(size):
    parts = [numbered(first, min(first + size, 5000)) for first in range(0, 5000, size)]
    expected = filled(1500, [numbered(0, 5000)]).rows
    np.testing.assert_array_equal(filled(1500, parts).rows, expected)
    matrices = [sparse.csr_matrix(part) for part in parts]
    np.testing.assert_array_equal(filled(1500, matrices).rows, expected)


def test_few_rows_are_all_kept():
    reservoir = filled(10**12, [numbered(0, 3), numbered(3, 5000)])
    np.testing.assert_array_equal(reservoir.rows, numbered(0, 5000))
    assert reservoir.rows_seen == 5000


def test_the_sample_is_in_random_order():
    rows, total = gather_sample(
        filled(300, [numbered(0, 200)]), Collective(), np.random.default_rng(1)
    )
    assert total == 200
    np.testing.assert_array_equal(np.sort(rows, axis=0), numbered(0, 200))
    assert abs(np.corrcoef(rows[:, 0], np.arange(200))[0, 1]) < 0.3


class Recorded(Collective):
    """One host of a group of three whose answers are worked out beforehand."""

    def __init__(self, rank: int, reservoirs: list[Reservoir]) -> None:
        super().__init__(rank, 3)
        self.counts = np.array([each.rows_seen for each in reservoirs])
        self.sent: np.ndarray | None = None

    def sum(self, array):
        assert array[self.rank] == self.counts[self.rank]
        return self.counts

    def concatenate(self, array):
        self.sent = array
        return array


def test_hosts_rows_are_kept_alike_however_many_a_host_has():
    sizes = np.cumsum([0, 25, 4, 11])
    kept = np.zeros(40)
    for seed in range(2000):
        reservoirs = [filled(7, [numbered(sizes[i], sizes[i + 1])], seed * 3 + i) for i in range(3)]
        sent = 0
        for rank in range(3):
            group = Recorded(rank, reservoirs)
            rows, total = gather_sample(reservoirs[rank], group, np.random.default_rng(seed))
            kept[rows[:, 0].astype(int)] += 1
            sent += rows.shape[0]
            assert total == 40
        assert sent == 7
    assert_uniform(kept, 2000, 7)


def test_real_hosts_end_with_the_same_sample():
    hosts = ["127.0.5.1", "127.0.5.2"]

    def host(rank: int) -> np.ndarray:
        reservoir = filled(50, [numbered(rank * 100, rank * 100 + 100)], rank)
        group = connect(hosts, hosts[rank], job="sampling")
        try:
            return gather_sample(reservoir, group, np.random.default_rng(0))[0]
        finally:
            group.close()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(host, range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (50, 1)
    assert 10 < (first < 100).sum() < 40
