"""Draws from a density of which only the logarithm, up to a constant, can be computed."""

from collections.abc import Callable

import numpy as np

from sagebrush.tuning.gaussian_process import Floats

_MOST_STEPS = 8
_MOST_SHRINKS = 30


def slice_sampled(
    logarithm: Callable[[Floats], float],
    start: Floats,
    widths: Floats,
    updates: int,
    rng: np.random.Generator,
) -> Floats:
    """The point that a Markov chain reaches after so many updates from the start.

    Each update draws along a random direction whose coordinates are scaled by ``widths``, which
    should be about the density's deviations. ``logarithm`` may be -inf. Source: Neal, *Slice
    Sampling*, 2003, with stepping out and shrinkage.
    """
    point, height = start, logarithm(start)
    for _ in range(updates):
        direction = rng.normal(size=len(point)) * widths
        level = height - rng.exponential()
        low = -rng.random()
        high = low + 1.0
        for _ in range(_MOST_STEPS):
            if logarithm(point + low * direction) < level:
                break
            low -= 1.0
        for _ in range(_MOST_STEPS):
            if logarithm(point + high * direction) < level:
                break
            high += 1.0
        for _ in range(_MOST_SHRINKS):
            step = low + (high - low) * rng.random()
            reached = logarithm(point + step * direction)
            if reached >= level:
                point, height = point + step * direction, reached
                break
            if step < 0.0:
                low = step
            else:
                high = step
    return point
