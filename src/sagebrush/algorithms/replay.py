"""Repeated passes over a data set that is read once if it fits in memory.

A pass over a channel costs reading and parsing. What fits in the budget is therefore kept during
the first pass and later passes come from memory, in a new random order each time if asked. A larger
data set streams by again on every pass, at constant memory, and only its beginning is kept, as a
sample.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.memory import memory_limit_bytes

Pass = Callable[[], Iterator[Batch]]

DEFAULT_BUDGET_BYTES = 256 << 20
DEFAULT_SAMPLE_BYTES = 64 << 20
# Rows are held twice while they are joined, beside everything else that a job needs.
_MEMORY_SHARE = 8


def default_budget_bytes() -> int:
    """How much data a job keeps unless it is told: less than the usual 256 MiB in little memory."""
    return min(DEFAULT_BUDGET_BYTES, memory_limit_bytes() // _MEMORY_SHARE)


class ReplayedPass:
    """A pass that remembers: calling it begins the next pass over the same data.

    ``source`` begins a pass over the data itself; ``rng`` shuffles the rows of passes from memory.
    Of data larger than ``budget_bytes`` (None: `default_budget_bytes`) the first ``sample_bytes``
    are kept. Batches must not be changed by whoever receives them.
    """

    def __init__(
        self,
        source: Pass,
        *,
        rng: np.random.Generator | None = None,
        budget_bytes: int | None = None,
        sample_bytes: int = DEFAULT_SAMPLE_BYTES,
    ) -> None:
        self._source = source
        self._rng = rng
        self._budget_bytes = default_budget_bytes() if budget_bytes is None else budget_bytes
        self._sample_bytes = min(sample_bytes, self._budget_bytes)
        self._kept: list[Batch] = []
        self._complete = False
        self._whole: Batch | None = None

    def __call__(self) -> Iterator[Batch]:
        if not self._complete:
            return self._first_pass()
        return iter(self._kept) if self._rng is None else self._shuffled(self._rng)

    @property
    def in_memory(self) -> bool:
        """Whether the whole data set has been kept."""
        return self._complete

    def sample(self, rows: int) -> Iterator[Batch]:
        """Up to about ``rows`` of the kept rows in whole batches spread evenly over them."""
        available = sum(batch.features.shape[0] for batch in self._kept)
        stride = max(1, round(available / max(rows, 1)))
        return iter(self._kept[::stride])

    def _first_pass(self) -> Iterator[Batch]:
        self._kept = []
        size = 0
        fits = True
        for batch in self._source():
            size += _size_bytes(batch)
            if fits and size > self._budget_bytes:
                fits = False
                self._keep_sample()
            if fits:
                self._kept.append(batch)
            yield batch
        self._complete = fits

    def _keep_sample(self) -> None:
        """Let go of all that is kept but the sample, copied out of what it is a view of."""
        room = self._sample_bytes
        sample = []
        for batch in self._kept:
            room -= _size_bytes(batch)
            if room < 0:
                break
            labels = None if batch.labels is None else batch.labels.copy()
            sample.append(Batch(batch.features.copy(), labels))
        self._kept = sample

    def _shuffled(self, rng: np.random.Generator) -> Iterator[Batch]:
        if not self._kept:
            return
        rows = self._kept[0].features.shape[0]
        whole = self._joined()
        order = rng.permutation(whole.features.shape[0])
        for first in range(0, order.shape[0], rows):
            chosen = order[first : first + rows]
            labels = None if whole.labels is None else whole.labels[chosen]
            yield Batch(whole.features[chosen], labels)

    def _joined(self) -> Batch:
        """All rows in one piece, whose slices take the place of the batches."""
        if self._whole is None:
            step = self._kept[0].features.shape[0]
            self._whole = whole = _concatenated(self._kept)
            self._kept = [
                Batch(
                    whole.features[first : first + step],
                    None if whole.labels is None else whole.labels[first : first + step],
                )
                for first in range(0, whole.features.shape[0], step)
            ]
        return self._whole


def _concatenated(batches: list[Batch]) -> Batch:
    """The batches' rows in one; takes dense ones out of the list, so as not to hold all twice."""
    labels = [batch.labels for batch in batches if batch.labels is not None]
    all_labels = np.concatenate(labels) if labels else None
    if any(sparse.issparse(batch.features) for batch in batches):
        return Batch(sparse.vstack([batch.features for batch in batches], "csr"), all_labels)
    shape = (sum(batch.features.shape[0] for batch in batches), batches[0].features.shape[1])
    whole = np.empty(shape, batches[0].features.dtype)
    end = shape[0]
    while batches:
        rows = batches.pop().features
        whole[end - rows.shape[0] : end] = rows
        end -= rows.shape[0]
    return Batch(whole, all_labels)


def _size_bytes(batch: Batch) -> int:
    features = batch.features
    if sparse.issparse(features):
        size = features.data.nbytes + features.indices.nbytes + features.indptr.nbytes
    else:
        size = features.nbytes
    return int(size + (0 if batch.labels is None else batch.labels.nbytes))
