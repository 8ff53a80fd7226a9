"""What a warm start makes of its parents' trials: observations of the new tuning job's space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any

from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.tuning.spaces import Categorical, Configuration, Space, Value

# From so many own observations on, their scale is compared with the parents'.
_LEAST_COMPARED = 5
# Two parents' trials this many standard deviations apart or less tell nothing about a scale.
_LEAST_SPREAD = 0.1

Observed = tuple[Configuration, float]


class Inherited:
    """The parents' observations of one tuning job, and how its own are put beside them.

    With the same data and algorithm, objectives mean the same and are pooled as they are. Otherwise
    each parent's are standardised, and the own ones are moved and scaled to agree with what the
    parents saw at the nearest configurations.
    """

    def __init__(
        self, definition: Definition, observations: Sequence[Sequence[Any]], *, same_task: bool
    ) -> None:
        self._space = definition.space
        self._same_task = same_task
        groups: dict[str, list[Observed]] = {}
        for parent, hyperparameters, objective in observations:
            configuration = configuration_in(definition.space, hyperparameters)
            if configuration is not None:
                own = (configuration, definition.sign * objective)
                groups.setdefault(parent, []).append(own)
        self._pool: list[Observed] = []
        for group in groups.values():
            self._pool += group if same_task else _standardised(group)
        self._places = [self._space.to_unit(each) for each, _ in self._pool]
        spreads = [pstdev([value for _, value in group]) for group in groups.values()]
        self._spread = fmean(spreads) if spreads else 1.0
        self._nearest: dict[tuple[float, ...], float] = {}

    def pooled(self, own: Sequence[Observed]) -> list[Observed]:
        """Return the parents' observations and, on their scale, the own ones."""
        if not self._pool:
            return list(own)
        if self._same_task or not own:
            return [*self._pool, *own]
        expected = [self._expected(each) for each, _ in own]
        values = [value for _, value in own]
        scale = self._scale(values, expected)
        shift = fmean(expected) - fmean(values) / scale
        return [*self._pool, *((each, value / scale + shift) for each, value in own)]

    def _scale(self, values: Sequence[float], expected: Sequence[float]) -> float:
        if len(values) >= _LEAST_COMPARED:
            there, here = pstdev(expected), pstdev(values)
            if there > _LEAST_SPREAD and here > 0:
                return here / there
        return self._spread or 1.0

    def _expected(self, configuration: Configuration) -> float:
        """What the parents saw at the configuration nearest to this one."""
        place = tuple(self._space.to_unit(configuration))
        if place not in self._nearest:
            squares = [math.dist(place, each) for each in self._places]
            self._nearest[place] = self._pool[squares.index(min(squares))][1]
        return self._nearest[place]


def _standardised(group: Sequence[Observed]) -> list[Observed]:
    values = [value for _, value in group]
    mean, spread = fmean(values), pstdev(values) or 1.0
    return [(each, (value - mean) / spread) for each, value in group]


def configuration_in(space: Space, hyperparameters: Mapping[str, str]) -> dict[str, Value] | None:
    """Return a parent's configuration in another space; None where it lies outside of it."""
    found: dict[str, Value] = {}
    for parameter in space.parameters:
        text = hyperparameters.get(parameter.name)
        if text is None:
            return None
        try:
            value = parameter.parse(text)
        except ValueError:
            return None
        if isinstance(parameter, Categorical):
            if value not in parameter.values:
                return None
        elif not parameter.low <= float(value) <= parameter.high:
            return None
        found[parameter.name] = value
    return found
