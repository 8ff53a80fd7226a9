"""Robust random cut trees as flat arrays: built from a sample, scoring rows."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.random_cut_forest.kernel import (
    NODE,
    build_tree,
    padded_width,
    score_rows,
)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

BLOCK_VALUES = 1 << 20
MIN_BLOCK_ROWS = 512
MAX_BLOCK_ROWS = 1 << 13
LARGEST_RANGE = 1e38
STOP_GRACE_S = 0.5


@dataclass(frozen=True)
class Forest:
    """T trees over rows of d features, W = padded_width(d).

    ``nodes`` (N,) of `kernel.NODE` and ``boxes`` (N, 2, W) float32, the lower and upper bounds of
    what each node holds; ``leaves`` (L, W) float32 and ``masses`` (L,) int32, the distinct rows and
    how often each occurs; ``node_starts`` and ``leaf_starts`` (T + 1,) int64, where each tree's
    begin; ``tree_masses`` (T,) int32, the rows in each tree. All values were multiplied by
    ``scale``, a power of two that keeps sums finite.
    """

    feature_dim: int
    scale: float
    nodes: NDArray[np.void]
    boxes: Floats
    leaves: Floats
    masses: NDArray[np.int32]
    node_starts: NDArray[np.int64]
    leaf_starts: NDArray[np.int64]
    tree_masses: NDArray[np.int32]

    @property
    def trees(self) -> int:
        """The number of trees."""
        return int(self.tree_masses.shape[0])

    @property
    def size_bytes(self) -> int:
        """The memory that the arrays take."""
        return int(
            self.nodes.nbytes
            + self.boxes.nbytes
            + self.leaves.nbytes
            + self.masses.nbytes
            + self.node_starts.nbytes
            + self.leaf_starts.nbytes
            + self.tree_masses.nbytes
        )

    def score(
        self, rows: Any, *, threads: int = 1, stop_requested: Callable[[], bool] = lambda: False
    ) -> Doubles:
        """The mean over the trees of each row's score, shape (rows,), float64.

        ``rows`` is an (n, d) float32 array or CSR matrix of finite values. Once a stop is requested
        the rest of the rows keep the score 0.
        """
        scores = np.zeros(rows.shape[0])
        width = self.leaves.shape[1]
        step = min(MAX_BLOCK_ROWS, max(MIN_BLOCK_ROWS, BLOCK_VALUES // width))

        def score_block(first: int) -> None:
            if stop_requested():
                return
            block = self._padded(rows[first : first + step])
            score_rows(self, block, scores[first : first + step])

        _for_each(score_block, range(0, rows.shape[0], step), threads)
        scores /= self.trees
        return scores

    def _padded(self, rows: Any) -> Floats:
        dense = rows.toarray() if sparse.issparse(rows) else rows
        width = self.leaves.shape[1]
        if width == self.feature_dim and self.scale == 1.0:
            return np.ascontiguousarray(dense, np.float32)
        padded = np.zeros((dense.shape[0], width), np.float32)
        with np.errstate(under="ignore"):
            np.multiply(dense, np.float32(self.scale), out=padded[:, : self.feature_dim])
        return padded


def grow_forest(
    sample: Floats,
    num_trees: int,
    *,
    seed: int,
    threads: int = 1,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Forest:
    """A forest of the sample (n, d), n >= num_trees, whose rows are in random order.

    Each tree gets the next n // num_trees rows. Once a stop is requested, few more trees are grown:
    those that take half a second, or one.
    """
    per_tree, feature_dim = sample.shape[0] // num_trees, sample.shape[1]
    width = padded_width(feature_dim)
    scale = _scale_of(sample)
    nodes = np.zeros((num_trees, per_tree - 1), NODE)
    boxes = np.zeros((num_trees, per_tree - 1, 2, width), np.float32)
    leaves = np.zeros((num_trees, per_tree, width), np.float32)
    masses = np.zeros((num_trees, per_tree), np.int32)
    found = np.zeros((num_trees, 2), np.int64)

    seeds = np.random.SeedSequence(seed).generate_state(num_trees, np.uint64)
    patience = _Patience(stop_requested)

    def grow(tree: int) -> None:
        if tree > 0 and patience.is_over():
            return
        rows = np.zeros((per_tree, width), np.float32)
        part = sample[tree * per_tree : (tree + 1) * per_tree]
        np.multiply(part, np.float32(scale), out=rows[:, :feature_dim])
        build_tree(
            rows,
            int(seeds[tree]),
            nodes[tree],
            boxes[tree],
            leaves[tree],
            masses[tree],
            found[tree],
        )

    _for_each(grow, range(num_trees), threads)
    grown = found[:, 1] > 0
    return Forest(
        feature_dim=feature_dim,
        scale=scale,
        nodes=_used(nodes, found[:, 0]),
        boxes=_used(boxes, found[:, 0]),
        leaves=_used(leaves, found[:, 1]),
        masses=_used(masses, found[:, 1]),
        node_starts=_starts(found[grown, 0]),
        leaf_starts=_starts(found[grown, 1]),
        tree_masses=np.full(np.count_nonzero(grown), per_tree, np.int32),
    )


class _Patience:
    """Whether a stop was requested and the grace that it leaves has run out."""

    def __init__(self, stop_requested: Callable[[], bool]) -> None:
        self._stop_requested = stop_requested
        self._end_s = float("inf")

    def is_over(self) -> bool:
        if self._end_s == float("inf") and self._stop_requested():
            self._end_s = time.monotonic() + STOP_GRACE_S
        return time.monotonic() > self._end_s


def _scale_of(sample: Floats) -> float:
    """A power of two by which no sum of sides leaves float32; 1 for all but huge values."""
    largest = float(np.abs(sample).max(initial=0.0)) * 2.0 * sample.shape[1]
    if largest < LARGEST_RANGE:
        return 1.0
    return float(2.0 ** -np.ceil(np.log2(largest / LARGEST_RANGE)))


def _used(values: NDArray[Any], counts: NDArray[np.int64]) -> NDArray[Any]:
    """The first counts[t] entries of each tree t, one tree after the other."""
    room = values.shape[1]
    if (counts == room).all():
        return values.reshape(-1, *values.shape[2:])
    return values[np.arange(room) < counts[:, None]]


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _for_each(function: Callable[[int], None], items: range, threads: int) -> None:
    if threads <= 1 or len(items) <= 1:
        for item in items:
            function(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(function, items):
            pass
