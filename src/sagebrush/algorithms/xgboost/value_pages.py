"""Pages of values in version 1.7, and the bins that it makes of them within the memory."""

from collections.abc import Iterator
from itertools import chain, islice

import xgboost

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch, rebatch
from sagebrush.algorithms.memory import memory_limit_bytes
from sagebrush.algorithms.xgboost.failures import loading_failure
from sagebrush.algorithms.xgboost.matrix_options import (
    BYTES_PER_BIN,
    DEFAULT_BINS,
    HISTOGRAM_SHARE,
    PAGED_WITH_BINS,
    MatrixOptions,
)
from sagebrush.algorithms.xgboost.sketched_bins import ColumnExtremes, make_bins

LEADING_PAGES = 4
LEADING_PAGE_ROWS = 64
"""Through all of the training version 1.7 keeps the first four pages of values in memory, though it
uses bins alone. These are therefore small."""
_HISTOGRAM_GROWTH = 1.5
"""Version 1.7 keeps the histograms of all nodes in one piece and copies it for each level."""
FEWEST_BINS = 32


class ValuePages(xgboost.DMatrix):  # type: ignore[misc]
    """A matrix of values in pages; ``bins`` is the ``max_bin`` that its bins were made with."""

    bins: int | None = None


def require_one_host(hosts: int) -> None:
    """ClientError for pages on several hosts, whose histograms version 1.7 does not sum."""
    if hosts > 1 and not PAGED_WITH_BINS:
        raise ClientError(
            "The training data of an instance is larger than its memory, which xgboost "
            f"{xgboost.__version__} can only handle on a single instance. Use an image of version "
            "3.0 or later, or instances with more memory."
        )


def make_pages_bins(
    matrix: ValuePages, extremes: ColumnExtremes | None, options: MatrixOptions
) -> None:
    """Bins from a sample of dense rows; sparse ones, without ``extremes``, are left to sketches."""
    if extremes is None:
        return
    matrix.bins = affordable_bins(int(matrix.num_col()), options)
    try:
        make_bins(matrix, extremes.rows(), matrix.bins, options.threads)
    except xgboost.core.XGBoostError as error:
        raise loading_failure(error) from error


def affordable_bins(columns: int, options: MatrixOptions) -> int:
    """How many bins of a column version 1.7 may use: ``max_bin``, or fewer where memory is short.

    It keeps the histograms of all nodes of a tree.
    """
    bins = options.max_bin or DEFAULT_BINS
    bin_bytes = columns * options.tree_nodes * BYTES_PER_BIN * _HISTOGRAM_GROWTH
    affordable = int(memory_limit_bytes() // HISTOGRAM_SHARE // bin_bytes)
    return min(bins, max(affordable, FEWEST_BINS))


def small_pages_first(blocks: Iterator[Batch], rows: int) -> Iterator[Batch]:
    """The rows in batches of ``rows``, but for the first ones, which are small."""
    first = next(blocks, None)
    if first is None:
        return
    pieces = rebatch([first], min(LEADING_PAGE_ROWS, rows))
    del first
    yield from islice(pieces, LEADING_PAGES)
    yield from rebatch(chain(pieces, blocks), rows)
