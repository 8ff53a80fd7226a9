"""Principal component analysis of rows that may stream by once.

    regular      S = sum (x - m)(x - m)' exactly; the leading eigenvectors of S.
                 O(n d^2), d^2 memory
    randomized   Y = S Omega for a (d, 2 l) Omega, l = components + extra; the leading eigenvectors
                 of Nystroem's approximation of S. O(n d l), d l memory. Where d is at most 8 l,
                 the exact way costs less and is taken

Both are sums over rows, so batches and hosts add up. Rows are taken about a point near their mean
and summed up in double precision from short runs in single precision (moments.py).

Sources: developer guide, "How PCA Works"; sketch.py names the paper of the randomized mode.
"""

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.pca.artifact import Components, read_components, write_components
from sagebrush.algorithms.pca.moments import Total, total
from sagebrush.algorithms.pca.scatter import Scatter
from sagebrush.algorithms.pca.sketch import Sketch, directions_to_test, recovered

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Mode = Literal["regular", "randomized"]

NOT_FINITE = "The data contains values that are not finite (NaN or infinity) or too large."
NO_EXAMPLES = "The train channel holds no examples."

AUTO_EXTRA = 10
PROJECTED_VALUES = 1 << 22
EXACT_WIDTHS = 8
SAMPLE_ROWS = 512


