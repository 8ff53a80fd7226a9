"""Sample data in the JumpStart bucket: made up, since AWS's own is not ours to give away."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Mapping

PREFIX = "training-datasets"
PARTS = {"train": 400, "validation": 100, "test": 100}
FEATURES = 8

Row = list[float]


@functools.cache
def datasets() -> Mapping[str, bytes]:
    """Return CSV files by key, target first and no header, in the folders of AWS's own.

    Each data set has the parts train, validation and test; the test part has its target, too.
    """
    targets: dict[str, Callable[[float], float]] = {
        "tabular_binary": lambda score: float(score > 0),
        "tabular_multiclass": lambda score: float(sum(score > edge for edge in (-1.5, -0.5, 0.8))),
        "tabular_regress": lambda score: round(score, 3),
    }
    found = {}
    for name, target in targets.items():
        numbers = random.Random(name)  # noqa: S311 - sample data, no secret
        for part, count in PARTS.items():
            rows = [_row(numbers, target) for _ in range(count)]
            text = "".join(",".join(f"{cell:g}" for cell in row) + "\n" for row in rows)
            found[f"{PREFIX}/{name}/{part}/data.csv"] = text.encode()
    return found


def _row(numbers: random.Random, target: Callable[[float], float]) -> Row:
    cells = [round(numbers.gauss(0, 1), 3) for _ in range(FEATURES)]
    noise = numbers.gauss(0, 0.1)
    score = cells[0] + math.sin(2 * cells[1]) - 0.5 * cells[2] * cells[3] + noise
    return [target(score), *cells]
