"""A uniform sample without replacement of rows that stream by, on one host or several."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.collective import Collective

Floats = NDArray[np.float32]

FIRST_ROOM_ROWS = 1024
EXACT_DRAW_LIMIT = 10**9
"""numpy draws without replacement from up to this many rows."""


class Reservoir:
    """Keeps ``capacity`` of the rows it is shown, each set of them as likely as any other.

    Vitter, "Random sampling with a reservoir", ACM TOMS 1985, algorithm R: row i (from 0) takes the
    place of a random one with probability capacity / (i + 1). What is kept depends on the rows and
    their order only, not on how they are cut into batches.
    """

    def __init__(self, capacity: int, feature_dim: int, rng: np.random.Generator) -> None:
        self.capacity = capacity
        self.rows_seen = 0
        self._rng = rng
        # Room for a sample of large size is not taken before there are rows for it.
        self._rows: Floats = np.empty((min(capacity, FIRST_ROOM_ROWS), feature_dim), np.float32)

    def add(self, rows: Any) -> None:
        """Show the next rows, an (n, feature_dim) float32 array or CSR matrix."""
        filling = min(rows.shape[0], max(0, self.capacity - self.rows_seen))
        if filling:
            self._make_room(self.rows_seen + filling)
            self._rows[self.rows_seen : self.rows_seen + filling] = _dense(rows[:filling])
        self._replace(rows[filling:], self.rows_seen + filling)
        self.rows_seen += rows.shape[0]

    @property
    def rows(self) -> Floats:
        """The kept rows (min(capacity, rows_seen), feature_dim), in no useful order."""
        return self._rows[: min(self.capacity, self.rows_seen)]

    def _replace(self, rows: Any, first: int) -> None:
        if rows.shape[0] == 0:
            return
        ordinals = np.arange(first + 1, first + rows.shape[0] + 1)
        places = (self._rng.random(rows.shape[0]) * ordinals).astype(np.int64)
        taken = np.flatnonzero(places < self.capacity)
        # Of several rows for one place the last stays, as if they had come one by one.
        self._rows[places[taken]] = _dense(rows[taken])

    def _make_room(self, wanted: int) -> None:
        room = self._rows.shape[0]
        if wanted > room:
            shape = (min(self.capacity, max(wanted, 2 * room)), self._rows.shape[1])
            grown = np.empty(shape, np.float32)
            grown[:room] = self._rows
            self._rows = grown


def gather_sample(
    reservoir: Reservoir, collective: Collective, rng: np.random.Generator
) -> tuple[Floats, int]:
    """A uniform sample of all hosts' rows in random order, and how many rows it is drawn from.

    Every host gets the same (min(capacity, all rows), feature_dim) sample; ``rng`` must be seeded
    alike on all hosts.
    """
    mine = np.zeros(collective.size, np.int64)
    mine[collective.rank] = reservoir.rows_seen
    counts = collective.sum(mine)
    total = int(counts.sum())
    rows = reservoir.rows
    if collective.size > 1:
        share = int(_shares(counts, min(reservoir.capacity, total), rng)[collective.rank])
        own = rng.spawn(collective.size)[collective.rank]
        chosen = own.permutation(rows.shape[0])[:share]
        rows = collective.concatenate(rows[chosen])
    return rows[rng.permutation(rows.shape[0])], total


def _shares(counts: NDArray[np.int64], wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of the wanted rows come from each host's rows, drawn without replacement."""
    if counts.sum() < EXACT_DRAW_LIMIT:
        return np.asarray(rng.multivariate_hypergeometric(counts, wanted))
    # Of so many rows a sample with replacement hardly ever takes one twice.
    return np.asarray(rng.multinomial(wanted, counts / counts.sum()))


def _dense(rows: Any) -> Floats:
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows, np.float32)
