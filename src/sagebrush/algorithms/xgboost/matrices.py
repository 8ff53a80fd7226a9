"""Rows to xgboost's data matrix: in memory, or in pages on disk when they do not fit."""

import shutil
import tempfile
import weakref
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch, concatenate, rebatch, widened
from sagebrush.algorithms.memory import memory_limit_bytes
from sagebrush.algorithms.xgboost.channel_rows import ChannelRows
from sagebrush.algorithms.xgboost.failures import loading_failure

_PAGE_BYTES = 32 << 20
_IN_MEMORY_SHARE = 6
"""Raw float32 rows are held twice while they are joined, then xgboost keeps index and value of
each cell and a histogram bin, so the rows may take a sixth of the memory."""
_HISTOGRAM_METHODS = {None, "auto", "hist"}


@dataclass(frozen=True)
class MatrixOptions:
    """How the matrix will be used: what training needs of it, and how many threads may build it."""

    threads: int
    tree_method: str | None = None
    booster: str | None = None
    max_bin: int | None = None
    needs_bounds: bool = False


def read_matrix(
    sources: list[ChannelRows], options: MatrixOptions, like: Any = None
) -> xgboost.DMatrix | None:
    """All rows of the channels as one matrix; None if there are none.

    Rows that take more memory than `in_memory_rows_bytes` are paged to disk, for which the
    channels are read again. ``like`` is the training matrix whose bins a validation matrix shares.
    ClientError for bad data, and for data too large for a tree method that cannot be paged.
    """
    held = _within_budget(sources, in_memory_rows_bytes())
    if held is None:
        return _paged_matrix(sources, options, like)
    if not held:
        return None
    rows = _joined(held)
    held.clear()
    return _matrix(rows, options)


def in_memory_rows_bytes() -> int:
    """How many bytes of rows may be held at once before pages on disk are used instead."""
    return memory_limit_bytes() // _IN_MEMORY_SHARE


def _within_budget(sources: list[ChannelRows], budget_bytes: int) -> list[Batch] | None:
    """All batches, or None when they take more."""
    held: list[Batch] = []
    size_bytes = 0
    # A pipe left open keeps its feeder from the next pass, which would be waited for without end.
    with closing(_all_batches(sources)) as batches:
        for batch in batches:
            size_bytes += _size_bytes(batch)
            if size_bytes > budget_bytes:
                return None
            held.append(batch)
    return held


def _all_batches(sources: list[ChannelRows]) -> Generator[Batch, None, None]:
    for source in sources:
        for batch in source.batches():
            if batch.rows:
                yield batch


def _joined(batches: list[Batch]) -> Batch:
    try:
        return concatenate(_alike(batches))
    except ValueError as error:
        raise ClientError(f"The data cannot be joined: {error}.") from error


def _alike(batches: list[Batch]) -> list[Batch]:
    """Rows without a weight weigh 1 when others of the data have one."""
    if all(batch.weights is None for batch in batches):
        return batches
    return [
        batch
        if batch.weights is not None
        else batch._replace(weights=np.ones(batch.rows, np.float32))
        for batch in batches
    ]


def _size_bytes(batch: Batch) -> int:
    features = batch.features
    if sparse.issparse(features):
        return int(features.data.nbytes + features.indices.nbytes + features.indptr.nbytes)
    return int(features.nbytes)


def _matrix(rows: Batch, options: MatrixOptions) -> xgboost.DMatrix:
    features = rows.features
    if sparse.issparse(features) and not features.has_sorted_indices:
        features = features.sorted_indices()
    try:
        return xgboost.DMatrix(
            features, nthread=options.threads, **_information(rows, options.needs_bounds)
        )
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise loading_failure(error) from error


def _information(rows: Batch, needs_bounds: bool) -> dict[str, Any]:
    information: dict[str, Any] = {"label": rows.labels}
    if rows.weights is not None:
        information["weight"] = rows.weights
    if rows.groups is not None:
        information["qid"] = rows.groups
    if needs_bounds:
        # Without censoring the survival time is its own lower and upper bound.
        information["label_lower_bound"] = rows.labels
        information["label_upper_bound"] = rows.labels
    return information


def _paged_matrix(sources: list[ChannelRows], options: MatrixOptions, like: Any) -> xgboost.DMatrix:
    if options.booster == "gblinear" or options.tree_method == "exact":
        raise ClientError(
            "The training data is larger than the memory, which only the tree methods hist and "
            "approx can handle. Use another tree_method or an instance type with more memory."
        )
    folder = tempfile.mkdtemp(prefix="xgboost-pages-")
    try:
        matrix = _from_pages(_Pages(sources, options, Path(folder)), options, like)
    except ClientError:
        shutil.rmtree(folder)
        raise
    # xgboost removes its files when the matrix goes, so the folder must stay until then.
    weakref.finalize(matrix, shutil.rmtree, folder, ignore_errors=True).atexit = False
    return matrix


def _from_pages(pages: "_Pages", options: MatrixOptions, like: Any) -> xgboost.DMatrix:
    try:
        if options.tree_method in _HISTOGRAM_METHODS and hasattr(xgboost, "ExtMemQuantileDMatrix"):
            bins = {} if options.max_bin is None else {"max_bin": options.max_bin}
            return xgboost.ExtMemQuantileDMatrix(
                pages, nthread=options.threads, ref=_quantile_reference(like), **bins
            )
        return xgboost.DMatrix(pages, nthread=options.threads)
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise loading_failure(error) from error


def _quantile_reference(like: Any) -> Any:
    return like if isinstance(like, xgboost.QuantileDMatrix) else None


class _Pages(xgboost.DataIter):  # type: ignore[misc]
    """Hands the channels to xgboost page by page; each reset begins the next pass."""

    def __init__(self, sources: list[ChannelRows], options: MatrixOptions, folder: Path) -> None:
        self._sources = sources
        self._options = options
        self._width = _width(sources)
        self._pass: Iterator[Batch] | None = None
        super().__init__(cache_prefix=str(folder / "page"))

    def reset(self) -> None:
        self._pass = None

    def next(self, input_data: Any) -> int:
        if self._pass is None:
            rows = max(_PAGE_BYTES // (4 * max(self._width, 1)), 1)
            self._pass = rebatch(_all_batches(self._sources), rows)
        page = next(self._pass, None)
        if page is None:
            return 0
        features = page.features
        if sparse.issparse(features):
            features = widened(features, self._width).sorted_indices()
        input_data(data=features, **_information(page, self._options.needs_bounds))
        return 1


def _width(sources: list[ChannelRows]) -> int:
    """The number of columns; sparse rows only tell it when all have been seen."""
    width = 0
    with closing(_all_batches(sources)) as batches:
        for batch in batches:
            width = max(width, int(batch.features.shape[1]))
            if not sparse.issparse(batch.features):
                break
    return width
