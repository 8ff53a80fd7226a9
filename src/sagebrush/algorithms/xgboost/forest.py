"""Trees flattened into arrays, walked all at once: fast predictions for a few rows.

xgboost's own call costs hundreds of microseconds whatever the number of rows. Here one step
moves every (row, tree) pair down a level with a handful of numpy calls, and the leaves are added
in xgboost's order in float32, so the margins are the same to the last bit.

Notation: n rows, T trees, N reachable nodes, d columns, D depth, G outputs (classes, or 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
Floats = NDArray[np.float32]

_LOWEST = np.float32(-np.inf)
_HIGHEST = np.float32(np.inf)


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree as models store it, each array of shape (nodes,); leaves have ``left`` -1.

    ``values`` are thresholds of inner nodes and outputs of leaves; a row goes left if its column
    is below the threshold, or is missing where ``default_left`` says so.
    """

    left: Indices
    right: Indices
    columns: Indices
    values: Floats
    default_left: NDArray[np.bool_]
    output: int = 0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Forest:
    """The trees of a model in walking order.

    A node's two children lie side by side. ``fallback`` (N,) is the child taken when the node's
    comparison is false, which a missing value (NaN) always makes it; ``fallback + 1`` is the
    other. The first T nodes are the roots; leaves point to themselves. ``columns`` (N,) index a
    row followed by its negation: nodes whose missing values go left compare the negated value.
    ``order`` (G, M) lists each output's trees, padded with T, which stands for nothing.
    """

    columns: Indices
    thresholds: Floats
    fallback: Indices
    values: Floats
    order: Indices
    intercepts: Floats
    depth: int
    tree_count: int

    def cost(self, rows: int) -> int:
        """How many node visits a prediction takes."""
        return rows * self.tree_count * max(self.depth, 1)

    def margins(self, features: Floats) -> Floats:
        """Margins of shape (n, G) for float32 features of shape (n, d), NaN where missing."""
        if len(features) == 1:
            return self._one_row(features[0])
        rows, width = features.shape
        doubled = np.concatenate((features, -features), axis=1).ravel()
        offsets = np.arange(0, rows * 2 * width, 2 * width, dtype=np.intp)[:, None]
        nodes: Indices = np.broadcast_to(np.arange(self.tree_count), (rows, self.tree_count))
        for _ in range(self.depth):
            below = doubled[self.columns[nodes] + offsets] < self.thresholds[nodes]
            nodes = self.fallback[nodes] + below
        leaves = np.zeros((rows, self.tree_count + 1), np.float32)
        leaves[:, :-1] = self.values[nodes]
        return self._sum(leaves[:, self.order])

    def _one_row(self, row: Floats) -> Floats:
        doubled = np.concatenate((row, -row))
        columns, thresholds, fallback = self.columns, self.thresholds, self.fallback
        nodes = np.arange(self.tree_count)
        for _ in range(self.depth):
            nodes = fallback[nodes] + (doubled[columns[nodes]] < thresholds[nodes])
        if len(self.order) == 1:
            terms = np.empty(self.tree_count + 1, np.float32)
            terms[0] = self.intercepts[0]
            terms[1:] = self.values[nodes]
            return np.add.accumulate(terms)[-1:].reshape(1, 1)
        leaves = np.zeros((1, self.tree_count + 1), np.float32)
        leaves[0, :-1] = self.values[nodes]
        return self._sum(leaves[:, self.order])

    def _sum(self, leaves: Floats) -> Floats:
        """Add leaves of shape (n, G, M) to the intercepts one after the other, as xgboost does."""
        rows, outputs, trees = leaves.shape
        terms = np.empty((rows, outputs, trees + 1), np.float32)
        terms[:, :, 0] = self.intercepts
        terms[:, :, 1:] = leaves
        totals: Floats = np.add.accumulate(terms, axis=2)[:, :, -1]
        return totals


