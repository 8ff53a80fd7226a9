"""The score as published, in plain Python: exact expectations over all trees, and one tree's score.

Written from S. Guha, N. Mishra, G. Roy, O. Schrijvers, "Robust random cut forest based anomaly
detection on streams", ICML 2016: definition 1 (a random cut tree), and theorem 3, by which
inserting x into a random tree over S gives a random tree over S and x.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

Row = tuple[float, ...]


def cuts(rows: frozenset[Row]) -> Iterator[tuple[float, frozenset[Row], frozenset[Row]]]:
    """Every way a cut divides the distinct rows, and how probable it is."""
    width = len(next(iter(rows)))
    sides = [max(row[i] for row in rows) - min(row[i] for row in rows) for i in range(width)]
    for i in range(width):
        values = sorted({row[i] for row in rows})
        for low, high in pairwise(values):
            left = frozenset(row for row in rows if row[i] <= low)
            yield (high - low) / sum(sides), left, rows - left


def expected_inverse_depth(rows: frozenset[Row], row: Row, depth: int = 0) -> float:
    """The mean of 1 / depth of the row over all random cut trees of the rows, it included."""
    if len(rows) == 1:
        return 1.0 / depth
    return sum(
        chance * expected_inverse_depth(left if row in left else right, row, depth + 1)
        for chance, left, right in cuts(rows)
    )


def expected_score(sample: list[Row], row: Row) -> float:
    """The mean score of the row over all random cut trees of the sample, copies included."""
    distinct = frozenset(sample)
    if row in distinct:
        return math.log2(len(sample) + 1) * _expected_seen(distinct, sample, row, 0)
    return math.log2(len(sample) + 1) * expected_inverse_depth(distinct | {row}, row)


def _expected_seen(rows: frozenset[Row], sample: list[Row], row: Row, depth: int) -> float:
    if len(rows) == 1:
        copies = sample.count(row)
        damped = 1.0 - copies / (2.0 * len(sample))
        return damped / (depth + math.log2(copies + 1))
    return sum(
        chance * _expected_seen(left if row in left else right, sample, row, depth + 1)
        for chance, left, right in cuts(rows)
    )
