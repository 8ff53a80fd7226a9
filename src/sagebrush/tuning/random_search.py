"""Random search: every configuration drawn by itself, the same ones for the same seed."""

import random

from sagebrush.tuning.spaces import Space, Value


def random_configuration(space: Space, seed: int, index: int) -> dict[str, Value]:
    """The configuration of that number in the sequence of a seed.

    Each depends on nothing but seed and number, so that trials may be asked for in any order.
    """
    generator = random.Random(f"{seed}/{index}")  # noqa: S311 - a search, not a secret
    return space.from_unit([generator.random() for _ in space.parameters])
