"""Configurations as points that a Gaussian process can work with, and back.

Numeric parameters lie in [0, 1] of their scale; a categorical one is the number of its value.
"""

from collections.abc import Sequence

import numpy as np

from sagebrush.tuning.gaussian_process import Flags, Floats
from sagebrush.tuning.spaces import Categorical, Configuration, Continuous, Integer, Space, Value

_FINE_GRID = 64
"""An integer with more values than this is searched as if it were continuous."""


class Encoding:
    """The points of a space; ``categorical`` and ``coarse`` tell which dimensions are steps."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.categorical: Flags = np.array(
            [isinstance(each, Categorical) for each in space.parameters], np.bool_
        )
        self.coarse: Flags = np.array(
            [isinstance(each, Integer) and each.count <= _FINE_GRID for each in space.parameters],
            np.bool_,
        )
        self._grids: dict[int, Floats] = {
            index: self._grid(index)
            for index, each in enumerate(space.parameters)
            if not isinstance(each, Continuous) and each.count <= _FINE_GRID
        }

    def _grid(self, index: int) -> Floats:
        parameter = self.space.parameters[index]
        if isinstance(parameter, Categorical):
            return np.arange(parameter.count, dtype=np.float64)
        assert isinstance(parameter, Integer)
        values = range(parameter.low, parameter.high + 1)
        return np.array([parameter.to_unit(value) for value in values])

    @property
    def smooth(self) -> Flags:
        """The dimensions in which a small step stays small."""
        return ~(self.categorical | self.coarse)

    def steps(self, index: int) -> Floats:
        """All places of a dimension that is not smooth."""
        return self._grids[index]

    def encode(self, configurations: Sequence[Configuration]) -> Floats:
        """Points (n, D); a value that is out of range is moved to the nearest end."""
        points = np.empty((len(configurations), len(self.space.parameters)))
        for row, configuration in enumerate(configurations):
            for column, parameter in enumerate(self.space.parameters):
                value = configuration[parameter.name]
                if isinstance(parameter, Categorical):
                    points[row, column] = parameter.values.index(str(value))
                else:
                    points[row, column] = min(max(parameter.to_unit(value), 0.0), 1.0)
        return points

    def decode(self, point: Floats) -> dict[str, Value]:
        """The configuration at a point."""
        found: dict[str, Value] = {}
        for coordinate, parameter in zip(point.tolist(), self.space.parameters, strict=True):
            if isinstance(parameter, Categorical):
                found[parameter.name] = parameter.values[round(coordinate)]
            else:
                found[parameter.name] = parameter.from_unit(coordinate)
        return found

    def from_cube(self, cube: Floats) -> Floats:
        """Points from (m, D) positions in the unit cube, each value with its share."""
        points = cube.copy()
        for column, places in self._grids.items():
            numbers = np.minimum((cube[:, column] * len(places)).astype(np.intp), len(places) - 1)
            points[:, column] = places[numbers]
        return self.snapped(points)

    def snapped(self, points: Floats) -> Floats:
        """The nearest points at which something can be observed: integers on their values."""
        points = points.copy()
        for column, parameter in enumerate(self.space.parameters):
            if isinstance(parameter, Integer):
                points[:, column] = [
                    parameter.to_unit(parameter.from_unit(each)) for each in points[:, column]
                ]
        return points
