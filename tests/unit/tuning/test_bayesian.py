"""What the search suggests."""

import numpy as np
import pytest

from sagebrush.tuning.bayesian import BayesianSearch, Observation, standardised
from sagebrush.tuning.spaces import Categorical, Continuous, Integer, Space

SQUARE = Space((Continuous("x", -5.0, 10.0), Continuous("y", 0.0, 15.0)))
MIXED = Space(
    (
        Continuous("rate", 1e-4, 1.0, "Logarithmic"),
        Integer("depth", 1, 10),
        Categorical("kind", ("a", "b", "c")),
    )
)


def branin(configuration) -> float:
    """Minimum 0.397887 (Dixon and Szegö 1978)."""
    x, y = configuration["x"], configuration["y"]
    bowl = (y - 5.1 / (4 * np.pi**2) * x * x + 5 / np.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


def mixed(configuration) -> float:
    rate = np.log10(configuration["rate"]) + 2
    return rate**2 + (configuration["depth"] - 7) ** 2 / 20 + (configuration["kind"] != "b")


def searched(
    space: Space, objective, trials: int, *, at_once: int = 1, seed: int = 0
) -> list[float]:
    search = BayesianSearch(space, seed)
    observed, pending = [], []
    while len(observed) < trials:
        while len(pending) < at_once:
            pending.append(search.suggest(observed, pending))
        done = pending.pop(0)
        observed.append(Observation(done, objective(done)))
    return [each.value for each in observed]


def test_branin_is_solved_in_forty_trials():
    assert min(searched(SQUARE, branin, 40)) < 0.397887 + 1e-2


def test_branin_is_solved_with_four_trials_at_once():
    assert min(searched(SQUARE, branin, 48, at_once=4)) < 0.397887 + 5e-2


def test_a_mixed_space_is_solved():
    assert min(searched(MIXED, mixed, 40)) < 0.01


def test_the_same_seed_and_history_give_the_same_suggestions():
    assert searched(SQUARE, branin, 14, seed=3) == searched(SQUARE, branin, 14, seed=3)
    assert searched(SQUARE, branin, 5, seed=3) != searched(SQUARE, branin, 5, seed=4)


def test_pending_trials_are_not_suggested_again():
    search = BayesianSearch(SQUARE)
    observed = [
        Observation(each, branin(each))
        for each in (SQUARE.from_unit(p) for p in np.random.default_rng(0).random((12, 2)))
    ]
    pending = []
    for _ in range(4):
        pending.append(search.suggest(observed, pending))
    places = np.array([SQUARE.to_unit(each) for each in pending])
    distances = [np.abs(a - b).max() for i, a in enumerate(places) for b in places[:i]]
    assert min(distances) > 1e-3


def test_a_small_space_is_exhausted_without_repetition():
    space = Space((Integer("n", 1, 4), Categorical("c", ("u", "v"))))
    search = BayesianSearch(space)
    observed = []
    for _ in range(8):
        suggestion = search.suggest(observed)
        observed.append(Observation(suggestion, float(suggestion["n"])))
    assert len({(each.configuration["n"], each.configuration["c"]) for each in observed}) == 8
    assert search.suggest(observed)["n"] in {1, 2, 3, 4}


def test_equal_objectives_and_outliers_do_no_harm():
    search = BayesianSearch(SQUARE)
    points = [SQUARE.from_unit(p) for p in np.random.default_rng(1).random((12, 2))]
    for value in (0.0, 1e300):
        observed = [Observation(each, 0.0) for each in points[:-1]]
        observed.append(Observation(points[-1], value))
        suggestion = search.suggest(observed)
        assert -5 <= suggestion["x"] <= 10


def test_standardised_values_keep_their_order():
    values = np.array([1.0, 100.0, 3.0, 2.0, 5.0, 4.0, 1e6, 7.0, 8.0])
    found = standardised(values)
    assert (np.argsort(found) == np.argsort(values)).all()
    assert found.mean() == pytest.approx(0.0, abs=1e-9)
    assert found.std() == pytest.approx(1.0)


@pytest.mark.parametrize("values", [[0.0] * 9, [0.0] * 8 + [1e300], [-1e300, 0.0, 1.0, 2.0, 3.0]])
def test_standardised_values_are_numbers(values):
    found = standardised(np.array(values))
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(values)]) >= 0).all()
