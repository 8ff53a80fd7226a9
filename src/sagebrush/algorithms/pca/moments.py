"""Sums over rows that can be taken about one point and moved to another, and added up.

For rows x and a point a: n rows, s = sum (x - a), q = sum |x - a|^2 and M = sum (x - a)(x - a)' T,
where T (d, l) is a test matrix, or the identity. About b = a - e, x - b = (x - a) + e, so

    s_b = s + n e        q_b = q + 2 s.e + n |e|^2        M_b = M + (s + n e)(e'T) + e (s'T)

Rows are summed about a point near their mean, where float32 is exact enough, and moved in float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """n, a (d,), s (d,), q and M (d, l) as above, all float64."""

    count: int
    point: Doubles
    sums: Doubles
    squares: float
    products: Doubles

    def about(self, point: Doubles, test: Doubles | None) -> "Moments":
        """The same rows' moments about another point; ``products`` is changed in place."""
        shift = self.point - point
        tested = np.stack([shift, self.sums])
        if test is not None:
            tested = tested @ test
        sums = self.sums + self.count * shift
        products = self.products
        products += np.stack([sums, shift], axis=1) @ tested
        squares = self.squares + 2 * self.sums @ shift + self.count * (shift @ shift)
        return Moments(self.count, point, sums, float(squares), products)


@dataclass(frozen=True)
class Total:
    """Moments of all rows of all hosts: n, mean (d,), q and M about the reference."""

    count: int
    mean: Doubles
    squares: float
    products: Doubles


def total(
    parts: Sequence[Moments],
    collective: Collective,
    *,
    test: Doubles | None = None,
    centred: bool = True,
) -> Total:
    """All parts of all hosts about their common mean, or about the origin.

    The parts' ``products`` are changed in place. Every host gets the same result.
    """
    width = parts[0].point.size
    weights = np.zeros(width + 1)
    for part in parts:
        weights[0] += part.count
        weights[1:] += part.count * part.point + part.sums
    weights = collective.sum(weights)
    count = int(weights[0])
    mean = weights[1:] / max(count, 1)
    reference = mean if centred else np.zeros(width)
    moved = [part.about(reference, test) for part in parts]
    products = moved[0].products
    for part in moved[1:]:
        products += part.products
    squares = collective.sum(np.array([sum(part.squares for part in moved)]))
    return Total(count, mean, float(squares[0]), collective.sum(products))
