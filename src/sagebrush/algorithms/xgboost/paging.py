"""Data larger than memory: a first pass that samples them, and a matrix in pages on disk.

xgboost finds the edges of its histogram bins by sketches of all rows, whose memory grows with
columns and rows and is more than that of all else. For dense rows the edges are therefore taken
from a uniform sample drawn while the data are read for the first time (algorithm R of Vitter,
"Random sampling with a reservoir", ACM TOMS 1985), which also saves a pass over the data. Sparse
rows keep the sketches: a sample knows too little about rare columns. Version 1.7 has no matrix of
bins in pages; `sketched_bins` says how it gets by with a sample.

What is left to grow with the data is what xgboost keeps of each row besides its features: about
45 bytes of gradients, predictions and places in the tree.
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch, rebatch, widened
from sagebrush.algorithms.memory import memory_limit_bytes, return_freed_memory
from sagebrush.algorithms.xgboost.failures import loading_failure
from sagebrush.algorithms.xgboost.matrix_options import (
    BYTES_PER_BIN,
    DEFAULT_BINS,
    HISTOGRAM_SHARE,
    PAGED_WITH_BINS,
    MatrixOptions,
)
from sagebrush.algorithms.xgboost.sketched_bins import ColumnExtremes
from sagebrush.algorithms.xgboost.value_pages import (
    ValuePages,
    make_pages_bins,
    small_pages_first,
)

LARGEST_PAGE_BYTES = 32 << 20
SMALLEST_PAGE_BYTES = 1 << 20
_PAGE_SHARE = 16
"""A page's raw rows may take so much of the memory, since they are held twice while it is made. Few
large pages beat many small ones: for each node of a tree in each page xgboost allots room for
thousands of rows, which took 100 bytes for each row and five times the time with small pages."""
_RAW_PAGE_SHARE = 96
"""Without bins a page keeps the values themselves with their columns, and xgboost holds five."""
_SKETCHED_PAGE_SHARE = 24
"""Version 1.7 needs the values only until it has their bins, before it allots what trees need."""
FEWEST_CACHED_NODES = 16
MOST_SAMPLED_ROWS = 1 << 17
SAMPLED_ROWS_PER_BIN = 16
"""With fewer the edges would be too coarse, and sketches are used."""
QUANTILES_PER_BIN = 4
"""A column of more different values is handed over as so many of its quantiles: the sketch of a
whole sample would take ten times the memory of the sample."""
_SAMPLE_SEED = 0

Batches = Callable[[], Iterator[Batch]]
Describe = Callable[[Batch], dict[str, Any]]


class Survey:
    """What the first pass finds: the number of columns, and a uniform sample of dense rows.

    The sample is at most ``budget_bytes`` of features; ``wants_all`` says whether the pass has to
    go on to the end of the data.
    """

    def __init__(self, options: MatrixOptions, budget_bytes: int, *, samples: bool) -> None:
        self._bins = (options.max_bin or DEFAULT_BINS) if samples and options.takes_bins else 0
        self.budget_bytes = budget_bytes
        self._random = np.random.default_rng(_SAMPLE_SEED)
        self._rows: Batch | None = None
        self._seen = 0
        self.width = 0
        self.wants_all = True

    @property
    def has_sample(self) -> bool:
        """Whether rows have been drawn to take bins from."""
        return self._rows is not None

    def forget_sample(self) -> None:
        """Let sketches of all rows be used."""
        self._rows = None

    def add(self, batch: Batch) -> None:
        """Take in the next rows."""
        is_sparse = sparse.issparse(batch.features)
        self.width = max(self.width, int(batch.features.shape[1]))
        if self._seen == 0 and not is_sparse and self._capacity():
            self._rows = self._reservoir(batch)
        if self._rows is not None:
            self._draw(batch, self._rows)
        self.wants_all = is_sparse or self._rows is not None
        self._seen += batch.rows

    def _capacity(self) -> int:
        rows = min(self.budget_bytes // (4 * max(self.width, 1)), MOST_SAMPLED_ROWS)
        return rows if self._bins and rows >= SAMPLED_ROWS_PER_BIN * self._bins else 0

    def _reservoir(self, like: Batch) -> Batch:
        capacity = self._capacity()
        weights = None if like.weights is None else np.empty(capacity, np.float32)
        return Batch(np.empty((capacity, self.width), np.float32), weights=weights)

    def _draw(self, batch: Batch, rows: Batch) -> None:
        """Let each row replace one of those drawn with the probability that keeps all equal."""
        capacity = rows.rows
        numbers = self._seen + np.arange(batch.rows)
        places = self._random.integers(0, np.maximum(numbers + 1, capacity))
        places = np.where(numbers < capacity, numbers, places)
        drawn = places < capacity
        rows.features[places[drawn]] = batch.features[drawn]
        if rows.weights is not None and batch.weights is not None:
            rows.weights[places[drawn]] = batch.weights[drawn]

    def edges(self, options: MatrixOptions) -> Any:
        """A matrix with the sample's bins, whose edges others may share; None without a sample."""
        rows, self._rows = self._rows, None
        if rows is None:
            return None
        count = min(self._seen, rows.rows)
        weights = None if rows.weights is None else rows.weights[:count]
        quantiles = column_quantiles(
            rows.features[:count], weights, QUANTILES_PER_BIN * self._bins, self._bins
        )
        return xgboost.QuantileDMatrix(quantiles, nthread=options.threads, max_bin=self._bins)


