"""Passes that come from memory when the data fits, and from the source when it does not."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from sagebrush.algorithms import replay as replay_module
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.replay import ReplayedPass


class Source:
    """Ten rows in batches of four; counts its passes."""

    def __init__(self, *, as_sparse: bool = False) -> None:
        self.passes = 0
        self.as_sparse = as_sparse

    def __call__(self) -> Iterator[Batch]:
        self.passes += 1
        rows = np.arange(20, dtype=np.float32).reshape(10, 2)
        for first in range(0, 10, 4):
            part = rows[first : first + 4]
            features = sparse.csr_matrix(part) if self.as_sparse else part
            yield Batch(features, part[:, 0] / 2)


def rows_of(batches: Iterator[Batch]) -> np.ndarray:
    dense = [b.features.toarray() if sparse.issparse(b.features) else b.features for b in batches]
    return np.concatenate(dense)


def test_data_that_fits_is_read_once():
    source = Source()
    replay = ReplayedPass(source)
    first, second = rows_of(replay()), rows_of(replay())
    assert source.passes == 1
    assert replay.in_memory
    assert np.array_equal(first, second)


def test_passes_from_memory_are_shuffled_rows_with_their_labels():
    for as_sparse in (False, True):
        source = Source(as_sparse=as_sparse)
        replay = ReplayedPass(source, rng=np.random.default_rng(0))
        in_order = rows_of(replay())
        # What numpy hands out next holds no rows by chance.
        del [np.full((10, 2), np.nan, np.float32) for _ in range(100)][:]
        batches = list(replay())
        assert [batch.rows for batch in batches] == [4, 4, 2]
        shuffled = rows_of(iter(batches))
        assert not np.array_equal(in_order, shuffled)
        assert np.array_equal(in_order, shuffled[np.argsort(shuffled[:, 0])])
        labels = np.concatenate([batch.labels for batch in batches])
        assert np.array_equal(labels, shuffled[:, 0] / 2)


def test_data_that_does_not_fit_streams_again_and_keeps_its_beginning():
    source = Source()
    replay = ReplayedPass(source, budget_bytes=60)
    rows_of(replay())
    rows_of(replay())
    assert source.passes == 2
    assert not replay.in_memory
    assert rows_of(replay.sample(100)).tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_of_large_data_no_more_is_kept_than_the_sample():
    replay = ReplayedPass(Source(), budget_bytes=110, sample_bytes=50)
    rows_of(replay())
    assert rows_of(replay.sample(100)).shape == (4, 2)
    empty = ReplayedPass(Source(), budget_bytes=110, sample_bytes=0)
    rows_of(empty())
    assert list(empty.sample(100)) == []


def test_a_pass_given_up_half_way_is_not_taken_for_the_whole():
    source = Source()
    replay = ReplayedPass(source)
    next(replay())
    assert not replay.in_memory
    assert rows_of(replay()).shape == (10, 2)


def test_samples_are_spread_over_what_is_kept():
    replay = ReplayedPass(Source())
    rows_of(replay())
    assert rows_of(replay.sample(10)).shape[0] == 10
    assert rows_of(replay.sample(5))[:, 0].tolist() == [0, 2, 4, 6, 16, 18]


def test_little_memory_makes_the_budget_smaller(monkeypatch):
    bytes_needed = 10 * 3 * 4
    for memory_bytes, fits in ((8 * bytes_needed - 8, False), (8 * bytes_needed, True)):
        monkeypatch.setattr(replay_module, "memory_limit_bytes", lambda limit=memory_bytes: limit)
        replayed = ReplayedPass(Source())
        list(replayed())
        assert replayed.in_memory == fits
    monkeypatch.setattr(replay_module, "memory_limit_bytes", lambda: 1 << 40)
    assert replay_module.default_budget_bytes() == 256 << 20