class PCA:
    """Principal components of rows, in ascending order of variance as AWS's image has them.

    Parameters are the algorithm's documented hyperparameters. ``epochs`` above 1 are further
    passes of the randomized mode, each of which starts from the last one's directions and makes
    them more exact. ``seed`` makes the randomized mode repeatable; ``threads`` is how many cores
    may be used.

    After `fit` or `finish`: ``components_`` (components, d), ``singular_values_`` of the rows
    about the mean, ``explained_variance_`` and ``explained_variance_ratio_`` (components,),
    ``mean_`` (d,), ``rows_seen_``; float64.
    """

    def __init__(
        self,
        num_components: int = 2,
        *,
        algorithm_mode: Mode = "regular",
        extra_components: int = -1,
        subtract_mean: bool = True,
        epochs: int = 1,
        seed: int = 0,
        threads: int = 1,
        collective: Collective | None = None,
    ) -> None:
        self.num_components = num_components
        self.algorithm_mode = algorithm_mode
        self.extra_components = extra_components
        self.subtract_mean = subtract_mean
        self.epochs = epochs
        self.seed = seed
        self.threads = threads
        self.collective = collective or Collective()
        self._summary: Scatter | Sketch | None = None
        self._found: Components | None = None

    def fit(self, X: Any) -> Self:
        """Find the components of X, (n, d) float32, float64 or CSR; returns self.

        Raises ClientError when there are fewer rows or features than components, or a value is not
        finite.
        """
        rows = _as_rows(X)
        self._summary = None
        with single_threaded_blas():
            self.start(rows[:: max(1, rows.shape[0] // SAMPLE_ROWS)])
            self.partial_fit(rows)
            for _ in range(self.epochs - 1):
                if self.refine():
                    self.partial_fit(rows)
            return self.finish()

    def partial_fit(self, X: Any) -> Self:
        """Take in a batch of rows, dense in C order or CSR."""
        if self._summary is None:
            self.start(X)
        assert self._summary is not None
        if X.shape[1] != self._width:
            raise ClientError(f"Rows have {X.shape[1]} features, expected {self._width}.")
        self._summary.add(X)
        return self

    def start(self, sample: Any) -> Self:
        """Choose the directions that the randomized mode watches, by some of the rows.

        With several hosts every one must call it; the first one's rows decide. `partial_fit` does
        it with its first batch where it was not done before.
        """
        width = sample.shape[1]
        if self.num_components > width:
            raise ClientError(
                f"Hyperparameter 'num_components' is {self.num_components}, more than the {width} "
                "features of a row."
            )
        self._width = width
        extra = self.extra_components
        if extra < 0:
            extra = max(AUTO_EXTRA, self.num_components)
        columns = self.num_components + extra
        if self.algorithm_mode == "regular" or width <= EXACT_WIDTHS * columns:
            self._summary = Scatter(width, self.threads)
            return self
        directions = None
        if self.collective.leads:
            directions = directions_to_test(self._centred_sample(sample), columns, self.seed)
        self._summary = Sketch(self.collective.broadcast(directions), self.threads)
        return self

    def _centred_sample(self, sample: Any) -> Doubles:
        chosen = sample[:: max(1, sample.shape[0] // SAMPLE_ROWS)][:SAMPLE_ROWS]
        rows = chosen.toarray() if sparse.issparse(chosen) else chosen
        rows = rows.astype(np.float64)
        if not np.isfinite(rows).all():
            raise ClientError(NOT_FINITE)
        return np.asarray(rows - rows.mean(axis=0)) if self.subtract_mean else rows

    def refine(self) -> bool:
        """Begin a further pass from the directions found so far; whether one is of any use."""
        sketch = self._summary
        if sketch is None:
            raise ClientError(NO_EXAMPLES)
        if not isinstance(sketch, Sketch):
            return False
        self._summary = Sketch(np.linalg.qr(self._total().products)[0], self.threads)
        return True

    def _total(self) -> Total:
        assert self._summary is not None
        test = self._summary.test if isinstance(self._summary, Sketch) else None
        summed = total(
            self._summary.parts(), self.collective, test=test, centred=self.subtract_mean
        )
        if not np.isfinite(summed.squares) or not np.isfinite(summed.products).all():
            raise ClientError(NOT_FINITE)
        return summed

    def finish(self, *, rows_required: bool = True) -> Self:
        """Find the components of all rows of all hosts; every host must call it.

        Raises ClientError for fewer rows than components, unless not ``rows_required``.
        """
        if self._summary is None:
            raise ClientError(NO_EXAMPLES)
        summed = self._total()
        if rows_required and summed.count < self.num_components:
            raise ClientError(
                f"The train channel holds {summed.count} examples, fewer than the "
                f"{self.num_components} components asked for by 'num_components'."
            )
        values, vectors = self._leading(summed)
        self._summary = None
        self.rows_seen_ = summed.count
        self.mean_ = summed.mean if self.subtract_mean else np.zeros(summed.mean.size)
        self.singular_values_ = np.sqrt(np.maximum(values, 0.0))
        self.components_ = _signed(vectors).T
        self.explained_variance_ = values / max(summed.count - 1, 1)
        self.explained_variance_ratio_ = values / (summed.squares or 1.0)
        self._keep(self.mean_, self.components_.T, self.singular_values_)
        return self

    def _leading(self, summed: Total) -> tuple[Doubles, Doubles]:
        """The largest eigenvalues, ascending, and their eigenvectors in columns."""
        count = self.num_components
        if isinstance(self._summary, Sketch):
            values, vectors = recovered(summed.products, self._summary.test)
            return values[:count][::-1], vectors[:, :count][:, ::-1]
        width = summed.products.shape[0]
        values, vectors = scipy.linalg.eigh(
            summed.products,
            subset_by_index=(width - count, width - 1),
            overwrite_a=True,
            check_finite=False,
        )
        return np.maximum(values, 0.0), vectors

    def _keep(self, *found: Doubles) -> None:
        self._found = Components(*(np.ascontiguousarray(each, np.float32) for each in found))

    def transform(self, X: Any) -> Floats:
        """The (n, components) float32 projections of rows, dense or CSR, less the mean."""
        mean, vectors, _ = self.fitted()
        rows = _as_rows(X)
        if rows.shape[1] != mean.size:
            raise ValueError(f"expected {mean.size} features, got {rows.shape[1]}")
        projected = np.empty((rows.shape[0], vectors.shape[1]), np.float32)
        step = max(1, PROJECTED_VALUES // mean.size)
        for first in range(0, rows.shape[0], step):
            block = rows[first : first + step]
            dense = block.toarray() if sparse.issparse(block) else block
            projected[first : first + step] = (dense - mean).astype(np.float32) @ vectors
        return projected

    def inverse_transform(self, projections: Any) -> Floats:
        """The (n, d) float32 rows that have these projections and lie nearest to the mean."""
        mean, vectors, _ = self.fitted()
        return np.asarray(np.asarray(projections, np.float32) @ vectors.T + mean)

    def save(self, directory: Path, host: str = "algo-1") -> None:
        """Write the model file into the directory: an MXNet array list with mean, v and s."""
        write_components(directory / f"model_{host}", self.fitted())

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """A model for projections from the file in the directory, ours or AWS's."""
        found = read_components(directory)
        model = cls(found.vectors.shape[1], threads=threads)
        model._found = found
        model.mean_ = found.mean.astype(np.float64)
        model.components_ = found.vectors.T.astype(np.float64)
        model.singular_values_ = found.singular_values.astype(np.float64)
        return model

    def fitted(self) -> Components:
        """What was found; ValueError before `fit`."""
        if self._found is None:
            raise ValueError("the model has not been fitted")
        return self._found


def _signed(vectors: Doubles) -> Doubles:
    """The vectors with their largest entry positive, so that the same rows give the same signs."""
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return vectors * np.where(signs == 0, 1.0, signs)


def _as_rows(X: Any) -> Any:
    """Rows, dense float32 or float64 in C order or CSR of float32."""
    if sparse.issparse(X):
        return X.tocsr().astype(np.float32)
    X = np.asarray(X)
    X = np.ascontiguousarray(X, X.dtype if X.dtype in (np.float32, np.float64) else np.float32)
    if X.ndim != 2:
        raise ValueError(f"expected a matrix of rows, got {X.ndim} dimensions")
    return X
