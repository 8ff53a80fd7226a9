"""Trees flattened into arrays, walked by compiled code: fast predictions for a few rows.

xgboost's own call costs hundreds of microseconds whatever the number of rows. Here a row goes down
several trees side by side, and the leaves are added in xgboost's order in float32, so the margins
are the same to the last bit.

Notation: n rows, T trees, N reachable nodes, d columns, D depth, G outputs (classes, or 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.xgboost.kernel import NODE, Walk

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
    """The trees of a model in walking order, for rows of ``width`` columns.

    A node's two children lie side by side. ``fallback`` of a node is the child taken when its
    comparison is false, which a missing value (NaN) always makes it; ``fallback + 1`` is the
    other. The first T nodes are the roots; leaves point to themselves. Nodes whose missing values
    go left have ``sign`` -1 and compare the negated value. ``values`` (N,) are the leaves' outputs,
    ``tree_outputs`` (T,) says which output a tree adds to, ``intercepts`` (G,) where those begin.
    """

    nodes: NDArray[np.void]
    values: Floats
    tree_outputs: NDArray[np.int32]
    intercepts: Floats
    depth: int
    width: int
    walk: Walk = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        walk = Walk(self.nodes, self.values, self.tree_outputs, self.depth)
        object.__setattr__(self, "walk", walk)

    def cost(self, rows: int) -> int:
        """How many node visits a prediction takes."""
        return rows * len(self.tree_outputs) * max(self.depth, 1)

    def margins(self, features: Floats) -> Floats:
        """Margins of shape (n, G) for float32 features of shape (n, d), NaN where missing."""
        if features.shape[1] != self.width:
            raise ValueError(f"rows have {self.width} columns here, not {features.shape[1]}")
        margins = np.empty((len(features), len(self.intercepts)), np.float32)
        margins[:] = self.intercepts
        self.walk.add_leaves(np.ascontiguousarray(features, np.float32), margins)
        return margins


def flatten(trees: Sequence[Tree], intercepts: Floats, width: int) -> Forest:
    """The forest of these trees for rows of ``width`` columns and the given intercepts (G,).

    ValueError if a tree asks for other columns or adds to other outputs, or is no tree.
    """
    sizes = [len(tree.left) for tree in trees]
    offsets = np.concatenate(([0], np.cumsum(sizes, dtype=np.intp))).astype(np.intp)
    roots = offsets[:-1]
    source = _Concatenated(trees, offsets)
    levels = _levels(source.left, source.right, roots)
    inner = np.concatenate([np.empty(0, np.intp), *levels])
    reachable = _placed(source, roots, inner)
    position = np.empty(int(offsets[-1]), np.intp)
    position[reachable] = np.arange(len(reachable))
    nodes = np.zeros(len(reachable), NODE)
    nodes["fallback"] = np.arange(len(reachable))
    nodes["fallback"][position[inner]] = len(trees) + 2 * np.arange(len(inner))
    _compare(nodes, source, inner, position, width)
    tree_outputs = np.array([tree.output for tree in trees], np.int32)
    if len(trees) and not 0 <= tree_outputs.min() <= tree_outputs.max() < len(intercepts):
        raise ValueError("a tree adds to an output that the model does not have")
    return Forest(
        nodes=nodes,
        values=source.outputs[reachable],
        tree_outputs=tree_outputs,
        intercepts=intercepts,
        depth=len(levels),
        width=width,
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
    unvisited = len(left)
    while len(frontier):
        unvisited -= len(frontier)
        if unvisited < 0:
            raise ValueError("a node of a tree is below itself, or below two others")
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


def _compare(
    nodes: NDArray[np.void], source: _Concatenated, inner: Indices, position: Indices, width: int
) -> None:
    """Write which value each node compares with what; leaves compare such that nothing is true.

    ``x >= t`` is the same as ``-x < next float above -t``, which gives nodes whose missing values
    go left a comparison that is false for NaN too.
    """
    columns = source.columns[inner]
    if len(inner) and not 0 <= columns.min() <= columns.max() < width:
        raise ValueError(f"a tree asks for a column that rows of {width} columns do not have")
    default_left = source.default_left[inner]
    below = source.values[inner]
    nodes["sign"] = 1.0
    nodes["threshold"] = _LOWEST
    at = position[inner]
    nodes["column"][at] = columns
    nodes["sign"][at] = np.where(default_left, -1.0, 1.0)
    nodes["threshold"][at] = np.where(
        default_left, np.nextafter(-below, _HIGHEST, dtype=np.float32), below
    )
