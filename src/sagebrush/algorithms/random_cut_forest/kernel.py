"""The compiled functions that build trees and score rows, behind checked Python calls."""

import ctypes
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.native import array_of, load_kernel

Floats = NDArray[np.float32]

NODE = np.dtype(
    [
        ("dimension", np.int32),
        ("cut", np.float32),
        ("left", np.int32),
        ("right", np.int32),
        ("range", np.float32),
    ]
)
"""A node as the kernel has it; children < 0 are leaves, see ``forest.h``."""

MAX_ROWS = 1 << 24
"""Rows of a tree at most: its nodes are numbered by 32 bits, exactly as floats too."""

SLACK = 16
"""What the kernel may write beyond the last row number, a vector at most."""

PART_BYTES = 16
"""What a part of a tree under construction takes in the kernel's stack."""


@cache
def _kernel() -> ctypes.CDLL:
    library = load_kernel("random_cut_forest")
    floats, integers = array_of(np.float32), array_of(np.int32)
    out_floats = array_of(np.float32, writable=True)
    out_integers = array_of(np.int32, writable=True)
    nodes = array_of(NODE)
    starts, size = array_of(np.int64), ctypes.c_int64
    library.build_tree.restype = None
    library.build_tree.argtypes = [
        floats,
        size,
        size,
        ctypes.c_uint64,
        nodes,
        out_floats,
        out_floats,
        out_integers,
        out_integers,
        array_of(np.uint8, writable=True),
        out_floats,
        array_of(np.int64, writable=True),
    ]
    library.score_rows.restype = None
    library.score_rows.argtypes = [
        nodes,
        floats,
        floats,
        integers,
        starts,
        starts,
        integers,
        size,
        size,
        floats,
        size,
        array_of(np.float64, writable=True),
        out_integers,
        out_integers,
        out_floats,
    ]
    return library


class ForestArrays(Protocol):
    """The arrays of `forest.Forest` that scoring reads."""

    @property
    def nodes(self) -> NDArray[np.void]: ...
    @property
    def boxes(self) -> Floats: ...
    @property
    def leaves(self) -> Floats: ...
    @property
    def masses(self) -> NDArray[np.int32]: ...
    @property
    def node_starts(self) -> NDArray[np.int64]: ...
    @property
    def leaf_starts(self) -> NDArray[np.int64]: ...
    @property
    def tree_masses(self) -> NDArray[np.int32]: ...


def padded_width(feature_dim: int) -> int:
    """The number of floats of a row in the kernel: a multiple of 8."""
    return -(-feature_dim // 8) * 8


def build_tree(
    rows: Floats,
    seed: int,
    nodes: NDArray[np.void],
    boxes: Floats,
    leaves: Floats,
    masses: NDArray[np.int32],
    found: NDArray[np.int64],
) -> None:
    """Grow one tree of the padded rows (count, W); ``found`` gets its numbers of nodes and leaves.

    The other arrays have room for the largest tree: count - 1 nodes and boxes, count leaves.
    """
    count, width = rows.shape
    if not 1 <= count <= MAX_ROWS:
        raise ValueError(f"a tree has 1 to {MAX_ROWS} rows, not {count}")
    _require(nodes.shape == (count - 1,) and boxes.shape == (count - 1, 2, width), "nodes")
    _require(leaves.shape == (count, width) and masses.shape == (count,), "leaves")
    _require(found.shape == (2,), "found")
    _kernel().build_tree(
        rows,
        count,
        width,
        seed,
        nodes,
        boxes,
        leaves,
        masses,
        np.empty(count, np.int32),
        np.empty((count + 1) * PART_BYTES, np.uint8),
        np.empty(2 * width, np.float32),
        found,
    )


def score_rows(forest: ForestArrays, rows: Floats, scores: NDArray[np.float64]) -> None:
    """Add each padded row's scores in all trees, shape (rows,), to ``scores``."""
    count, width = rows.shape
    _require(width == forest.leaves.shape[1] and scores.shape == (count,), "rows")
    if count == 0:
        return
    _kernel().score_rows(
        forest.nodes,
        forest.boxes,
        forest.leaves,
        forest.masses,
        forest.node_starts,
        forest.leaf_starts,
        forest.tree_masses,
        forest.tree_masses.shape[0],
        width,
        rows,
        count,
        scores,
        np.empty(count + SLACK, np.int32),
        np.empty(count + SLACK, np.int32),
        np.empty(count, np.float32),
    )


def _require(holds: bool, name: str) -> None:
    if not holds:
        raise ValueError(f"the shape of {name} does not fit")
