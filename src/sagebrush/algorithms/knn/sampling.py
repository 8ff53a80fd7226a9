"""A uniform sample of rows that stream by, on one host or several.

Every row draws a random key; the sample is the rows with the smallest keys. Unlike a reservoir that
counts rows, such samples merge: the smallest keys of all hosts' samples are a uniform sample of all
hosts' rows, whatever share of them each host saw. This is the random sort of C. T. Fan, M. E.
Muller and I. Rezucha, "Development of sampling plans by using sequential (item by item) selection
techniques and digital computers", JASA 57 (1962).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.collective import Collective

Floats = NDArray[np.float32]

GROWTH_BYTES = 32 << 20
MIN_SLACK_ROWS = 4096


class Sample(NamedTuple):
    """Rows (count, width) and their labels (count,), both float32."""

    rows: Floats
    labels: Floats


class Reservoir:
    """Keeps at most ``capacity`` of the rows it is given, each with equal probability.

    ``transform`` turns (rows, features) float32 into what is stored and sees only rows that are
    kept for a while. Memory is a quarter more than the capacity, whatever the number of rows. The
    same seed and rows give the same sample however the rows are cut into batches.
    """

    def __init__(
        self,
        capacity: int,
        *,
        seed: int = 0,
        rank: int = 0,
        transform: Callable[[Floats], Floats] = lambda rows: rows,
    ) -> None:
        self._capacity = capacity
        self._slack = max(MIN_SLACK_ROWS, capacity // 4)
        self._generator = np.random.default_rng([seed, rank])
        self._transform = transform
        self._rows: Floats | None = None
        self._labels = np.zeros(0, np.float32)
        self._keys = np.zeros(0)
        self._limit = np.inf
        self._count = 0
        self.rows_seen = 0

    def add(self, features: Any, labels: Floats) -> None:
        """Take in (rows, features) values, dense or CSR, and (rows,) labels."""
        self.rows_seen += features.shape[0]
        keys = self._generator.random(features.shape[0])
        chosen = np.flatnonzero(keys < self._limit)
        step = self._slack
        for first in range(0, chosen.size, step):
            part = chosen[first : first + step]
            part = part[keys[part] < self._limit]
            whole = part.size == features.shape[0]
            rows = features if whole else features[part]
            dense = rows.toarray() if sparse.issparse(rows) else rows
            self._append(self._transform(dense), labels[part], keys[part])
            if self._count >= self._capacity + self._slack:
                self._shrink()

    def _append(self, rows: Floats, labels: Floats, keys: NDArray[np.float64]) -> None:
        end = self._count + rows.shape[0]
        if self._rows is None:
            self._rows = np.empty((0, rows.shape[1]), np.float32)
        if end > self._rows.shape[0]:
            self._grow(end)
        self._rows[self._count : end] = rows
        self._labels[self._count : end] = labels
        self._keys[self._count : end] = keys
        self._count = end

    def _grow(self, needed: int) -> None:
        """Room for ``needed`` rows; the arrays grow in place, so nothing is held twice."""
        assert self._rows is not None
        width = self._rows.shape[1]
        more = max(1024, GROWTH_BYTES // (4 * max(1, width)))
        size = max(needed, min(needed + more, self._capacity + 2 * self._slack))
        self._rows.resize((size, width), refcheck=False)
        self._labels.resize(size, refcheck=False)
        self._keys.resize(size, refcheck=False)

    def _shrink(self) -> None:
        """Forget all but the rows of the ``capacity`` smallest keys."""
        if self._rows is None or self._count <= self._capacity:
            return
        keys = self._keys[: self._count]
        kept = np.zeros(self._count, bool)
        kept[np.argpartition(keys, self._capacity - 1)[: self._capacity]] = True
        holes = np.flatnonzero(~kept[: self._capacity])
        movers = self._capacity + np.flatnonzero(kept[self._capacity :])
        for column in (self._rows, self._labels, self._keys):
            column[holes] = column[movers]
        self._count = self._capacity
        self._limit = float(self._keys[: self._count].max())

    def sample(self) -> Sample:
        """What is in the sample now; (0, 0) rows if none was added. Valid until the next `add`."""
        self._shrink()
        if self._rows is None:
            return Sample(np.zeros((0, 0), np.float32), self._labels)
        return Sample(self._rows[: self._count], self._labels[: self._count])

    def merged(self, collective: Collective) -> Sample | None:
        """The sample of all hosts' rows on the first host, None on the others."""
        rows, labels = self.sample()
        if collective.size == 1:
            return Sample(rows, labels)
        keys = self._keys[: self._count]
        everywhere = collective.concatenate(keys)
        if everywhere.size > self._capacity:
            limit = np.partition(everywhere, self._capacity - 1)[self._capacity - 1]
            chosen = keys <= limit
            rows, labels = rows[chosen], labels[chosen]
        all_rows, all_labels = collective.gather(rows), collective.gather(labels)
        if not collective.leads:
            return None
        filled = [part for part in all_rows if part.shape[0]]
        return Sample(np.concatenate(filled or [rows]), np.concatenate(all_labels))
