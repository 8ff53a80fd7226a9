"""Grid search: every combination of categorical values once."""

import random

from sagebrush.tuning.spaces import Categorical, Space, SpaceError, Value


def grid_size(space: Space) -> int:
    """How many combinations there are; SpaceError if a parameter is not categorical."""
    total = 1
    for parameter in space.parameters:
        if not isinstance(parameter, Categorical):
            raise SpaceError(
                f"{parameter.name}: a grid search needs categorical parameters, with their values"
            )
        total *= parameter.count
    return total


def grid_configuration(space: Space, seed: int, index: int) -> dict[str, Value]:
    """The combination that is tried as that number, each one once, in the seed's order.

    IndexError beyond the last one.
    """
    size = grid_size(space)
    if not 0 <= index < size:
        raise IndexError(f"a grid of {size} combinations has none of number {index}")
    order = list(range(size))
    random.Random(seed).shuffle(order)  # noqa: S311 - a search, not a secret
    rest, found = order[index], dict[str, Value]()
    for parameter in space.parameters:
        assert isinstance(parameter, Categorical)
        rest, place = divmod(rest, parameter.count)
        found[parameter.name] = parameter.values[place]
    return found
