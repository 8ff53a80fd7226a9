"""The first row of a batch that cannot be learned from."""

import numpy as np
import pytest
from scipy import sparse

from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.row_flaws import feature_flaw, infinity_flaw


def batch_of(kind: str, row: int, value: float) -> Batch:
    rows = np.zeros((6, 4), dtype=np.float32)
    rows[1, 1] = rows[5, 0] = 3e38  # their sum is no number, they are
    rows[row, 2] = value
    return Batch(sparse.csr_matrix(rows) if kind == "sparse" else rows)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("row", [0, 3, 5])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_feature_that_is_not_finite_is_found(kind: str, row: int, value: float):
    flaw = feature_flaw(batch_of(kind, row, value))
    assert flaw is not None
    assert flaw.row == row


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_finite_rows_have_no_flaw(kind: str):
    assert feature_flaw(batch_of(kind, 2, 3e38)) is None


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_nan_is_a_missing_value_where_infinity_is_looked_for(kind: str):
    assert infinity_flaw(batch_of(kind, 2, np.nan)) is None
    flaw = infinity_flaw(batch_of(kind, 2, -np.inf))
    assert flaw is not None
    assert flaw.row == 2
