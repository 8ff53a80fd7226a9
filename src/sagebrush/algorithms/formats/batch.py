"""A batch of rows, the currency between the formats and the algorithms."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Features = NDArray[np.float32] | sparse.csr_matrix
"""A (rows, feature_dim) matrix: a C-ordered float32 array, or a float32 CSR matrix."""


class Batch(NamedTuple):
    """Rows of a data set.

    ``features`` has shape (rows, feature_dim); ``labels`` has shape (rows,) for one label and
    (rows, label_size) for more, float32, None where the data has none. ``weights`` (rows,) float32
    and ``groups`` (rows,) int64 query ids come from libsvm only.
    """

    features: Any
    labels: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None
