"""One model of several hosts' models that have each learnt on from the same one."""

import numpy as np

from sagebrush.algorithms.blazing_text.kernel import Floats
from sagebrush.algorithms.collective import Collective

_TINY = 1e-30


class SharedMatrix:
    """A matrix that several hosts train, each on its own text, and bring together now and then.

    Each row's changes are summed adaptively (Maleki et al. 2021, "Scaling Distributed Training with
    Adaptive Summation"): changes in the same direction are averaged, changes that have nothing to
    do with each other are added. A plain average would halve what one host alone has learnt, a
    plain sum would go too far where all hosts learn the same.
    """

    def __init__(self, matrix: Floats, group: Collective) -> None:
        self._matrix = matrix
        self._group = group
        self._agreed = matrix.copy()

    def bring_together(self) -> None:
        """Make the matrix the same on all hosts; they must all call this."""
        change = self._matrix - self._agreed
        parts = self._group.gather(change)
        total = self._group.broadcast(_summed(parts) if parts else None)
        self._agreed += total
        self._matrix[:] = self._agreed


def _summed(parts: list[Floats]) -> Floats:
    """All parts added pairwise, as in a knock-out tournament."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        odd = parts[-1:] if len(parts) % 2 else []
        parts = [adaptive_sum(first, second) for first, second in pairs] + odd
    return parts[0]


def adaptive_sum(first: Floats, second: Floats) -> Floats:
    """Row by row the sum of two changes, less half of what each has in common with the other."""
    common = np.einsum("ij,ij->i", first, second)

    def share(rows: Floats) -> Floats:
        squares = np.einsum("ij,ij->i", rows, rows)
        kept: Floats = 1 - common / np.maximum(2 * squares, _TINY)
        return kept[:, None]

    total: Floats = share(first) * first + share(second) * second
    return total
