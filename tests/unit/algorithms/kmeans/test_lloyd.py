"""Weighted Lloyd and k-means++; oracle: scikit-learn's KMeans with sample weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans as Oracle
from sklearn.metrics import pairwise_distances

from sagebrush.algorithms.kmeans.lloyd import (
    _means,
    kmeans_plus_plus,
    squared_distances,
    weighted_lloyd,
)

OPTIONS = {"plus_plus": True, "max_iterations": 300, "tolerance": 1e-4}


def points_of(seed: int, count: int = 60, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


def test_distances_are_those_of_scikit_learn():
    points, centers = points_of(0), points_of(1, 5)
    expected = pairwise_distances(points, centers) ** 2
    assert squared_distances(points, centers) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_loss_is_that_of_the_returned_centers(seed: int):
    points, weights = points_of(seed), np.random.default_rng(seed).uniform(0.1, 5, 60)
    loss, centers = weighted_lloyd(points, weights, 4, rng=np.random.default_rng(seed), **OPTIONS)
    nearest = squared_distances(points, centers).min(axis=1)
    assert loss == pytest.approx((nearest * weights).sum() / weights.sum())


def test_best_of_several_starts_is_as_good_as_scikit_learns():
    points, weights = points_of(3, 200), np.random.default_rng(3).uniform(0.1, 5, 200)
    rng = np.random.default_rng(0)
    ours = min(weighted_lloyd(points, weights, 6, rng=rng, **OPTIONS)[0] for _ in range(20))
    oracle = Oracle(6, n_init=20, random_state=0).fit(points, sample_weight=weights)
    assert ours <= oracle.inertia_ / weights.sum() * 1.01


def test_weights_count_like_repeated_points():
    points = points_of(5, 30)
    counts = np.random.default_rng(5).integers(1, 4, 30)
    start = {"rng": np.random.default_rng(1), **OPTIONS, "max_iterations": 1}
    loss, centers = weighted_lloyd(points, counts.astype(float), 3, **start)
    repeated = np.repeat(points, counts, axis=0)
    expected = squared_distances(repeated, centers).min(axis=1).mean()
    assert loss == pytest.approx(expected)


def test_a_center_without_points_moves_to_the_costliest_point():
    points = np.array([[0.0], [1.0], [10.0], [20.0]])
    nearest = np.array([0, 0, 0, 2])
    cost = np.array([0.0, 1.0, 100.0, 0.0])
    centers = _means(points, np.array([1.0, 3.0, 1.0, 1.0]), nearest, cost, 3)
    assert centers.tolist() == [[2.6], [10.0], [20.0]]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 12))
def test_seeding_draws_distinct_points_while_there_are_any(seed: int, distinct: int, count: int):
    base = points_of(seed, distinct)
    points = np.repeat(base, 3, axis=0)
    drawn = kmeans_plus_plus(points, count, np.random.default_rng(seed))
    assert drawn.shape == (count, 3)
    assert len(np.unique(drawn, axis=0)) == min(count, distinct)


def test_seeding_never_draws_points_without_weight():
    points = np.array([[0.0], [100.0], [1.0], [2.0]])
    weights = np.array([1.0, 0.0, 1.0, 1.0])
    for seed in range(20):
        drawn = kmeans_plus_plus(points, 3, np.random.default_rng(seed), weights)
        assert 100.0 not in drawn
