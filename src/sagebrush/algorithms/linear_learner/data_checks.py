"""Refuses rows that Linear Learner cannot learn from, naming the row and the rule."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.row_flaws import RowFlaw, feature_flaw
from sagebrush.algorithms.linear_learner.settings import BINARY, MULTICLASS, Settings
from sagebrush.algorithms.replay import Pass


def checked(data: Pass, settings: Settings, channel: str) -> Pass:
    """The same passes, raising ClientError at the first row that breaks a rule.

    Rules: ``feature_dim`` features, all finite; one label, 0 or 1, a whole number below
    ``num_classes``, or a finite number, by predictor type.
    """

    def passes() -> Iterator[Batch]:
        first_row = 0
        for batch in data():
            yield _check(batch, settings, channel, first_row)
            first_row += batch.features.shape[0]

    return passes


def _check(batch: Batch, settings: Settings, channel: str, first_row: int) -> Batch:
    width = batch.features.shape[1]
    if settings.feature_dim not in ("auto", width):
        raise ClientError(
            f"The value of feature_dim is {settings.feature_dim}, but the examples of the "
            f"{channel} channel have {width} features."
        )
    if batch.labels is None:
        raise ClientError(f"The examples of the {channel} channel have no label.")
    if batch.labels.ndim != 1:
        raise ClientError(
            f"The examples of the {channel} channel have {batch.labels.shape[1]} labels each; "
            "Linear Learner takes one."
        )
    flaw = find_flaw(batch, settings)
    if flaw is not None:
        raise ClientError(
            f"Example {first_row + flaw.row + 1} of the {channel} channel {flaw.text}"
        )
    return batch


def find_flaw(batch: Batch, settings: Settings) -> RowFlaw | None:
    """The first row with a feature that is not finite, or else with a label that breaks the rule.

    Batches without exactly one label for each row have no flaw of this kind.
    """
    flaw = feature_flaw(batch)
    if flaw is not None or batch.labels is None or batch.labels.ndim != 1:
        return flaw
    bad = ~_valid(batch.labels, settings)
    if not bad.any():
        return None
    row = int(bad.argmax())
    return RowFlaw(row, f"has the label {batch.labels[row]:g}. {_rule(settings)}")


def _valid(labels: NDArray[np.float32], settings: Settings) -> NDArray[np.bool_]:
    if settings.predictor_type == BINARY:
        return np.asarray((labels == 0) | (labels == 1))
    if settings.predictor_type == MULTICLASS:
        in_range = (labels >= 0) & (labels < settings.num_classes)
        return np.asarray(in_range & (labels == np.floor(labels)))
    return np.asarray(np.isfinite(labels))


def _rule(settings: Settings) -> str:
    if settings.predictor_type == BINARY:
        return "Labels of a binary_classifier must be 0 or 1."
    if settings.predictor_type == MULTICLASS:
        return (
            "Labels of a multiclass_classifier must be whole numbers from 0 to num_classes - 1 = "
            f"{settings.num_classes - 1}."
        )
    return "Labels of a regressor must be finite numbers."
