"""Which instance a request goes to."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sagebrush.engines.fleets.errors import NoSuchVariantError, NotReadyError
from sagebrush.engines.fleets.instance import Instance

# Multiples of the golden ratio's fraction fill the unit interval more evenly than anything else.
_GOLDEN_FRACTION = 0.6180339887498949


class Strategy(Enum):
    """How an instance is chosen among those of a variant."""

    LEAST_OUTSTANDING = "least outstanding"
    RANDOM = "random"


@dataclass(eq=False)
class Variant:
    """Instances that are interchangeable, and their share of the traffic (any scale).

    `traits` is whatever the fleet's owner wants to find again when a request comes.
    """

    name: str
    weight: float
    instances: list[Instance] = field(default_factory=list)
    strategy: Strategy = Strategy.LEAST_OUTSTANDING
    traits: Any = None
    # A shadow takes no traffic of its own; its weight is for whoever copies requests to it.
    shadow: bool = False
    turn: int = 0

    @property
    def healthy_count(self) -> int:
        """How many instances answer at present."""
        if len(self.instances) == 1:
            return int(self.instances[0].healthy)
        return sum(instance.healthy for instance in self.instances)

    @property
    def outstanding(self) -> int:
        """How many requests its instances have been given and not answered."""
        if len(self.instances) == 1:
            return self.instances[0].outstanding
        return sum(instance.outstanding for instance in self.instances)

    def choose(self) -> Instance | None:
        """Return the healthy instance for the next request, if there is one."""
        if len(self.instances) == 1:
            return self.instances[0] if self.instances[0].healthy else None
        if self.strategy is Strategy.RANDOM:
            healthy = [instance for instance in self.instances if instance.healthy]
            return random.choice(healthy) if healthy else None  # noqa: S311 - no secret
        return self._least_loaded()

    def _least_loaded(self) -> Instance | None:
        """Return the healthy instance with the fewest requests under way; equals take turns."""
        self.turn = (self.turn + 1) % (len(self.instances) or 1)
        chosen: Instance | None = None
        for instance in self.instances[self.turn :] + self.instances[: self.turn]:
            if instance.healthy and (chosen is None or instance.outstanding < chosen.outstanding):
                chosen = instance
        return chosen


class Shares:
    """Chooses among names by weight.

    Shares are kept exactly, not only on average: after n choices no name is more than a few away
    from its part of n.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._point = 0.0
        self._names: list[str] = []
        self._bounds: list[float] = []
        self.set(weights)

    def set(self, weights: Mapping[str, float]) -> None:
        """Choose by these weights from now on; names without weight are never chosen."""
        self._names, self._bounds, total = [], [], 0.0
        # Relative to the largest: sums of numbers next to zero are not exact.
        largest = max(weights.values(), default=0.0)
        for name, weight in weights.items():
            if weight > 0:
                total += weight / largest
                self._names.append(name)
                self._bounds.append(total)

    def choose(self) -> str | None:
        """Return the next name; None where no name has any weight."""
        if len(self._names) == 1:
            return self._names[0]
        if not self._names:
            return None
        self._point = (self._point + _GOLDEN_FRACTION) % 1.0
        point = self._point * self._bounds[-1]
        for name, bound in zip(self._names, self._bounds, strict=True):
            if point < bound:
                return name
        return self._names[-1]


class Router:
    """Chooses by weight among the variants of one fleet, then among their instances."""

    def __init__(self, variants: Sequence[Variant]) -> None:
        self._variants = {variant.name: variant for variant in variants}
        self._shares = Shares(self.weights)

    @property
    def variants(self) -> list[Variant]:
        """The variants, in their declared order."""
        return list(self._variants.values())

    @property
    def weights(self) -> dict[str, float]:
        """The variants' shares of the traffic, on any scale."""
        return {
            variant.name: 0.0 if variant.shadow else variant.weight
            for variant in self._variants.values()
        }

    def reweigh(self, weights: Mapping[str, float]) -> None:
        """Set the shares of the named variants; the rest keep theirs."""
        for name, weight in weights.items():
            self._variants[name].weight = weight
        self._shares.set(self.weights)

    def variant(self, name: str) -> Variant | None:
        """Return the variant of that name, if there is one."""
        return self._variants.get(name)

    def choose(self, target: str | None = None) -> tuple[Variant, Instance]:
        """Return the variant (`target` when given) and the instance for the next request.

        Raises:
            NoSuchVariantError: there is no variant `target`, or none has a share of the traffic.
            NotReadyError: no instance of the variant is healthy at present.
        """
        name = target or self._shares.choose()
        variant = None if name is None else self._variants.get(name)
        if variant is None:
            raise NoSuchVariantError(target or "no variant takes traffic")
        chosen = variant.choose()
        if chosen is None:
            error = NotReadyError(f"no model server of variant {variant.name} is healthy")
            error.variant = variant
            raise error
        return variant, chosen
