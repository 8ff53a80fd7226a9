"""Mean and standard deviation of features and labels, from the first rows of the training data."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.linear_learner.settings import Settings

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


_SMALLEST_DEVIATION = 1e-37
"""What features are divided by, and by less float32 has no room for the quotient."""


@dataclass(frozen=True)
class Scaler:
    """x' = (x - mean) / deviation for features (d,), y' likewise for regression labels.

    What the settings switch off has mean 0 or deviation 1 here. ``constant`` (d,) marks features
    that had one value in all rows seen; their deviation is 1.
    """

    feature_mean: Doubles
    feature_deviation: Doubles
    label_mean: float = 0.0
    label_deviation: float = 1.0
    constant: NDArray[np.bool_] | None = None

    def features(self, X: Any) -> Any:
        """Scaled float32 rows: an array for an array, a CSR matrix (never shifted) for one."""
        inverse = (1.0 / self.feature_deviation).astype(np.float32)
        if sparse.issparse(X):
            return X.multiply(inverse[None, :]).tocsr()
        rows = X - self.feature_mean.astype(np.float32)
        rows *= inverse
        return rows

    def labels(self, y: Floats) -> Floats:
        """Scaled labels; class labels come back as they are."""
        if self.label_mean == 0.0 and self.label_deviation == 1.0:
            return y
        return ((y - self.label_mean) / self.label_deviation).astype(np.float32)

    def to_raw(self, weights: Doubles, bias: Doubles) -> tuple[Doubles, Doubles]:
        """Weights (d, m) and bias (m,) that give on raw rows what these give on scaled ones."""
        raw = weights / self.feature_deviation[:, None]
        shifted = bias - self.feature_mean @ raw
        return raw * self.label_deviation, shifted * self.label_deviation + self.label_mean


@dataclass
class ScalerSums:
    """Counts, sums and sums of squares from which a Scaler follows; hosts add theirs up."""

    rows: float
    feature_sums: Doubles
    feature_squares: Doubles
    label_sum: float
    label_square: float

    @classmethod
    def of(cls, batches: list[Batch], feature_dim: int) -> "ScalerSums":
        """The sums over the batches, in float64."""
        sums = cls(0.0, np.zeros(feature_dim), np.zeros(feature_dim), 0.0, 0.0)
        for batch in batches:
            sums._add(batch)
        return sums

    def _add(self, batch: Batch) -> None:
        rows = batch.features
        if sparse.issparse(rows):
            rows = rows.astype(np.float64)
            self.feature_sums += np.asarray(rows.sum(axis=0)).ravel()
            self.feature_squares += np.asarray(rows.multiply(rows).sum(axis=0)).ravel()
        else:
            rows = rows.astype(np.float64)
            self.feature_sums += rows.sum(axis=0)
            self.feature_squares += np.einsum("ij,ij->j", rows, rows)
        self.rows += rows.shape[0]
        if batch.labels is not None:
            labels = batch.labels.astype(np.float64)
            self.label_sum += float(labels.sum())
            self.label_square += float(labels @ labels)

    def over_hosts(self, collective: Collective) -> "ScalerSums":
        """The sums of all hosts together."""
        packed = collective.sum(
            np.concatenate(
                [
                    [self.rows, self.label_sum, self.label_square],
                    self.feature_sums,
                    self.feature_squares,
                ]
            )
        )
        dim = self.feature_sums.shape[0]
        return ScalerSums(
            float(packed[0]),
            packed[3 : 3 + dim],
            packed[3 + dim :],
            float(packed[1]),
            float(packed[2]),
        )

    def scaler(self, settings: Settings, *, is_sparse: bool) -> Scaler:
        """The scaler these sums and the settings ask for."""
        dim = self.feature_sums.shape[0]
        mean, deviation, constant = _moments(self.rows, self.feature_sums, self.feature_squares)
        label_mean, label_deviation, _ = _moments(
            self.rows, np.array([self.label_sum]), np.array([self.label_square])
        )
        return Scaler(
            mean if settings.centers_data(is_sparse) else np.zeros(dim),
            deviation if settings.scales_data else np.ones(dim),
            float(label_mean[0]) if settings.centers_labels else 0.0,
            float(label_deviation[0]) if settings.scales_labels else 1.0,
            constant,
        )


def _moments(
    rows: float, sums: Doubles, squares: Doubles
) -> tuple[Doubles, Doubles, NDArray[np.bool_]]:
    """Means, deviations (1 for constants) and which are constant."""
    mean = sums / rows
    variance = squares / rows - mean * mean
    # Rounding leaves a constant feature with a tiny variance of either sign.
    constant = variance <= np.maximum(1e-12 * squares / rows, _SMALLEST_DEVIATION**2)
    return mean, np.sqrt(np.where(constant, 1.0, variance)), constant
