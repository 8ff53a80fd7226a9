"""The area under the ROC curve of real against generated pairs, at constant memory."""

import numpy as np
from numpy.typing import NDArray

KEPT_BITS = 20
BINS = 1 << KEPT_BITS


class ScoreCounts:
    """How many scores of real and of generated pairs fell into each of 2^20 bins.

    A bin holds float32 numbers that agree in their 20 highest bits, so its width is less than a
    2000th of its scores: pairs in one bin count as ties, which moves the area by less than 1e-4.
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros((2, BINS), np.int64)

    def add(self, scores: NDArray[np.float64], *, real: bool) -> None:
        """Count the scores of real or of generated pairs."""
        bits = scores.astype(np.float32).view(np.uint32)
        negative = (bits >> np.uint32(31)).astype(bool)
        ordered = np.where(negative, ~bits, bits | np.uint32(1 << 31))
        bins = (ordered >> np.uint32(32 - KEPT_BITS)).astype(np.int64)
        np.add.at(self._counts[int(real)], bins, 1)

    @property
    def counts(self) -> NDArray[np.int64]:
        """The (2, bins) counts, generated pairs first, to be added to those of other hosts."""
        return self._counts


def area_under_curve(counts: NDArray[np.int64]) -> float:
    """The chance that a real pair's score beats a generated one's, ties counting half.

    0.5 if there are no pairs of one kind.
    """
    generated, real = counts.astype(np.float64)
    pairs = generated.sum() * real.sum()
    if pairs == 0:
        return 0.5
    below = np.cumsum(generated) - generated
    return float((real @ (below + 0.5 * generated)) / pairs)
