"""Which server of which variant takes a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sagebrush.engines.fleets.errors import NoSuchVariantError, NotReadyError
from sagebrush.engines.fleets.server import ModelServer

# Multiples of the golden ratio's fraction fill the unit interval more evenly than anything else.
_GOLDEN_FRACTION = 0.6180339887498949


@dataclass
class Variant:
    """Model servers that are interchangeable, and their share of the traffic (any scale)."""

    name: str
    weight: float
    servers: list[ModelServer] = field(default_factory=list)
    turn: int = 0

    @property
    def healthy_count(self) -> int:
        """How many servers answer at present."""
        return sum(server.healthy for server in self.servers)

    def least_loaded(self) -> ModelServer | None:
        """Return the healthy server with the fewest requests under way; equals take turns."""
        if len(self.servers) == 1:
            return self.servers[0] if self.servers[0].healthy else None
        self.turn = (self.turn + 1) % (len(self.servers) or 1)
        chosen: ModelServer | None = None
        for server in self.servers[self.turn :] + self.servers[: self.turn]:
            if server.healthy and (chosen is None or server.outstanding < chosen.outstanding):
                chosen = server
        return chosen


class Router:
    """Chooses by weight among variants and by outstanding requests among servers.

    Shares are kept exactly, not only on average: after n requests no variant is more than a few
    away from its part of n.
    """

    def __init__(self, variants: Sequence[Variant]) -> None:
        self._variants = {variant.name: variant for variant in variants}
        self._point = 0.0
        self._names: list[str] = []
        self._bounds: list[float] = []
        self.reweigh({variant.name: variant.weight for variant in variants})

    @property
    def variants(self) -> list[Variant]:
        """The variants, in their declared order."""
        return list(self._variants.values())

    def reweigh(self, weights: dict[str, float]) -> None:
        """Set the shares of the named variants; the rest keep theirs."""
        for name, weight in weights.items():
            self._variants[name].weight = weight
        self._names, self._bounds, total = [], [], 0.0
        for variant in self._variants.values():
            if variant.weight > 0:
                total += variant.weight
                self._names.append(variant.name)
                self._bounds.append(total)

    def choose(self, target: str | None = None) -> tuple[Variant, ModelServer]:
        """Return the variant (`target` when given) and the server for the next request.

        Raises:
            NoSuchVariantError: there is no variant `target`, or none has a share of the traffic.
            NotReadyError: no server of the variant is healthy at present.
        """
        variant = self._variants.get(target) if target else self._by_weight()
        if variant is None:
            raise NoSuchVariantError(target or "no variant takes traffic")
        chosen = variant.least_loaded()
        if chosen is None:
            raise NotReadyError(f"no model server of variant {variant.name} is healthy")
        return variant, chosen

    def _by_weight(self) -> Variant | None:
        if len(self._names) == 1:
            return self._variants[self._names[0]]
        if not self._names:
            return None
        self._point = (self._point + _GOLDEN_FRACTION) % 1.0
        point = self._point * self._bounds[-1]
        for name, bound in zip(self._names, self._bounds, strict=True):
            if point < bound:
                return self._variants[name]
        return self._variants[self._names[-1]]
