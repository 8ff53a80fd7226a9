"""The uniform sample; oracles: probability theory and the same rows cut otherwise."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import chisquare

from sagebrush.algorithms.collective import Collective, connect
from sagebrush.algorithms.knn import sampling
from sagebrush.algorithms.knn.sampling import Reservoir


def numbered(count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(first, first + count, dtype=np.float32)
    return np.stack([labels, -labels], axis=1), labels


def sampled(capacity: int, count: int, batch: int, seed: int = 0) -> np.ndarray:
    reservoir = Reservoir(capacity, seed=seed)
    for first in range(0, count, batch):
        reservoir.add(*numbered(min(batch, count - first), first))
    rows, labels = reservoir.sample()
    assert np.array_equal(rows, np.stack([labels, -labels], axis=1))
    assert reservoir.rows_seen == count
    return labels


def test_fewer_rows_than_asked_for_are_all_kept_in_order():
    assert sampled(100, 60, 7).tolist() == list(range(60))
    assert sampled(60, 60, 60).tolist() == list(range(60))


def test_the_sample_does_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "MIN_SLACK_ROWS", 8)
    samples = [np.sort(sampled(50, 2000, batch)) for batch in (1, 13, 500, 2000)]
    for other in samples[1:]:
        assert np.array_equal(samples[0], other)
    assert np.unique(samples[0]).size == 50
    assert not np.array_equal(samples[0], np.sort(sampled(50, 2000, 13, seed=1)))


def test_every_row_is_as_likely_as_any_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "MIN_SLACK_ROWS", 4)
    counts = np.zeros(40)
    for seed in range(1000):
        counts[sampled(10, 40, 6, seed).astype(int)] += 1
    assert chisquare(counts).pvalue > 1e-3


def test_memory_is_bounded_by_the_capacity():
    reservoir = Reservoir(1000)
    for first in range(0, 200_000, 5000):
        reservoir.add(*numbered(5000, first))
        assert reservoir._rows is not None
        assert reservoir._rows.shape[0] <= 1000 + 2 * sampling.MIN_SLACK_ROWS
    assert reservoir.sample().rows.shape == (1000, 2)


def test_sparse_rows_are_stored_dense_and_only_stored_ones_are_transformed():
    seen = []

    def transform(rows: np.ndarray) -> np.ndarray:
        seen.append(len(rows))
        return 2 * rows

    reservoir = Reservoir(20, transform=transform)
    rows, labels = numbered(50_000)
    for first in range(0, 50_000, 5000):
        part = slice(first, first + 5000)
        reservoir.add(sparse.csr_matrix(rows[part]), labels[part])
    sample = reservoir.sample()
    assert np.array_equal(sample.rows[:, 0], 2 * sample.labels)
    assert sum(seen) < 15_000


def test_hosts_with_shares_of_any_size_draw_one_uniform_sample():
    def draw(seed: int, sizes: tuple[int, int]) -> tuple[np.ndarray, bool]:
        hosts = ["127.0.6.1", "127.0.6.2"]

        def host(rank: int):
            collective = connect(hosts, hosts[rank], job=f"sample-{seed}-{sizes}")
            reservoir = Reservoir(20, seed=seed, rank=rank)
            if sizes[rank]:
                reservoir.add(*numbered(sizes[rank], rank * sizes[0]))
            merged = reservoir.merged(collective)
            collective.close()
            return merged

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(host, range(2))
        assert np.array_equal(first.rows[:, 0], first.labels)
        return first.labels, second is None

    shares = []
    for seed in range(30):
        labels, alone = draw(seed, (300, 100))
        assert alone
        assert np.unique(labels).size == 20
        shares.append((labels >= 300).mean())
    # 600 draws of which a quarter should be the second host's: three standard deviations.
    assert np.mean(shares) == pytest.approx(0.25, abs=0.055)
    assert np.array_equal(np.sort(draw(0, (0, 15))[0]), np.arange(15))


def test_one_host_alone_merges_with_nobody():
    reservoir = Reservoir(5)
    reservoir.add(*numbered(3))
    assert reservoir.merged(Collective()).labels.tolist() == [0, 1, 2]
    assert Reservoir(5).merged(Collective()).rows.shape == (0, 0)
