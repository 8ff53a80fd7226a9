"""Bin edges of version 1.7 from a sample of the rows, at a tenth of the memory of its sketches.

Version 1.7 cannot be handed the edges of bins: it sketches all rows of all columns at once, up to
2.4 MB for each column of many different values. Rows of weight zero do not enter these sketches,
and the bins stay with the matrix. So the bins are made under weights that are zero but for a
uniform sample, by a round of boosting that is thrown away, and training then runs under the true
weights. The sample is as large as a sketch's queue has room for: what does not fit is what costs.

The rows with each column's smallest and largest value are always in it: version 1.7 tells values
from missing ones by edges beyond both, and a value further out would be taken for the other kind.
"""

import numpy as np
import xgboost
from numpy.typing import NDArray

_SKETCH_ENTRIES_PER_BIN = 8
_SAMPLE_SEED = 0
BIN_PARAMETERS = {"tree_method": "hist", "sparse_threshold": "nan"}
"""No number as threshold spares the bins' second copy by columns, two thirds of what is read from
disk for each level of a tree. Trees are the same."""


class ColumnExtremes:
    """Which rows of all that were added have the smallest and the largest value of a column."""

    def __init__(self) -> None:
        self._rows_seen = 0
        self._values: NDArray[np.float32] | None = None
        self._rows: NDArray[np.int64] = np.empty((2, 0), np.int64)

    def add(self, features: NDArray[np.float32]) -> None:
        """Take in the next rows, of the same width as those before; NaN stands for no value."""
        if self._values is None:
            self._values = np.full((2, features.shape[1]), np.inf, np.float32)
            self._rows = np.full(self._values.shape, -1, np.int64)
        # The largest value is the smallest with its sign turned.
        found = np.stack([np.fmin.reduce(features), -np.fmax.reduce(features)])
        for end, column in np.argwhere(found < self._values):
            value = found[end, column] * (1 - 2 * end)
            row = int((features[:, column] == value).argmax())
            self._values[end, column] = found[end, column]
            self._rows[end, column] = self._rows_seen + row
        self._rows_seen += len(features)

    def rows(self) -> NDArray[np.int64]:
        """The numbers of these rows in rising order, each once."""
        return np.unique(self._rows[self._rows >= 0])


def sketch_capacity(entries: int, bins: int) -> int:
    """How many values a sketch of so many ``entries`` queues before it takes more memory."""
    levels = 1
    while True:
        limit = min(entries, levels * bins * _SKETCH_ENTRIES_PER_BIN + 1)
        if limit << levels >= entries:
            return 2 * limit
        levels += 1


def sketch_weights(
    weights: NDArray[np.float32], extremes: NDArray[np.int64], bins: int
) -> NDArray[np.float32]:
    """The weights under which sketches see a sample of the rows, float32 (rows,).

    ``weights`` are the true ones. Sampled rows stand for those left out: the extremes besides them
    weigh no more than they should.
    """
    count = len(weights)
    wanted = sketch_capacity(count, bins)
    if count <= wanted:
        return weights
    # Columns are many where extremes leave little room.
    wanted = max(wanted - len(extremes), bins * _SKETCH_ENTRIES_PER_BIN)
    chosen = np.random.default_rng(_SAMPLE_SEED).choice(count, wanted, replace=False)
    seen = np.zeros(count, np.float32)
    seen[extremes] = weights[extremes]
    seen[chosen] = weights[chosen] * np.float32(count / wanted)
    return seen


def make_bins(
    matrix: xgboost.DMatrix, extremes: NDArray[np.int64], bins: int, threads: int
) -> None:
    """Let a matrix in pages have its bins for the tree method ``hist``.

    Training with the same ``max_bin`` and with `BIN_PARAMETERS` uses them.
    """
    count = int(matrix.num_row())
    given = matrix.get_weight()
    weights = given if len(given) else np.ones(count, np.float32)
    matrix.set_weight(sketch_weights(weights, extremes, bins))
    booster = xgboost.Booster(
        BIN_PARAMETERS | {"max_bin": bins, "max_depth": 1, "nthread": threads}, [matrix]
    )
    gradients = np.zeros(count, np.float32)
    booster.boost(matrix, gradients, gradients)
    matrix.set_weight(given)