def flatten(trees: Sequence[Tree], intercepts: Floats, width: int) -> Forest:
    """The forest of these trees for rows of ``width`` columns and the given intercepts (G,)."""
    sizes = [len(tree.left) for tree in trees]
    offsets = np.concatenate(([0], np.cumsum(sizes, dtype=np.intp))).astype(np.intp)
    roots = offsets[:-1]
    source = _Concatenated(trees, offsets)
    levels = _levels(source.left, source.right, roots)
    inner = np.concatenate([np.empty(0, np.intp), *levels])
    reachable = _placed(source, roots, inner)
    position = np.empty(int(offsets[-1]), np.intp)
    position[reachable] = np.arange(len(reachable))
    fallback = np.arange(len(reachable))
    fallback[position[inner]] = len(trees) + 2 * np.arange(len(inner))
    columns, thresholds = _comparisons(source, inner, position, len(reachable), width)
    return Forest(
        columns=columns,
        thresholds=thresholds,
        fallback=fallback,
        values=source.outputs[reachable],
        order=_tree_order(trees, len(intercepts)),
        intercepts=intercepts,
        depth=len(levels),
        tree_count=len(trees),
    )


class _Concatenated:
    """All trees' arrays end to end, children as positions in the whole; -1 marks a leaf."""

    def __init__(self, trees: Sequence[Tree], offsets: Indices) -> None:
        shift = np.repeat(offsets[:-1], np.diff(offsets))
        self.left = _joined([tree.left for tree in trees], np.intp)
        self.right = _joined([tree.right for tree in trees], np.intp) + shift
        self.left = np.where(self.left < 0, -1, self.left + shift)
        self.columns: Indices = _joined([tree.columns for tree in trees], np.intp)
        self.values: Floats = _joined([tree.values for tree in trees], np.float32)
        self.default_left = _joined([tree.default_left for tree in trees], np.bool_)
        self.outputs: Floats = _joined(
            [tree.values * np.float32(tree.weight) for tree in trees], np.float32
        )


def _joined(parts: Sequence[NDArray[np.generic]], dtype: type[np.generic]) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


def _levels(left: Indices, right: Indices, roots: Indices) -> list[Indices]:
    """The inner nodes reachable from the roots, level by level."""
    levels: list[Indices] = []
    frontier = roots[left[roots] >= 0]
    while len(frontier):
        levels.append(frontier)
        children = np.concatenate((left[frontier], right[frontier]))
        frontier = children[left[children] >= 0]
    return levels


def _placed(source: _Concatenated, roots: Indices, inner: Indices) -> Indices:
    """The reachable nodes in walking order: roots, then each inner node's children as a pair."""
    default_left = source.default_left[inner]
    left, right = source.left[inner], source.right[inner]
    pairs = np.empty((len(inner), 2), np.intp)
    pairs[:, 0] = np.where(default_left, left, right)
    pairs[:, 1] = np.where(default_left, right, left)
    return np.concatenate((roots, pairs.ravel()))


def _comparisons(
    source: _Concatenated, inner: Indices, position: Indices, count: int, width: int
) -> tuple[Indices, Floats]:
    """Which value each node compares with what; leaves compare such that nothing is true.

    ``x >= t`` is the same as ``-x < next float above -t``, which gives nodes whose missing values
    go left a comparison that is false for NaN too.
    """
    columns = np.zeros(count, np.intp)
    thresholds = np.full(count, _LOWEST, np.float32)
    default_left = source.default_left[inner]
    columns[position[inner]] = source.columns[inner] + np.where(default_left, width, 0)
    below = source.values[inner]
    thresholds[position[inner]] = np.where(
        default_left, np.nextafter(-below, _HIGHEST, dtype=np.float32), below
    )
    return columns, thresholds


def _tree_order(trees: Sequence[Tree], outputs: int) -> Indices:
    members = [
        [index for index, tree in enumerate(trees) if tree.output == output]
        for output in range(outputs)
    ]
    longest = max(len(member) for member in members)
    order = np.full((outputs, longest), len(trees), np.intp)
    for row, member in zip(order, members, strict=True):
        row[: len(member)] = member
    return order
