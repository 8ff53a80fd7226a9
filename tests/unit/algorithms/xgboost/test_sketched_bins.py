"""Which rows version 1.7 makes its bins of, and how many bins it may have; numpy is enough."""

from itertools import pairwise

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.xgboost import job_data, value_pages
from sagebrush.algorithms.xgboost.matrix_options import MatrixOptions, tree_nodes
from sagebrush.algorithms.xgboost.sketched_bins import (
    ColumnExtremes,
    sketch_capacity,
    sketch_weights,
)
from sagebrush.algorithms.xgboost.value_pages import (
    FEWEST_BINS,
    LEADING_PAGE_ROWS,
    LEADING_PAGES,
    ValuePages,
    affordable_bins,
    small_pages_first,
)

VALUES = st.one_of(st.just(np.float32("nan")), st.floats(-3, 3, width=32))
PIECES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.integers(1, 6).flatmap(
            lambda rows: arrays.arrays(np.float32, (rows, width), elements=VALUES)
        ),
        min_size=1,
        max_size=5,
    )
)


@given(PIECES)
def test_the_rows_found_hold_each_columns_extremes(pieces: list[np.ndarray]):
    extremes = ColumnExtremes()
    for piece in pieces:
        extremes.add(piece)
    whole = np.concatenate(pieces)
    rows = extremes.rows()
    assert list(rows) == sorted(set(rows))
    assert len(rows) <= 2 * whole.shape[1]
    for reduce in (np.fmin.reduce, np.fmax.reduce):
        expected = reduce(whole)
        known = ~np.isnan(expected)
        if known.any():
            np.testing.assert_array_equal(reduce(whole[rows])[known], expected[known])


def test_rows_without_values_have_no_extremes():
    extremes = ColumnExtremes()
    extremes.add(np.full((3, 2), np.nan, np.float32))
    assert len(extremes.rows()) == 0


@pytest.mark.parametrize(
    ("entries", "bins", "capacity"),
    [(100, 256, 200), (4098, 256, 2 * 2049), (585_000, 256, 2 * 12_289), (585_000, 64, 2 * 4097)],
)
def test_a_sketch_queues_as_many_values_as_version_1_7_allots(entries, bins, capacity):
    """Its `limit_size` at 585,000 rows is 6 levels of 2048 entries and one more."""
    assert sketch_capacity(entries, bins) == capacity


def test_few_rows_are_all_in_the_sketch():
    weights = np.ones(1000, np.float32)
    assert sketch_weights(weights, np.array([3]), 256) is weights


def test_the_sample_stands_for_all_rows_and_has_the_extremes():
    weights = np.random.default_rng(2).uniform(1, 3, 100_000).astype(np.float32)
    extremes = np.array([5, 99_999])
    seen = sketch_weights(weights, extremes, 16)
    capacity = sketch_capacity(len(weights), 16)
    assert np.count_nonzero(seen) <= capacity
    assert (seen[extremes] > 0).all()
    assert seen.sum() == pytest.approx(weights.sum(), rel=0.05)
    quarters = np.array_split(seen, 4)
    shares = np.array([quarter.sum() for quarter in quarters]) / seen.sum()
    np.testing.assert_allclose(shares, 0.25, atol=0.03)


def test_rows_of_no_weight_stay_out_of_the_sketch():
    weights = np.zeros(50_000, np.float32)
    weights[::2] = 1
    seen = sketch_weights(weights, np.array([1, 2]), 16)
    assert not seen[1::2].any()
    assert seen[::2].any()


def test_bins_are_fewer_where_histograms_would_not_fit(monkeypatch):
    monkeypatch.setattr(value_pages, "memory_limit_bytes", lambda: 160 << 20)
    options = MatrixOptions(1)
    assert affordable_bins(20, options) == 256
    # 92 bins, 200 columns and 63 nodes of 24 bytes are 28 MB, a sixth of the memory.
    assert affordable_bins(200, options) == 92
    assert affordable_bins(200, MatrixOptions(1, max_bin=64)) == 64
    assert affordable_bins(2000, options) == FEWEST_BINS
    assert affordable_bins(2000, MatrixOptions(1, max_bin=16)) == 16


@pytest.mark.parametrize(
    ("depth", "leaves", "nodes"),
    [(None, None, 63), (3, None, 7), (0, None, 1023), (30, 0, 1023), (8, 10, 19), (3, 10, 7)],
)
def test_depth_and_leaves_bound_the_nodes_of_a_tree(depth, leaves, nodes):
    assert tree_nodes(depth, leaves) == nodes


@given(st.lists(st.integers(1, 400), max_size=6), st.integers(1, 300))
def test_pages_are_small_first_and_lose_no_row(sizes: list[int], rows: int):
    features = np.arange(sum(sizes), dtype=np.float32)[:, None]
    starts = np.cumsum([0, *sizes])
    blocks = [Batch(features[a:b]) for a, b in pairwise(starts)]
    pages = list(small_pages_first(iter(blocks), rows))
    if not sizes:
        assert pages == []
        return
    np.testing.assert_array_equal(np.concatenate([page.features for page in pages]), features)
    assert all(page.rows <= rows for page in pages)
    if sizes[0] >= LEADING_PAGES * LEADING_PAGE_ROWS:
        leading = [page.rows for page in pages[:LEADING_PAGES]]
        assert leading == [min(LEADING_PAGE_ROWS, rows)] * LEADING_PAGES


@pytest.fixture
def job_with_bins(job, make_data, csv_text, monkeypatch):
    """A job whose training rows come as version 1.7's pages do, with 40 bins."""
    features, labels = make_data(1000)
    job.add("train", {"a.csv": csv_text(labels, features)})
    matrix = ValuePages(features, label=labels)
    matrix.bins = 40
    monkeypatch.setattr(job_data, "read_matrix", lambda *_, **__: matrix)
    return job


def test_training_uses_the_bins_that_there_are_and_says_so(job_with_bins):
    output = job_with_bins.run(num_round="2", max_bin="64")
    assert "max_bin is 40 instead of 64" in output
    assert "[1]\ttrain-rmse" in output
    assert "max_bin" not in job_with_bins.run(num_round="2", max_bin="40")


def test_pages_of_values_cannot_be_cross_validated(job_with_bins):
    with pytest.raises(ClientError, match="too large for cross validation"):
        job_with_bins.run(num_round="2", _kfold="3")
