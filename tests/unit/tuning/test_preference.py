"""The preference for the inside of the space."""

import numpy as np
import pytest
from scipy.stats import beta

from sagebrush.tuning.bayesian import BayesianSearch, Observation
from sagebrush.tuning.preference import Preference, drawn_inwards
from sagebrush.tuning.spaces import Continuous, Space

ALL = np.ones(2, np.bool_)
MIDDLE = np.full(2, 0.5)


def test_first_points_follow_the_belief_and_categories_stay_uniform():
    cube = np.random.default_rng(0).random((1000, 2))
    places = drawn_inwards(cube, np.array([True, False]))
    np.testing.assert_allclose(places[:, 0], beta.ppf(cube[:, 0], 2, 2), rtol=1e-12)
    assert (places[:, 1] == cube[:, 1]).all()


def test_edges_are_worse_than_the_middle_and_never_impossible():
    values = Preference(ALL, MIDDLE, 10)(np.array([[0.5, 0.5], [0.1, 0.5], [0.0, 0.5], [0.0, 1.0]]))
    assert values[0] == 0.0
    assert (np.diff(values) < 0.0).all()
    assert np.isfinite(values).all()


def test_it_gives_way_to_observations():
    corner = np.zeros((1, 2))
    few, many = Preference(ALL, MIDDLE, 10)(corner), Preference(ALL, MIDDLE, 1000)(corner)
    np.testing.assert_allclose(many, few / 100)


def test_no_edge_is_avoided_to_which_the_best_observation_is_as_near():
    preference = Preference(ALL, np.array([0.02, 0.5]), 10)
    along, across = preference(np.array([[0.02, 0.5], [0.5, 0.02]]))
    assert along == 0.0
    assert across < 0.0


@pytest.mark.parametrize("incumbent", [(0.5, 0.5), (0.9, 0.2)])
def test_the_gradient_is_the_derivative(incumbent):
    preference = Preference(ALL, np.array(incumbent), 7)
    points = np.random.default_rng(1).random((40, 2))
    slopes = preference.gradients(points)
    for index, step in enumerate(np.eye(2) * 1e-7):
        change = preference(points + step) - preference(points - step)
        np.testing.assert_allclose(slopes[:, index], change / 2e-7, rtol=1e-4, atol=1e-6)


def test_categories_have_no_edge():
    preference = Preference(np.array([True, False]), np.array([0.5, 1.0]), 10)
    points = np.array([[0.5, 0.0], [0.5, 7.0]])
    assert (preference(points) == 0.0).all()
    assert (preference.gradients(points) == 0.0).all()


@pytest.mark.parametrize(("known", "preferred"), [(10, True), (11, False)])
def test_the_search_looks_inside_first_but_for_every_sixth_trial(known, preferred):
    space = Space(tuple(Continuous(f"x{index}", 0.0, 1.0) for index in range(5)))
    places = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        observed = [
            Observation(space.from_unit(random.random(5)), random.normal()) for _ in range(known)
        ]
        places.append(space.to_unit(BayesianSearch(space, seed).suggest(observed)))
    at_the_edge = np.mean([each < 0.02 or each > 0.98 for place in places for each in place])
    assert bool(at_the_edge < 0.1) is preferred


def test_an_optimum_in_a_corner_is_found():
    space = Space(tuple(Continuous(f"x{index}", 0.0, 1.0) for index in range(4)))
    corner = np.array([0.0, 1.0, 1.0, 0.0])
    places = _searched(space, lambda place: float(np.abs(place - corner).sum()), 40)
    assert np.abs(places - corner).sum(axis=1).min() < 0.02


def _searched(space, objective, trials) -> np.ndarray:
    """The places in the unit cube that were tried."""
    search, observed, places = BayesianSearch(space, seed=5), [], []
    for _ in range(trials):
        found = search.suggest(observed)
        places.append(np.array(space.to_unit(found)))
        observed.append(Observation(found, objective(places[-1])))
    return np.array(places)
