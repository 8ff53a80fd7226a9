"""Rows that can be read but not learned from."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sagebrush.algorithms.formats.batch import Batch


class RowFlaw(NamedTuple):
    """What is wrong with row ``row`` of a batch, counted from 0.

    ``text`` goes on from a name of the row: "has the label nan."
    """

    row: int
    text: str


def feature_flaw(batch: Batch) -> RowFlaw | None:
    """The first row with a feature that is NaN or infinite, None if there is none."""
    is_sparse = sparse.issparse(batch.features)
    values = batch.features.data if is_sparse else batch.features
    # The sum is NaN or infinite if any value is, and costs a fraction of looking at each.
    if np.isfinite(values.sum()) or np.isfinite(values).all():
        return None
    return RowFlaw(
        _first_row(batch.features, ~np.isfinite(values)),
        "has a feature that is not a finite number (NaN or infinity).",
    )


def infinity_flaw(batch: Batch) -> RowFlaw | None:
    """The first row with an infinite feature, None if there is none; NaN stands for no value."""
    values = batch.features.data if sparse.issparse(batch.features) else batch.features
    infinite = np.isinf(values)
    if not infinite.any():
        return None
    return RowFlaw(
        _first_row(batch.features, infinite), "has a feature that is infinite or too large."
    )


def _first_row(features: Any, flawed: Any) -> int:
    if not sparse.issparse(features):
        return int(flawed.any(axis=1).argmax())
    return int(np.searchsorted(features.indptr, flawed.argmax(), side="right")) - 1
