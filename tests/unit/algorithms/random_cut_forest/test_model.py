"""The estimator as a plain library."""

import numpy as np
import pytest
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.random_cut_forest.model import RandomCutForest

ROWS = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)


def test_a_stream_gives_the_forest_that_all_rows_at_once_give():
    model = RandomCutForest(20, 32, seed=3)
    for first in range(0, 2000, 300):
        model.partial_fit(ROWS[first : first + 300])
    whole = RandomCutForest(20, 32, seed=3).fit(ROWS)
    np.testing.assert_array_equal(model.finish().score(ROWS), whole.score(ROWS))
    assert whole.forest_.tree_masses.tolist() == [32] * 20


def test_sparse_rows_are_rows():
    rows = np.where(np.abs(ROWS) > 1, ROWS, 0)
    dense = RandomCutForest(20, 32).fit(rows)
    thin = RandomCutForest(20, 32).fit(sparse.csr_matrix(rows))
    np.testing.assert_array_equal(thin.score(sparse.coo_matrix(rows)), dense.score(rows))


def test_fitting_again_forgets():
    model = RandomCutForest(20, 32).fit(ROWS + 100)
    again = model.fit(ROWS).score(ROWS)
    np.testing.assert_array_equal(again, RandomCutForest(20, 32).fit(ROWS).score(ROWS))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_values_that_are_not_finite_are_refused_by_row(value):
    rows = ROWS.astype(np.float64)
    rows[17, 1] = value
    with pytest.raises(ClientError, match=r"Row 18 has a feature that is not a finite"):
        RandomCutForest().fit(rows)
    with pytest.raises(ClientError, match=r"Row 18 has"):
        RandomCutForest(20).fit(ROWS).score(rows)


def test_misuse_is_refused():
    with pytest.raises(ClientError, match="2000 examples, fewer than the 2001 trees"):
        RandomCutForest(2001).fit(ROWS)
    with pytest.raises(ValueError, match="not been fitted"):
        RandomCutForest().score(ROWS)
    with pytest.raises(ValueError, match="no rows"):
        RandomCutForest().finish()
    with pytest.raises(ValueError, match="expected 4 features, got 3"):
        RandomCutForest(20).fit(ROWS).score(ROWS[:, :3])
    with pytest.raises(ValueError, match="1 dimensions"):
        RandomCutForest().fit(ROWS[0])
