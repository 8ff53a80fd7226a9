"""Refuses rows that a factorization machine cannot learn from, naming the row and the rule."""

import numpy as np

from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.row_flaws import RowFlaw, feature_flaw


def find_flaw(batch: Batch, is_binary: bool) -> RowFlaw | None:
    """The first row with a feature that is not finite, without a label, or with a wrong one.

    A label is 0 or 1 of a classifier and any finite number of a regressor.
    """
    flaw = feature_flaw(batch)
    if flaw is not None:
        return flaw
    labels = batch.labels
    if labels is None:
        return RowFlaw(0, "has no label. Factorization Machines learns from one label per example.")
    if labels.ndim != 1:
        return RowFlaw(0, f"has {labels.shape[1]} labels. Factorization Machines takes one.")
    good = (labels == 0) | (labels == 1) if is_binary else np.isfinite(labels)
    if good.all():
        return None
    row = int(good.argmin())
    rule = (
        "Labels of a binary_classifier must be 0 or 1."
        if is_binary
        else "Labels of a regressor must be finite numbers."
    )
    return RowFlaw(row, f"has the label {labels[row]:g}. {rule}")
