"""What is minimised: functions with known minima, plain, with noise, and in mixed spaces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sagebrush.tuning.spaces import Categorical, Configuration, Continuous, Integer, Space

SYNTHETIC, NOISY, MIXED, REAL = "synthetic", "noisy", "mixed", "real"
_MOVED = np.array([0.60, 0.35, 0.55, 0.42, 0.70])
"""Where Ackley's minimum is moved to: in the middle of the cube, every first guess would hit it."""


@dataclass(frozen=True)
class Problem:
    """A function of a configuration, of which less is better.

    ``minimum`` is its least value; None where nobody knows it, and the best that any contender
    found stands in for it. An observation adds normal noise of ``noise_sd``; the regret does not.
    """

    name: str
    kind: str
    space: Space
    evaluate: Callable[[Configuration], float]
    minimum: float | None = 0.0
    noise_sd: float = 0.0
    evaluations: int = 100


def branin(x: float, y: float) -> float:
    """Return Branin's function; minimum 0.397887 on [-5, 10] x [0, 15] (Dixon and Szegö 1978)."""
    bowl = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_SLOPES_3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
_CENTRES_3 = 1e-4 * np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
)
_SLOPES_6 = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_CENTRES_6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(point: np.ndarray) -> float:
    """Return Hartmann's function of 3 or 6 coordinates in [0, 1] (Dixon and Szegö 1978)."""
    slopes, centres = (_SLOPES_3, _CENTRES_3) if len(point) == 3 else (_SLOPES_6, _CENTRES_6)
    return -float(_WEIGHTS @ np.exp(-(slopes * (point - centres) ** 2).sum(axis=1)))


def ackley(point: np.ndarray) -> float:
    """Return Ackley's function on [-32.768, 32.768]^d as seen from [0, 1]^d, its minimum moved."""
    offset = (point - np.resize(_MOVED, len(point))) * 65.536
    far = 20 * math.exp(-0.2 * math.sqrt(float((offset**2).mean())))
    return 20 + math.e - far - math.exp(float(np.cos(2 * np.pi * offset).mean()))


def rosenbrock(point: np.ndarray) -> float:
    """Return Rosenbrock's valley; minimum 0 at (1, ..., 1), on [-5, 10]^d (Rosenbrock 1960)."""
    return float((100 * (point[1:] - point[:-1] ** 2) ** 2 + (1 - point[:-1]) ** 2).sum())


def _of_vector(function: Callable[[np.ndarray], float], configuration: Configuration) -> float:
    return function(np.array([float(value) for value in configuration.values()]))


def _cube(dimensions: int, low: float = 0.0, high: float = 1.0) -> Space:
    return Space(tuple(Continuous(f"x{index}", low, high) for index in range(dimensions)))


def _branin_of(configuration: Configuration) -> float:
    return branin(float(configuration["x0"]), float(configuration["x1"]))


def _depth_and_rate(configuration: Configuration) -> float:
    """Return what looks like a booster's error: best rate, depth and kind depend on each other."""
    depth, kind = int(configuration["depth"]), str(configuration["kind"])
    shift = {"tree": 0.0, "dart": 0.4, "linear": 1.0}[kind]
    rate = math.log10(float(configuration["rate"])) + 1.0 + shift + (depth - 5) / 10
    share = float(configuration["share"]) - 0.8
    return rate**2 + (depth - 5 - 2 * shift) ** 2 / 20 + shift / 4 + share**2


def _mixed_hartmann(configuration: Configuration) -> float:
    """Return Hartmann-6 of a log scale, a coarse integer, a category and three numbers."""
    places = [
        (math.log10(float(configuration["rate"])) + 5) / 5,
        int(configuration["units"]) / 20,
        {"a": 0.2, "b": 0.476874, "c": 0.7, "d": 0.95}[str(configuration["kind"])],
        *(float(configuration[name]) for name in ("x", "y", "z")),
    ]
    return hartmann(np.array(places))


_BOOSTER = Space(
    (
        Continuous("rate", 1e-4, 1.0, "Logarithmic"),
        Integer("depth", 1, 12),
        Categorical("kind", ("linear", "dart", "tree")),
        Continuous("share", 0.3, 1.0),
    )
)
_LAYERS = Space(
    (
        Continuous("rate", 1e-5, 1.0, "Logarithmic"),
        Integer("units", 0, 20),
        Categorical("kind", ("a", "b", "c", "d")),
        Continuous("x", 0.0, 1.0),
        Continuous("y", 0.0, 1.0),
        Continuous("z", 0.0, 1.0),
    )
)

_PLAIN = (
    Problem(
        "Branin",
        SYNTHETIC,
        Space((Continuous("x0", -5.0, 10.0), Continuous("x1", 0.0, 15.0))),
        _branin_of,
        0.39788735772973816,
    ),
    Problem("Hartmann-3", SYNTHETIC, _cube(3), partial(_of_vector, hartmann), -3.86278214782076),
    Problem("Hartmann-6", SYNTHETIC, _cube(6), partial(_of_vector, hartmann), -3.32236801141551),
    Problem("Ackley-5", SYNTHETIC, _cube(5), partial(_of_vector, ackley)),
    Problem("Ackley-10", SYNTHETIC, _cube(10), partial(_of_vector, ackley)),
    Problem("Rosenbrock-5", SYNTHETIC, _cube(5, -5, 10), partial(_of_vector, rosenbrock)),
)


def _noisy(problem: Problem, noise_sd: float) -> Problem:
    return replace(problem, name=f"{problem.name} noisy", kind=NOISY, noise_sd=noise_sd)


FUNCTIONS: tuple[Problem, ...] = (
    *_PLAIN,
    _noisy(_PLAIN[0], 1.0),
    _noisy(_PLAIN[2], 0.1),
    _noisy(_PLAIN[3], 0.5),
    Problem("booster-like", MIXED, _BOOSTER, _depth_and_rate),
    Problem("Hartmann-6 mixed", MIXED, _LAYERS, _mixed_hartmann, None),
)