def column_quantiles(
    rows: NDArray[np.float32], weights: NDArray[np.float32] | None, count: int, most_exact: int
) -> NDArray[np.float32]:
    """``count`` values of each column, (count, columns) float32: evenly spaced quantiles.

    A column of up to ``most_exact`` different values has each of them instead. Smallest and
    largest values are always there. Missing values (NaN) do not count; a column has NaN where it
    has nothing more to tell.
    """
    chosen = np.full((count, rows.shape[1]), np.nan, np.float32)
    for column in range(rows.shape[1]):
        present = np.flatnonzero(~np.isnan(rows[:, column]))
        values = rows[present, column]
        different = np.unique(values)
        if len(different) <= most_exact:
            chosen[: len(different), column] = different
            continue
        order = np.argsort(values)
        shares = np.ones(len(order)) if weights is None else weights[present[order]].astype(float)
        ranks = np.cumsum(shares) - shares / 2
        wanted = np.linspace(ranks[0], ranks[-1], count)
        chosen[:, column] = values[order[np.searchsorted(ranks, wanted)]]
    return chosen


def is_paged(matrix: xgboost.DMatrix) -> bool:
    """Whether the matrix lies on disk."""
    return isinstance(matrix, (xgboost.QuantileDMatrix, ValuePages))


def paged_matrix(
    batches: Batches,
    describe: Describe,
    survey: Survey,
    options: MatrixOptions,
    like: Any,
) -> xgboost.DMatrix:
    """A matrix whose rows lie in a temporary folder that goes when the matrix does.

    ``batches`` begins a pass over all rows, ``describe`` says what of a batch xgboost gets besides
    features. ``like`` is the training matrix whose bins a validation matrix shares.
    """
    return_freed_memory()
    folder = tempfile.mkdtemp(prefix="xgboost-pages-")
    pages = Pages(batches, describe, survey.width, page_bytes(options), Path(folder))
    try:
        matrix = _from_pages(pages, survey, options, like)
        if options.sketches_bins and like is None:
            make_pages_bins(matrix, pages.extremes, options)
    except ClientError:
        shutil.rmtree(folder)
        raise
    # xgboost removes its files when the matrix goes, so the folder must stay until then.
    weakref.finalize(matrix, shutil.rmtree, folder, ignore_errors=True).atexit = False
    return matrix


def page_bytes(options: MatrixOptions) -> int:
    """How large a page of raw rows is."""
    share = _SKETCHED_PAGE_SHARE if options.sketches_bins else _RAW_PAGE_SHARE
    size = memory_limit_bytes() // (_PAGE_SHARE if options.takes_bins else share)
    return max(min(size, LARGEST_PAGE_BYTES), SMALLEST_PAGE_BYTES)


def cached_histogram_nodes(matrix: xgboost.DMatrix, max_bin: int | None) -> int | None:
    """For how many nodes of a tree xgboost may keep histograms; None for a matrix in memory.

    It makes those anew that it has to let go of.
    """
    if not isinstance(matrix, PAGED_WITH_BINS):
        return None
    node_bytes = int(matrix.num_col()) * (max_bin or DEFAULT_BINS) * BYTES_PER_BIN
    return max(memory_limit_bytes() // HISTOGRAM_SHARE // node_bytes, FEWEST_CACHED_NODES)


def _from_pages(pages: "Pages", survey: Survey, options: MatrixOptions, like: Any) -> Any:
    try:
        if not options.takes_bins:
            return ValuePages(pages, nthread=options.threads)
        shared = like if isinstance(like, xgboost.QuantileDMatrix) else survey.edges(options)
        bins = {} if options.max_bin is None else {"max_bin": options.max_bin}
        return xgboost.ExtMemQuantileDMatrix(pages, nthread=options.threads, ref=shared, **bins)
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise loading_failure(error) from error


class Pages(xgboost.DataIter):  # type: ignore[misc]
    """Hands the channels to xgboost page by page; each reset begins the next pass.

    ``extremes`` are those of the last pass; None where rows were sparse.
    """

    def __init__(
        self, batches: Batches, describe: Describe, width: int, size_bytes: int, folder: Path
    ) -> None:
        self._batches = batches
        self._describe = describe
        self._width = width
        self._rows = max(size_bytes // (4 * max(width, 1)), 1)
        self._pass: Iterator[Batch] | None = None
        self.extremes: ColumnExtremes | None = None
        super().__init__(cache_prefix=str(folder / "page"))

    def reset(self) -> None:
        self._pass = None

    def next(self, input_data: Any) -> int:
        if self._pass is None:
            self._pass = self._begin()
        page = next(self._pass, None)
        if page is None:
            return 0
        features = page.features
        if sparse.issparse(features):
            features = widened(features, self._width).sorted_indices()
            self.extremes = None
        elif self.extremes is not None:
            self.extremes.add(features)
        input_data(data=features, **self._describe(page))
        return 1

    def _begin(self) -> Iterator[Batch]:
        blocks = self._batches()
        if PAGED_WITH_BINS:
            return rebatch(blocks, self._rows)
        self.extremes = ColumnExtremes()
        return small_pages_first(blocks, self._rows)
