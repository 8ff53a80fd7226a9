"""A batch of rows, the currency between the formats and the algorithms."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Batch(NamedTuple):
    """Rows of a data set.

    ``features`` is a (rows, feature_dim) matrix: a C-ordered float32 array or a float32 CSR matrix.
    ``labels`` has shape (rows,) for one label and (rows, label_size) for more, float32; None where
    the data has none. ``weights`` (rows,) float32 and ``groups`` (rows,) int64 query ids come from
    libsvm only.
    """

    features: Any
    labels: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None

    @property
    def rows(self) -> int:
        """How many rows the batch has."""
        return int(self.features.shape[0])


def rebatch(blocks: Iterable[Batch], batch_rows: int) -> Iterator[Batch]:
    """The same rows in batches of exactly ``batch_rows``, the last one shorter.

    A batch that lies within one block is a view of it.
    """
    if batch_rows < 1:
        raise ValueError("a batch has at least one row")
    pending: list[Batch] = []
    pending_rows = 0
    for block in blocks:
        start = 0
        while block.rows - start >= batch_rows - pending_rows:
            stop = start + batch_rows - pending_rows
            joined = [concatenate([*pending, _part(block, start, stop)])]
            # While the receiver works, only the receiver holds the rows.
            pending, pending_rows, start = [], 0, stop
            yield joined.pop()
        if start < block.rows:
            pending.append(_part(block, start, block.rows))
            pending_rows += block.rows - start
    if pending:
        yield concatenate(pending)


def concatenate(batches: list[Batch]) -> Batch:
    """The rows of all batches in one; sparse if any is sparse, as wide as the widest sparse one.

    ValueError if dense widths differ.
    """
    if len(batches) == 1:
        return batches[0]
    return Batch(
        stack_features([batch.features for batch in batches]),
        _joined([batch.labels for batch in batches]),
        _joined([batch.weights for batch in batches]),
        _joined([batch.groups for batch in batches]),
    )


def stack_features(parts: list[Any]) -> Any:
    """Feature matrices on top of each other; see ``concatenate``."""
    if not any(sparse.issparse(part) for part in parts):
        return np.concatenate(parts)
    width = max(part.shape[1] for part in parts)
    rows = [widened(sparse.csr_matrix(part), width) for part in parts]
    return sparse.vstack(rows, format="csr", dtype=np.float32)


def widened(matrix: sparse.csr_matrix, width: int) -> sparse.csr_matrix:
    """The sparse matrix with at least ``width`` columns, sharing its data."""
    rows, columns = matrix.shape
    if columns >= width:
        return matrix
    return sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=(rows, width))


def _part(block: Batch, start: int, stop: int) -> Batch:
    if start == 0 and stop == block.rows:
        return block
    columns: list[Any] = [None if column is None else column[start:stop] for column in block]
    return Batch(*columns)


def _joined(columns: list[Any]) -> Any:
    if any(column is None for column in columns):
        if all(column is None for column in columns):
            return None
        raise ValueError("some rows have a label, weight or group and some have none")
    return np.concatenate(columns)
