"""From the labels of a row's neighbours to its own label."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK_COUNTS = 1 << 22
FEW_CLASSES = 64


def mean_labels(neighbours: Floats) -> Floats:
    """The average of each row's neighbours, shape (rows,)."""
    return np.asarray(neighbours.mean(axis=1, dtype=np.float64), np.float32)


def majority_labels(neighbours: Floats) -> Floats:
    """The most frequent label of each row of (rows, k) labels; of a tie the smallest label."""
    if neighbours.shape[1] == 1:
        return neighbours[:, 0].copy()
    classes, codes = np.unique(neighbours, return_inverse=True)
    codes = codes.reshape(neighbours.shape)
    if classes.size <= FEW_CLASSES:
        return np.asarray(classes[_most_frequent_of_few(codes, classes.size)])
    return np.asarray(classes[_most_frequent(codes)])


def _most_frequent_of_few(codes: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The most frequent code of each row, by counting every class."""
    winners = np.empty(codes.shape[0], np.int64)
    step = max(1, BLOCK_COUNTS // classes)
    for first in range(0, codes.shape[0], step):
        block = codes[first : first + step]
        offsets = np.arange(block.shape[0])[:, None] * classes
        counts = np.bincount((block + offsets).ravel(), minlength=block.shape[0] * classes)
        winners[first : first + step] = counts.reshape(-1, classes).argmax(axis=1)
    return winners


def _most_frequent(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most frequent code of each row, by the longest run of its sorted codes."""
    ordered = np.sort(codes, axis=1)
    run = np.ones_like(ordered)
    for place in range(1, ordered.shape[1]):
        same = ordered[:, place] == ordered[:, place - 1]
        run[:, place] = np.where(same, run[:, place - 1] + 1, 1)
    # The first of the longest runs ends first, and its code is the smallest.
    longest = run.argmax(axis=1)
    return np.asarray(ordered[np.arange(ordered.shape[0]), longest])
