"""Web-scale k-means: one streaming pass with more centres than asked for, then a local finish.

Notation: n rows of d features; k clusters asked for; K = k * extra_center_factor centres kept while
the data streams by; c_j a centre with weight w_j, the number of rows it has absorbed.

    assign     a(x) = argmin_j |x - c_j|^2                             for the rows of a mini-batch
    update     c_j <- c_j + m_j / (w_j + m_j) * (mean_j - c_j)         m_j rows with mean mean_j
    forget     w_j <- w_j * 0.5^(batch rows / half_life_time_size)     before each update
    finish     Lloyd's iteration on (c_j, w_j), j < K, down to k centres; the best of several starts

Streaming costs O(n K d) in matrix products at constant memory, the finish O(K k d) per iteration.
The surplus of centres makes the stream insensitive to its random start, and the weights make the
finish an approximation of Lloyd's iteration on the data itself.

References: D. Sculley, "Web-scale k-means clustering", WWW 2010; D. Arthur and S. Vassilvitskii,
"k-means++: the advantages of careful seeding", SODA 2007; E. Liberty et al., "Elastic machine
learning algorithms in Amazon SageMaker", SIGMOD 2020.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.kmeans.artifact import read_centers, write_centers
from sagebrush.algorithms.kmeans.lloyd import kmeans_plus_plus, weighted_lloyd

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
InitMethod = Literal["random", "kmeans++"]

AUTO_CENTER_FACTOR = 10
AUTO_TRIALS = 10
BLOCK_SCORES = 1 << 20
BLOCK_VALUES = 1 << 22
_LARGEST_HALF_NORM = float(np.finfo(np.float32).max) / 4


class _Sums(NamedTuple):
    """What one mini-batch adds to each centre: (K, d) sums, (K,) counts, (K,) squared norms."""

    rows: Doubles
    counts: Doubles
    squares: Doubles


class KMeans:
    """k-means clustering of rows that may stream by once, in one or several passes.

    Parameters are the algorithm's documented hyperparameters; ``extra_center_factor`` and
    ``local_lloyd_num_trials`` may be ``"auto"`` (10, less where the first mini-batch has too few
    rows). ``seed`` makes a run repeatable; ``threads`` is how many blocks of rows are assigned at a
    time. ``stop_requested`` is asked between blocks: once it says yes the rest of a mini-batch is
    left out, and a single host chooses and shrinks centres without further refinement.

    After `fit` or `finish`: ``centers_`` (k, d) float32; ``train_msd_`` the mean squared distance
    of the training rows to the final centre of their streaming centre, an upper bound of the mean
    squared distance to the nearest final centre; ``attempts_`` that of the finish's attempts.
    """

    def __init__(
        self,
        k: int = 8,
        *,
        init_method: InitMethod = "random",
        mini_batch_size: int = 5000,
        epochs: int = 1,
        extra_center_factor: int | Literal["auto"] = "auto",
        half_life_time_size: int = 0,
        local_lloyd_init_method: InitMethod = "kmeans++",
        local_lloyd_max_iter: int = 300,
        local_lloyd_num_trials: int | Literal["auto"] = "auto",
        local_lloyd_tol: float = 0.0001,
        seed: int = 0,
        threads: int = 1,
        collective: Collective | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.k = k
        self.init_method = init_method
        self.mini_batch_size = mini_batch_size
        self.epochs = epochs
        self.extra_center_factor = extra_center_factor
        self.half_life_time_size = half_life_time_size
        self.local_lloyd_init_method = local_lloyd_init_method
        self.local_lloyd_max_iter = local_lloyd_max_iter
        self.local_lloyd_num_trials = local_lloyd_num_trials
        self.local_lloyd_tol = local_lloyd_tol
        self.seed = seed
        self.threads = threads
        self.collective = collective
        self.stop_requested = stop_requested
        self.centers_: Floats | None = None
        self._assigner: _Assigner | None = None

    def fit(self, X: Any) -> Self:
        """Cluster the rows of X, an (n, d) array or scipy sparse matrix; returns self.

        Rows are taken in a random order, as the streaming passes expect shuffled data. Raises
        ClientError when there are fewer rows than clusters or a value is not finite.
        """
        X = _as_rows(X)
        rng = np.random.default_rng(self.seed)
        self.start(X[rng.permutation(X.shape[0])[: self.mini_batch_size]])
        with single_threaded_blas():
            for _ in range(self.epochs):
                order = rng.permutation(X.shape[0])
                for first in range(0, X.shape[0], self.mini_batch_size):
                    self.partial_fit(X[order[first : first + self.mini_batch_size]])
            return self.finish()

    def start(self, first_batch: Any) -> Self:
        """Choose the K streaming centres among the rows of the hosts' first mini-batches.

        Raises ClientError when they have fewer rows than k.
        """
        collective = self._group()
        self._rng = np.random.default_rng(self.seed)
        # Distances are taken from here: far from the origin float32 would lose them.
        mean = np.asarray(first_batch.mean(axis=0), dtype=np.float64).ravel()
        self._shift = np.asarray(collective.sum(mean) / collective.size, dtype=np.float32)
        rows = collective.concatenate(self._shifted(first_batch)).astype(np.float64)
        self.center_factor_ = self._resolve_factor(rows.shape[0])
        count = self.k * self.center_factor_
        if self.init_method == "random":
            centers = rows[self._rng.choice(rows.shape[0], size=count, replace=False)]
        else:
            centers = kmeans_plus_plus(rows, count, self._rng, hurried=self._hurried)
        self._centers: Doubles = centers
        self._weights: Doubles = np.zeros(count)
        self._squares: Doubles = np.zeros(count)
        self.rows_seen_ = 0
        return self

    def _resolve_factor(self, rows: int) -> int:
        if rows < self.k:
            raise ClientError(
                f"The first mini-batch holds {rows} examples, fewer than the {self.k} clusters "
                "asked for by 'k'. Provide more training data or a larger 'mini_batch_size'."
            )
        if self.extra_center_factor == "auto":
            return max(1, min(AUTO_CENTER_FACTOR, rows // self.k))
        if self.k * self.extra_center_factor > rows:
            raise ClientError(
                f"'k' times 'extra_center_factor' is {self.k * self.extra_center_factor}, more "
                f"than the {rows} examples of the first mini-batch. Lower 'extra_center_factor' "
                "or raise 'mini_batch_size'."
            )
        return self.extra_center_factor

    def partial_fit(self, X: Any) -> Self:
        """Take in one mini-batch; every host must call it equally often, with None once it is out.

        X is an (rows, d) float32 array or CSR matrix.
        """
        sums = self._collect(X)
        packed = np.concatenate([sums.rows, sums.counts[:, None], sums.squares[:, None]], axis=1)
        packed = self._group().sum(packed)
        self._absorb(_Sums(packed[:, :-2], packed[:, -2], packed[:, -1]))
        return self

    def _collect(self, X: Any) -> _Sums:
        count, width = self._centers.shape
        total = _Sums(np.zeros((count, width)), np.zeros(count), np.zeros(count))
        if X is None or X.shape[0] == 0:
            return total
        scorer = _Scorer(self._centers)

        def block_sums(rows: Floats) -> _Sums | None:
            if self.stop_requested():
                return None
            nearest = scorer.nearest(rows)
            members = sparse.csc_matrix(
                (np.ones(rows.shape[0], np.float32), nearest, np.arange(rows.shape[0] + 1)),
                shape=(count, rows.shape[0]),
            )
            norms = np.einsum("ij,ij->i", rows, rows)
            counts = np.bincount(nearest, minlength=count).astype(np.float64)
            squares = np.bincount(nearest, norms, minlength=count).astype(np.float64)
            return _Sums(members @ rows, counts, squares)

        for part in self._map_blocks(block_sums, X):
            if part is None:
                continue
            for whole, piece in zip(total, part, strict=True):
                whole += piece
        return total

    def _absorb(self, batch: _Sums) -> None:
        rows = float(batch.counts.sum())
        self.rows_seen_ += int(rows)
        if self.half_life_time_size > 0:
            decay = 0.5 ** (rows / self.half_life_time_size)
            self._weights *= decay
            self._squares *= decay
        hit = batch.counts > 0
        weights = self._weights[hit] + batch.counts[hit]
        rate = (batch.counts[hit] / weights)[:, None]
        means = batch.rows[hit] / batch.counts[hit][:, None]
        self._centers[hit] += rate * (means - self._centers[hit])
        self._weights[hit] = weights
        self._squares[hit] += batch.squares[hit]

    def finish(self, report: Callable[[int, float], None] | None = None) -> Self:
        """Shrink the K streaming centres to k; ``report`` gets each attempt and its result.

        With several hosts all hold the same streaming centres, so all get the same result.
        """
        used = self._weights > 0
        points, weights = self._centers[used], self._weights[used]
        # More clusters than distinct streaming centres: the untouched ones fill the places.
        if points.shape[0] < self.k:
            points, weights = self._centers, np.maximum(self._weights, 1e-12)
        automatic = self.local_lloyd_num_trials == "auto"
        trials = AUTO_TRIALS if automatic else int(self.local_lloyd_num_trials)
        best: tuple[float, Doubles] | None = None
        self.attempts_: list[float] = []
        for attempt in range(trials):
            loss, centers = weighted_lloyd(
                points,
                weights,
                self.k,
                rng=self._rng,
                plus_plus=self.local_lloyd_init_method == "kmeans++",
                max_iterations=self.local_lloyd_max_iter,
                tolerance=self.local_lloyd_tol,
                hurried=self._hurried,
            )
            self.attempts_.append(loss)
            if report is not None:
                report(attempt, loss)
            if best is None or loss < best[0]:
                best = loss, centers
            if self._hurried():
                break
        assert best is not None
        # Rows lie around their streaming centre: their own spread adds to that of the centres.
        spread = self._squares - self._weights * np.einsum("ij,ij->i", self._centers, self._centers)
        total = max(float(self._weights.sum()), 1e-12)
        self.train_msd_ = best[0] + max(0.0, float(spread.sum())) / total
        self.centers_ = (best[1] + self._shift).astype(np.float32)
        return self

    def predict(self, X: Any) -> NDArray[np.int64]:
        """The index of the nearest centre of each row, shape (n,)."""
        return self.assign(X)[0]

    def assign(self, X: Any) -> tuple[NDArray[np.int64], Floats]:
        """Index of and Euclidean distance to the nearest centre of each row, shapes (n,)."""
        centers = self._fitted_centers()
        X = _as_rows(X)
        if X.shape[1] != centers.shape[1]:
            raise ValueError(f"expected {centers.shape[1]} features, got {X.shape[1]}")
        if self._assigner is None or self._assigner.centers is not centers:
            self._assigner = _Assigner(centers)
        parts = list(self._map_blocks(self._assigner, X, shifted=False))
        nearest = [part[0] for part in parts] or [np.zeros(0, np.int64)]
        distances = [part[1] for part in parts] or [np.zeros(0, np.float32)]
        return np.concatenate(nearest), np.concatenate(distances)

    def state(self) -> dict[str, NDArray[Any]]:
        """The streaming state as named arrays, enough to go on from."""
        return {
            "centers": self._centers,
            "weights": self._weights,
            "squares": self._squares,
            "shift": self._shift,
            "rows_seen": np.array(self.rows_seen_),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> Self:
        """Go on from a saved streaming state instead of `start`."""
        self._centers, self._weights = state["centers"], state["weights"]
        self._squares, self._shift = state["squares"], state["shift"]
        self.rows_seen_ = int(state["rows_seen"])
        self.center_factor_ = max(1, self._centers.shape[0] // self.k)
        self._rng = np.random.default_rng(self.seed)
        return self

    def save(self, directory: Path) -> None:
        """Write ``model_algo-1`` into the directory: an MXNet array list with the centres."""
        write_centers(directory / "model_algo-1", self._fitted_centers())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """A model for prediction from the artefact in the directory, ours or AWS's."""
        centers = read_centers(directory)
        model = cls(k=centers.shape[0])
        model.centers_ = centers
        return model

    def _hurried(self) -> bool:
        # Hosts that heard of it at different times would choose different centres.
        return self._group().size == 1 and self.stop_requested()

    def _group(self) -> Collective:
        return self.collective or Collective()

    def _fitted_centers(self) -> Floats:
        if self.centers_ is None:
            raise ValueError("the model has not been fitted")
        return self.centers_

    def _shifted(self, X: Any) -> Floats:
        dense = X.toarray() if sparse.issparse(X) else X
        return np.asarray(dense, dtype=np.float32) - self._shift

    def _map_blocks(
        self, function: Callable[[Floats], Any], X: Any, *, shifted: bool = True
    ) -> Iterator[Any]:
        """The function's results over blocks of dense rows, several at a time, in order."""
        width = X.shape[1]
        count = self._centers.shape[0] if shifted else self.k
        step = max(1, min(BLOCK_SCORES // count, BLOCK_VALUES // width))
        blocks = (X[first : first + step] for first in range(0, X.shape[0], step))

        def run(block: Any) -> Any:
            if shifted:
                return function(self._shifted(block))
            return function(block.toarray() if sparse.issparse(block) else block)

        if self.threads <= 1 or X.shape[0] <= step:
            yield from map(run, blocks)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(run, blocks)


class _Scorer:
    """Finds nearest centres by one matrix product: argmin |x-c|^2 = argmax x.c - |c|^2 / 2."""

    def __init__(self, centers: Doubles) -> None:
        self._centers = np.ascontiguousarray(centers.T, dtype=np.float32)
        half_norms = 0.5 * np.einsum("ij,ij->i", centers, centers)
        if not (half_norms <= _LARGEST_HALF_NORM).all():
            raise ClientError("The features are too large to take distances of.")
        self._half_norms = half_norms.astype(np.float32)

    def nearest(self, rows: Floats) -> NDArray[np.int64]:
        scores = rows @ self._centers
        scores -= self._half_norms
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)


class _Assigner:
    """Nearest final centre of each row, and the exact distance to it."""

    def __init__(self, centers: Floats) -> None:
        self.centers = centers
        self._shift = centers.mean(axis=0)
        self._scorer = _Scorer((centers - self._shift).astype(np.float64))

    def __call__(self, rows: Floats) -> tuple[NDArray[np.int64], Floats]:
        nearest = self._scorer.nearest(rows - self._shift)
        difference = rows - self.centers[nearest]
        return nearest, np.sqrt(np.einsum("ij,ij->i", difference, difference))


def _as_rows(X: Any) -> Any:
    """Float32 rows, dense in C order or CSR; ClientError for values that are not finite."""
    if sparse.issparse(X):
        X = X.tocsr().astype(np.float32)
        values = X.data
    else:
        X = np.ascontiguousarray(X, dtype=np.float32)
        values = X
        if X.ndim != 2:
            raise ValueError(f"expected a matrix of rows, got {X.ndim} dimensions")
    if not np.isfinite(values).all():
        raise ClientError("The data contains values that are not finite (NaN or infinity).")
    return X
