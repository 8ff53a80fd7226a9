"""What training needs of a data matrix, and what that costs in memory."""

from dataclasses import dataclass

import xgboost

from sagebrush.algorithms.errors import ClientError

DEFAULT_BINS = 256
DEFAULT_DEPTH = 6
HISTOGRAM_SHARE = 6
"""Histograms may take so much of the memory."""
BYTES_PER_BIN = 16
PAGED_WITH_BINS = getattr(xgboost, "ExtMemQuantileDMatrix", ())
"""The matrix in pages; older versions have none."""
_HISTOGRAM_METHODS = {None, "auto", "hist"}
_DEEPEST_COUNTED = 10
"""Deeper trees are seldom full."""


@dataclass(frozen=True)
class MatrixOptions:
    """How the matrix will be used: what training needs of it, and how many threads may build it.

    ``tree_nodes`` is how many nodes of a tree may have a histogram.
    """

    threads: int
    tree_method: str | None = None
    booster: str | None = None
    max_bin: int | None = None
    needs_bounds: bool = False
    tree_nodes: int = (1 << DEFAULT_DEPTH) - 1

    @property
    def takes_bins(self) -> bool:
        """Whether training uses bins that can be made before it."""
        return bool(PAGED_WITH_BINS) and self.tree_method in _HISTOGRAM_METHODS

    @property
    def sketches_bins(self) -> bool:
        """Whether training uses bins that version 1.7 makes of a matrix in pages of values."""
        return not PAGED_WITH_BINS and self.tree_method in _HISTOGRAM_METHODS

    def require_pageable(self) -> None:
        """ClientError for a tree method or booster that needs all rows at once."""
        if self.booster == "gblinear" or self.tree_method == "exact":
            raise ClientError(
                "The training data is larger than the memory, which only the tree methods hist "
                "and approx can handle. Use another tree_method or an instance type with more "
                "memory."
            )


def tree_nodes(max_depth: int | None, max_leaves: int | None) -> int:
    """How many nodes of a tree have a histogram at most; 0 limits neither depth nor leaves."""
    depth = DEFAULT_DEPTH if max_depth is None else max_depth
    nodes = (1 << min(depth or _DEEPEST_COUNTED, _DEEPEST_COUNTED)) - 1
    return min(nodes, 2 * max_leaves - 1) if max_leaves else nodes
