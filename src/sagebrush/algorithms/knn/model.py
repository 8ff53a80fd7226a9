"""k nearest neighbours in a uniform sample of the rows, kept in a faiss index.

    sample     sample_size rows of all that stream by, each with equal probability
    reduce     optionally a random projection to fewer features (projection.py)
    index      exhaustive, inverted lists, or inverted lists of compressed rows
    answer     the majority (classifier) or mean (regressor) of the labels of the k nearest

Sources: developer guide, "How the k-NN Algorithm Works"; J. Johnson, M. Douze and H. Jegou,
"Billion-scale similarity search with GPUs", IEEE Trans. Big Data 2021 (faiss); H. Jegou, M. Douze
and C. Schmid, "Product quantization for nearest neighbor search", PAMI 2011.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.knn.artifact import StoredModel, read_model, write_model
from sagebrush.algorithms.knn.exact import TOO_LARGE, ExactSearch
from sagebrush.algorithms.knn.index import (
    INNER_PRODUCT,
    IndexSettings,
    InvertedSearch,
    build_index,
    index_bytes,
    index_from_bytes,
    searcher_of,
    without_rows,
)
from sagebrush.algorithms.knn.projection import Projection
from sagebrush.algorithms.knn.sampling import Reservoir, Sample
from sagebrush.algorithms.knn.settings import (
    DEFAULT_PROBES,
    check_combination,
    check_reduction_target,
)
from sagebrush.algorithms.knn.voting import majority_labels, mean_labels

Floats = NDArray[np.float32]

SEARCH_ROWS = 4096
_LARGEST = float(np.sqrt(np.finfo(np.float32).max)) / 4


class KNN:
    """A classifier or regressor by the k nearest of a sample of the training rows.

    Parameters are the algorithm's documented hyperparameters; ``probes`` is how many inverted
    lists a search looks into. ``seed`` makes a run repeatable; ``threads`` is how many cores faiss
    may use. Raises ClientError for parameters that exclude each other.

    Distances are squared Euclidean ones for L2, one minus the cosine for COSINE and the negated
    inner product for INNER_PRODUCT, so that small is near for each.
    """

    def __init__(
        self,
        k: int = 5,
        *,
        predictor_type: Literal["classifier", "regressor"] = "classifier",
        sample_size: int = 200_000,
        dimension_reduction_type: Literal["sign", "fjlt"] | None = None,
        dimension_reduction_target: int | None = None,
        index_type: Literal["faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"] = "faiss.Flat",
        index_metric: Literal["L2", "INNER_PRODUCT", "COSINE"] = "L2",
        faiss_index_ivf_nlists: int | Literal["auto"] = "auto",
        faiss_index_pq_m: int | None = None,
        probes: int = DEFAULT_PROBES,
        seed: int = 0,
        threads: int = 1,
        collective: Collective | None = None,
    ) -> None:
        self.k = k
        self.predictor_type = predictor_type
        self.sample_size = sample_size
        self.dimension_reduction_type = dimension_reduction_type
        self.dimension_reduction_target = dimension_reduction_target
        self.index_type = index_type
        self.index_metric = index_metric
        self.faiss_index_ivf_nlists = faiss_index_ivf_nlists
        self.faiss_index_pq_m = faiss_index_pq_m
        check_combination({**vars(self), "feature_dim": "auto"})
        self.probes = probes
        self.seed = seed
        self.threads = threads
        self.collective = collective or Collective()
        self._reservoir: Reservoir | None = None
        self._model: StoredModel | None = None
        self._searcher: ExactSearch | InvertedSearch | None = None

    def fit(self, X: Any, y: Any) -> Self:
        """Index a sample of X, (n, d) dense or sparse, with labels y, (n,); returns self.

        Raises ClientError when there are fewer rows than k or a value is not finite.
        """
        self._reservoir = None
        return self.partial_fit(X, y).finish()

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Let the rows of X, labelled y, take part in the drawing of the sample."""
        rows, labels = _as_rows(X), np.ascontiguousarray(y, np.float32)
        if labels.shape != (rows.shape[0],):
            raise ClientError("Every example needs one label.")
        if not np.isfinite(labels).all():
            raise ClientError("The labels contain values that are not finite (NaN or infinity).")
        if self.index_metric != "COSINE":  # which makes rows one long
            _check_magnitude(rows)
        if self._reservoir is None:
            self._start(rows.shape[1])
        assert self._reservoir is not None
        if rows.shape[1] != self.feature_dim_:
            raise ClientError(f"Rows have {rows.shape[1]} features, expected {self.feature_dim_}.")
        self._reservoir.add(rows, labels)
        return self

    def _start(self, feature_dim: int) -> None:
        check_reduction_target(self.dimension_reduction_target, feature_dim)
        self.feature_dim_ = feature_dim
        self._projection: Projection | None = None
        if self.dimension_reduction_type is not None:
            assert self.dimension_reduction_target is not None
            target = _divisible(self.dimension_reduction_target, self.faiss_index_pq_m)
            self._projection = Projection(
                self.dimension_reduction_type, self.seed, feature_dim, target
            )
        width = self._projection.target_dim if self._projection else feature_dim
        self._width = _divisible(width, self.faiss_index_pq_m)
        self._model = self._searcher = None
        self._reservoir = Reservoir(
            self.sample_size,
            seed=self.seed,
            rank=self.collective.rank,
            transform=lambda rows: _prepared(rows, self._projection, self._normalizes, self._width),
        )

    @property
    def _normalizes(self) -> bool:
        return self.index_metric == "COSINE"

    @property
    def rows_seen_(self) -> int:
        """How many rows of this host have taken part in the drawing."""
        return 0 if self._reservoir is None else self._reservoir.rows_seen

    def finish(self, *, needed_everywhere: bool = True) -> Self:
        """Index what was sampled on all hosts; the first one only unless ``needed_everywhere``.

        Every host must call it. Raises ClientError when there are fewer rows than k.
        """
        if self._reservoir is None:
            raise ClientError("The train channel holds no examples.")
        sample = self._reservoir.merged(self.collective)
        held = np.array(0 if sample is None else sample.rows.shape[0])
        self.sampled_rows_ = int(self.collective.broadcast(held))
        if self.sampled_rows_ < self.k:
            raise ClientError(
                f"The train channel holds {self.sampled_rows_} examples, fewer than the {self.k} "
                "neighbours asked for by 'k'."
            )
        index = None if sample is None else self._index(sample)
        labels = np.zeros(0, np.float32) if sample is None else sample.labels.copy()
        self._reservoir = None
        if needed_everywhere and self.collective.size > 1:
            content = None if index is None else index_bytes(index)
            shared = self.collective.broadcast(content)
            index = index_from_bytes(shared) if index is None else index
            labels = self.collective.broadcast(labels)
        if index is not None:
            self._model = StoredModel(
                index,
                labels,
                self.k,
                self.predictor_type,
                self.feature_dim_,
                self._normalizes,
                self._projection,
            )
        return self

    def _index(self, sample: Sample) -> Any:
        settings = IndexSettings(
            self.index_type,
            self.index_metric != "L2",
            self.faiss_index_ivf_nlists,
            self.faiss_index_pq_m,
            self.probes,
        )
        return build_index(np.ascontiguousarray(sample.rows), settings, self.threads)

    def predict(self, X: Any) -> Floats:
        """The majority or mean of the labels of each row's neighbours, shape (n,)."""
        return self.decide(self.neighbours(X)[1])

    def decide(self, labels: Floats) -> Floats:
        """The answer, shape (n,), for the labels of rows' neighbours, shape (n, k)."""
        if self._fitted().predictor_type == "regressor":
            return mean_labels(labels)
        return majority_labels(labels)

    def neighbours(self, X: Any) -> tuple[Floats, Floats]:
        """Distances to and labels of each row's k nearest, the nearest first; both (n, k)."""
        distances, places = self.kneighbors(X)
        return distances, self._fitted().labels[places]

    def kneighbors(self, X: Any) -> tuple[Floats, NDArray[np.int64]]:
        """Distances to and positions in the index of each row's k nearest; both (n, k)."""
        model = self._fitted()
        rows = _as_rows(X)
        if rows.shape[1] != model.feature_dim:
            raise ValueError(f"expected {model.feature_dim} features, got {rows.shape[1]}")
        if self._searcher is None:
            self._searcher = searcher_of(model.index)
        distances = np.empty((rows.shape[0], model.k), np.float32)
        places = np.empty((rows.shape[0], model.k), np.int64)
        for first in range(0, rows.shape[0], SEARCH_ROWS):
            part = slice(first, first + SEARCH_ROWS)
            block = rows[part]
            dense = block.toarray() if sparse.issparse(block) else block
            prepared = _prepared(dense, model.projection, model.normalize, model.index.d)
            distances[part], places[part] = self._searcher.search(prepared, model.k, self.threads)
        return self._as_distances(distances), places

    def _as_distances(self, scores: Floats) -> Floats:
        model = self._fitted()
        if model.index.metric_type != INNER_PRODUCT:
            return scores
        # Rounding may take the cosine of equal directions beyond one.
        return np.maximum(1 - scores, 0) if model.normalize else np.negative(scores)

    def save(self, directory: Path, host: str = "algo-1") -> None:
        """Write the index, the labels and the metadata into the directory."""
        model = self._fitted()
        if not model.index.ntotal:
            raise ValueError("a model that was loaded for search only cannot be saved")
        write_model(directory, model, host)

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1, search_only: bool = False) -> Self:
        """A model for prediction from the files in the directory, ours or AWS's.

        One for ``search_only`` cannot be saved again and takes half the memory with a flat index.
        """
        stored = read_model(directory)
        model = cls(stored.k, sample_size=stored.index.ntotal, threads=threads)
        model.predictor_type = "regressor" if stored.predictor_type == "regressor" else "classifier"
        model._model = stored
        if search_only:
            model._searcher = searcher_of(stored.index)
            model._model = replace(stored, index=without_rows(stored.index))
        return model

    @property
    def is_fitted(self) -> bool:
        """Whether this host has a model."""
        return self._model is not None

    @property
    def feature_dim(self) -> int:
        """The number of features of the rows to ask about."""
        return self._fitted().feature_dim

    def _fitted(self) -> StoredModel:
        if self._model is None:
            raise ValueError("the model has not been fitted")
        return self._model


def _divisible(width: int, quantizers: int | None) -> int:
    """The smallest width from this one on that can be cut into equal parts."""
    return width if quantizers is None else -(-width // quantizers) * quantizers


def _prepared(rows: Floats, projection: Projection | None, normalize: bool, width: int) -> Floats:
    """Rows as the index holds them: projected, of unit length if asked, padded with zeros."""
    if projection is not None:
        rows = projection(rows)
    if normalize:
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        rows = (rows / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)
    if rows.shape[1] < width:
        rows = np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
    return np.ascontiguousarray(rows, np.float32)


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


def _check_magnitude(rows: Any) -> None:
    """ClientError for features of which some distance is no float32."""
    values = rows.data if sparse.issparse(rows) else rows
    if values.size and max(-values.min(), values.max()) > _LARGEST / np.sqrt(rows.shape[1]):
        raise ClientError(TOO_LARGE)
