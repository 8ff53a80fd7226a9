"""How a comparison is declared: a task, its contenders, how they are judged.

Imported in the environments of peers too: the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Fit = Callable[[], Any]
PEERS = "algorithms"
"""The environment of the libraries in `benchmarks/algorithm_tasks/requirements.txt`."""


@dataclass(frozen=True)
class Quality:
    """What `score(model, data)` returns: its name, which direction is better.

    `tolerance` is the relative difference below which no user would care, 0.001 being a tenth of a
    percent; it is allowed on top of the noise, so give it only where a method is exact and seeds
    bring no noise (PCA, nearest neighbours).
    """

    name: str
    higher_is_better: bool
    tolerance: float = 0.0


@dataclass(frozen=True)
class Contender:
    """Something that solves the task.

    `prepare(data, seed)` imports, constructs, and returns what is timed: a function without
    arguments whose result goes to `score`. Conversions that a user would wait for belong into the
    timed part. `environment` is "" for .venv or `PEERS`. `max_rows` spares hopeless sizes.
    `ours` marks ours; the first contender of a task is the one that is judged, further ones of
    ours are shown beside it. A `reference` is shown, too, but is no rival (a single model beside a
    grid, an upper bound that knows the truth). `score`, if given, replaces the task's.
    """

    name: str
    prepare: Callable[[Any, int], Fit]
    environment: str = ""
    ours: bool = False
    reference: bool = False
    max_rows: int | None = None
    score: Callable[[Any, Any], float] | None = None


@dataclass(frozen=True)
class Faster:
    """Ours takes at most 1/`times` of the wall time of a rival at the largest size.

    The rival is the fastest peer that is as good within noise, or the best one if none is; or
    `than`, a contender's name. `models` multiplies that rival's time: fitting a grid one by one.
    """

    times: float = 1.0
    than: str | None = None
    models: int = 1


@dataclass(frozen=True)
class NoWorse:
    """Ours is as good as the best peer, or as `than`, within the noise of the seeds."""

    than: str | None = None


@dataclass(frozen=True)
class Reaches:
    """The mean quality of ours is at least as good as a known `value`: an anchor, an optimum."""

    value: float


Target = Faster | NoWorse | Reaches
ISSUE_TARGETS: tuple[Target, ...] = (NoWorse(), Faster(1.0))


@dataclass(frozen=True)
class Task:
    """One comparison.

    `data(rows, seed)` returns whatever contenders and `score` understand (a dataclass, a tuple),
    the same for the same arguments in every environment, truth and held-out rows included: numpy
    and scipy at module level, scikit-learn inside. `numbers_per_row` makes rows comparable:
    features in a row, words in a document. `sizes` grow, in rows. All contenders are measured on
    each size with one seed, and on `quality_rows` with `seeds` seeds. A timed part that takes
    longer than `limit_s` is ended, noted as "> limit", and not tried on larger sizes.
    """

    name: str
    summary: str
    data: Callable[[int, int], Any]
    numbers_per_row: float
    sizes: tuple[int, ...]
    quality_rows: int
    quality: Quality
    score: Callable[[Any, Any], float]
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...] = ISSUE_TARGETS
    seeds: int = 5
    limit_s: float = 120.0
    real_data: bool = False

    def __post_init__(self) -> None:
        names = [contender.name for contender in self.contenders]
        if len(set(names)) != len(names) or not self.contenders[0].ours:
            raise ValueError(f"{self.name}: contenders need different names, ours first")
        if list(self.sizes) != sorted(set(self.sizes)):
            raise ValueError(f"{self.name}: sizes must grow")
        for target in self.targets:
            than = None if isinstance(target, Reaches) else target.than
            if than is not None and than not in names:
                raise ValueError(f"{self.name}: a target names {than!r}, which is no contender")

    def contender(self, name: str) -> Contender:
        """Return the contender of this name; KeyError where there is none."""
        return {contender.name: contender for contender in self.contenders}[name]

    @property
    def peers(self) -> tuple[Contender, ...]:
        """Those that ours has to beat."""
        return tuple(each for each in self.contenders if not each.ours and not each.reference)
