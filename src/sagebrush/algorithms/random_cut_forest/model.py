"""Random Cut Forest: how anomalous a row is, by how few random cuts set it apart from a sample.

Notation: T trees, each over m rows of a uniform sample; a node with bounding box B of sides
s_1..s_d and perimeter S = s_1 + ... + s_d.

    grow       cut dimension i with probability s_i / S, at a uniform place; recurse to single rows
    separate   p(x, B) = (perimeter of B with x - S) / (perimeter of B with x)
    score      f(leaf) = (1 - c / 2m) / (depth + log2(c + 1))  if x equals its c rows
                       = 1 / (depth + 1)                       otherwise
               f(node) = p / (depth + 1) + (1 - p) f(child on x's side)
    answer     mean over the trees of log2(m + 1) f(root)

f(root) is the expected inverse depth of x if it had been one of the sample, in closed form: no
tree is changed. Rows alike to many score about 1 or less, outliers up to log2(m + 1).

References: S. Guha, N. Mishra, G. Roy, O. Schrijvers, "Robust random cut forest based anomaly
detection on streams", ICML 2016; the score is the one of the open implementation of its authors'
employer, https://github.com/aws/random-cut-forest-by-aws.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.row_flaws import feature_flaw
from sagebrush.algorithms.random_cut_forest.artifact import read_forest, write_forest
from sagebrush.algorithms.random_cut_forest.forest import Forest, grow_forest
from sagebrush.algorithms.random_cut_forest.sampling import Reservoir

Doubles = NDArray[np.float64]


class RandomCutForest:
    """Anomaly scores of rows by robust random cut trees over a sample of the training rows.

    ``num_trees`` trees get ``num_samples_per_tree`` rows each, no row twice; of fewer training rows
    all trees get equally many. ``seed`` makes a run repeatable whatever ``threads`` is, the number
    of blocks of rows that are worked on at a time.

    `fit` takes all rows at once; `partial_fit`, any number of times, then `finish` take a stream of
    them at constant memory. After either, ``forest_`` holds the trees.
    """

    def __init__(
        self,
        num_trees: int = 100,
        num_samples_per_tree: int = 256,
        *,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        self.num_trees = num_trees
        self.num_samples_per_tree = num_samples_per_tree
        self.seed = seed
        self.threads = threads
        self.forest_: Forest | None = None
        self._reservoir: Reservoir | None = None

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Grow a forest of the rows of X, an (n, d) array or scipy sparse matrix; returns self.

        Labels ``y`` may be given as scikit-learn's pipelines do, and are not looked at.
        Raises ClientError when there are fewer rows than trees or a value is not finite.
        """
        self._reservoir = None
        return self.partial_fit(X).finish()

    def partial_fit(self, X: Any) -> Self:
        """Show further training rows, (n, d); raises ClientError for values that are not finite."""
        X = _as_rows(X)
        if self._reservoir is None:
            capacity = self.num_trees * self.num_samples_per_tree
            self._reservoir = Reservoir(capacity, X.shape[1], np.random.default_rng(self.seed))
        self._reservoir.add(X)
        return self

    def finish(self) -> Self:
        """Grow the forest of the rows shown so far; raises ClientError if fewer than trees."""
        if self._reservoir is None:
            raise ValueError("no rows were shown to the model")
        rows = self._reservoir.rows
        return self.grow(rows[np.random.default_rng([self.seed, 1]).permutation(rows.shape[0])])

    def grow(
        self, sample: NDArray[np.float32], stop_requested: Callable[[], bool] = lambda: False
    ) -> Self:
        """Grow the forest of a sample (n, d) whose rows are in random order.

        Once a stop is requested, the forest is that of the trees grown so far.
        """
        if sample.shape[0] < self.num_trees:
            raise ClientError(
                f"The train channel holds {sample.shape[0]} examples, fewer than the "
                f"{self.num_trees} trees asked for by 'num_trees'. Each tree needs an example of "
                "its own."
            )
        self.forest_ = grow_forest(
            sample,
            self.num_trees,
            seed=self.seed,
            threads=self.threads,
            stop_requested=stop_requested,
        )
        return self

    def score(self, X: Any) -> Doubles:
        """The anomaly score of each row of X, shape (n,), float64; high means anomalous."""
        forest = self._fitted()
        X = _as_rows(X)
        if X.shape[1] != forest.feature_dim:
            raise ValueError(f"expected {forest.feature_dim} features, got {X.shape[1]}")
        return forest.score(X, threads=self.threads)

    def predict(self, X: Any) -> Doubles:
        """The same as `score`."""
        return self.score(X)

    def save(self, directory: Path) -> None:
        """Write ``model_algo-1`` into the directory: the trees' arrays in safetensors format."""
        write_forest(directory / "model_algo-1", self._fitted())

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """A model for scoring from the artefact in the directory, whose arrays are mapped."""
        forest = read_forest(directory)
        model = cls(forest.trees, int(forest.tree_masses.max()), threads=threads)
        model.forest_ = forest
        return model

    def _fitted(self) -> Forest:
        if self.forest_ is None:
            raise ValueError("the model has not been fitted")
        return self.forest_


def _as_rows(X: Any) -> Any:
    """Float32 rows, dense in C order or CSR; ClientError names the first row that is not finite."""
    if sparse.issparse(X):
        X = X.tocsr().astype(np.float32)
    else:
        with np.errstate(over="ignore"):
            X = np.ascontiguousarray(X, dtype=np.float32)
        if X.ndim != 2:
            raise ValueError(f"expected a matrix of rows, got {X.ndim} dimensions")
    flaw = feature_flaw(Batch(X))
    if flaw is not None:
        raise ClientError(f"Row {flaw.row + 1} {flaw.text}")
    return X
