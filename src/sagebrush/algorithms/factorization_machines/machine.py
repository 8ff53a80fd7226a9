"""A trained factorization machine: its parameters and the scores they give."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.factorization_machines.kernel import kernel

Floats = NDArray[np.float32]
Features = NDArray[np.int32]


@dataclass(frozen=True)
class Machine:
    """score(x) = bias + <linear, x> + sum over i < j of <factors_i, factors_j> x_i x_j.

    ``features`` are the m features that have parameters, in ascending order, None when all of
    ``feature_dim`` have; ``factors`` (m, k) and ``linear`` (m,) are float32. The parameters of
    other features are zero.
    """

    feature_dim: int
    features: Features | None
    factors: Floats
    linear: Floats
    bias: float
    is_binary: bool

    def raw_scores(self, X: Any) -> Floats:
        """The score of each row of X (n, feature_dim), array or sparse, shape (n,).

        For a classifier it is the logarithm of the odds. ClientError for values that are not
        finite, ValueError for another width.
        """
        rows = as_rows(X, self.feature_dim)
        k = self.factors.shape[1]
        scores = np.empty(rows.shape[0], np.float32)
        kernel().predict_scores(
            self.factors,
            self.linear,
            self.bias,
            k,
            rows.indptr.astype(np.int64, copy=False),
            self._places(rows.indices.astype(np.int32, copy=False)),
            rows.data,
            rows.shape[0],
            np.empty(k, np.float32),
            scores,
        )
        return scores

    def _places(self, columns: Features) -> Features:
        """The row of each column's parameters, -1 where it has none."""
        if self.features is None:
            return columns
        if not len(self.features):
            return np.full(len(columns), -1, np.int32)
        places = np.searchsorted(self.features, columns)
        places[places == len(self.features)] = 0
        return np.where(self.features[places] == columns, places, -1).astype(np.int32)

    def all_factors(self) -> Floats:
        """The factors of all features, shape (feature_dim, k)."""
        return np.asarray(self._spread(self.factors))

    def all_linear(self) -> Floats:
        """The linear weights of all features, shape (feature_dim,)."""
        return np.asarray(self._spread(self.linear))

    def _spread(self, values: Floats) -> Floats:
        if self.features is None:
            return values
        every = np.zeros((self.feature_dim, *values.shape[1:]), np.float32)
        every[self.features] = values
        return every


def as_rows(X: Any, feature_dim: int | None) -> sparse.csr_matrix:
    """The rows as float32 CSR without duplicate or zero entries of dense rows.

    ValueError for another width than ``feature_dim``, ClientError for values that are not finite.
    """
    if sparse.issparse(X):
        rows = X.tocsr().astype(np.float32, copy=False)
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
    else:
        X = np.asarray(X, dtype=np.float32)
        if X.ndim != 2:
            raise ValueError(f"expected a matrix of rows, got {X.ndim} dimensions")
        rows = dense_to_sparse(X)
    if feature_dim is not None and rows.shape[1] != feature_dim:
        raise ValueError(f"expected {feature_dim} features, got {rows.shape[1]}")
    rows.check_format(full_check=True)
    if not np.isfinite(rows.data).all():
        raise ClientError("The data contains values that are not finite (NaN or infinity).")
    return rows


def dense_to_sparse(X: Floats) -> sparse.csr_matrix:
    """The array's nonzero values as CSR."""
    present = X != 0
    ends = np.zeros(X.shape[0] + 1, np.int64)
    np.cumsum(present.sum(axis=1), out=ends[1:])
    columns = np.broadcast_to(np.arange(X.shape[1], dtype=np.int32), X.shape)[present]
    return sparse.csr_matrix((X[present], columns, ends), shape=X.shape)
