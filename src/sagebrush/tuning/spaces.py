"""What is searched: named parameters, and the unit cube that every strategy searches in.

Standard library only, so that a server can use it without loading numerical code.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Scaling = Literal["Linear", "Logarithmic", "ReverseLogarithmic"]
Value = float | int | str
Configuration = Mapping[str, Value]

AUTO_LOGARITHMIC_RATIO = 100.0
"""From this ratio of the bounds on, `Auto` searches a positive range on a logarithmic scale."""


class SpaceError(ValueError):
    """A parameter that cannot be searched; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Continuous:
    """A real number in [low, high]."""

    name: str
    low: float
    high: float
    scaling: Scaling = "Linear"

    def from_unit(self, position: float) -> float:
        """The value at a position in [0, 1] of the scale."""
        value = _unscaled(self.scaling, self.low, self.high, position)
        return min(max(value, self.low), self.high)

    def to_unit(self, value: Value) -> float:
        """Where on the scale the value lies; outside [0, 1] for a value out of range."""
        return _scaled(self.scaling, self.low, self.high, float(value))

    def parse(self, text: str) -> float:
        """The value a training job's hyperparameter holds."""
        return float(text)

    def render(self, value: Value) -> str:
        """The text that a training job gets."""
        return repr(float(value))


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in low..high."""

    name: str
    low: int
    high: int
    scaling: Scaling = "Linear"

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    def from_unit(self, position: float) -> int:
        """The value at a position in [0, 1]: each has the share that it takes up on the scale."""
        value = round(_unscaled(self.scaling, self.low - 0.5, self.high + 0.5, position))
        return min(max(value, self.low), self.high)

    def to_unit(self, value: Value) -> float:
        """The middle of the value's share of the scale."""
        return _scaled(self.scaling, self.low - 0.5, self.high + 0.5, float(value))

    def parse(self, text: str) -> int:
        """The value a training job's hyperparameter holds."""
        return round(float(text))

    def render(self, value: Value) -> str:
        """The text that a training job gets: no decimal point."""
        return str(int(value))


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of some texts, in no order."""

    name: str
    values: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    def from_unit(self, position: float) -> str:
        """The value whose equal share of [0, 1] holds the position."""
        return self.values[min(int(position * len(self.values)), len(self.values) - 1)]

    def to_unit(self, value: Value) -> float:
        """The middle of the value's share; SpaceError if it is none of the values."""
        if value not in self.values:
            raise SpaceError(f"{self.name}: {value!r} is none of {list(self.values)}")
        return (self.values.index(str(value)) + 0.5) / len(self.values)

    def parse(self, text: str) -> str:
        """The value a training job's hyperparameter holds: itself."""
        return text

    def render(self, value: Value) -> str:
        """The text that a training job gets."""
        return str(value)


Parameter = Continuous | Integer | Categorical


@dataclass(frozen=True, slots=True)
class Space:
    """The parameters that are searched together, in a fixed order."""

    parameters: tuple[Parameter, ...]

    @property
    def size(self) -> int | None:
        """How many configurations there are; None if a parameter is continuous."""
        total = 1
        for parameter in self.parameters:
            if isinstance(parameter, Continuous):
                return None
            total *= parameter.count
        return total

    def from_unit(self, position: Sequence[float]) -> dict[str, Value]:
        """The configuration at a point of the unit cube."""
        return {
            parameter.name: parameter.from_unit(coordinate)
            for parameter, coordinate in zip(self.parameters, position, strict=True)
        }

    def to_unit(self, configuration: Configuration) -> list[float]:
        """The configuration's point of the unit cube; KeyError if it lacks a parameter."""
        return [parameter.to_unit(configuration[parameter.name]) for parameter in self.parameters]

    def render(self, configuration: Configuration) -> dict[str, str]:
        """The hyperparameters that a training job gets."""
        return {each.name: each.render(configuration[each.name]) for each in self.parameters}

    def parse(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """The configuration that a training job ran with; KeyError if it lacks a parameter."""
        return {each.name: each.parse(texts[each.name]) for each in self.parameters}


def scaling_of(name: str, requested: str, low: float, high: float, *, integer: bool) -> Scaling:
    """The scaling to search with.

    `Auto` is logarithmic when the range is positive and spans two orders of magnitude.
    SpaceError for a range that the requested scaling does not allow.
    """
    if requested == "Auto":
        wide = low > 0 and high / low >= AUTO_LOGARITHMIC_RATIO
        return "Logarithmic" if wide else "Linear"
    if requested == "Logarithmic":
        if low <= 0:
            raise SpaceError(
                f"{name}: logarithmic scaling needs a minimum above 0, and it is {low}"
            )
        return "Logarithmic"
    if requested == "ReverseLogarithmic":
        if integer:
            raise SpaceError(f"{name}: reverse logarithmic scaling is for continuous parameters")
        if low < 0 or high >= 1:
            raise SpaceError(
                f"{name}: reverse logarithmic scaling needs a range within [0, 1), "
                f"and it is [{low}, {high}]"
            )
        return "ReverseLogarithmic"
    return "Linear"


def _scaled(scaling: Scaling, low: float, high: float, value: float) -> float:
    if high == low:
        return 0.5
    if scaling == "Logarithmic":
        return math.log(max(value, math.ulp(0.0)) / low) / math.log(high / low)
    if scaling == "ReverseLogarithmic":
        return math.log((1 - low) / max(1 - value, math.ulp(0.0))) / math.log(
            (1 - low) / (1 - high)
        )
    return (value - low) / (high - low)


def _unscaled(scaling: Scaling, low: float, high: float, position: float) -> float:
    if scaling == "Logarithmic":
        return low * math.exp(math.log(high / low) * position)
    if scaling == "ReverseLogarithmic":
        return 1 - (1 - low) * math.exp(math.log((1 - high) / (1 - low)) * position)
    return low + (high - low) * position
