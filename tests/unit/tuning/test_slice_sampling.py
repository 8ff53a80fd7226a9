"""Slice sampling beside the distributions that it draws from."""

import numpy as np
import pytest

from sagebrush.tuning.slice_sampling import slice_sampled


def test_draws_have_the_moments_of_the_density():
    rng = np.random.default_rng(0)
    means, deviations = np.array([1.0, -2.0]), np.array([0.5, 3.0])

    def logarithm(point):
        return -0.5 * float((((point - means) / deviations) ** 2).sum())

    point, draws = np.zeros(2), []
    for _ in range(3000):
        point = slice_sampled(logarithm, point, deviations, 2, rng)
        draws.append(point)
    assert np.mean(draws, axis=0) == pytest.approx(means, abs=0.2)
    assert np.std(draws, axis=0) == pytest.approx(deviations, rel=0.1)


def test_a_density_with_an_end_is_not_left():
    rng = np.random.default_rng(1)

    def logarithm(point):
        return -float(point[0]) if point[0] >= 0 else -np.inf

    point, draws = np.array([1.0]), []
    for _ in range(2000):
        point = slice_sampled(logarithm, point, np.ones(1), 2, rng)
        draws.append(point[0])
    assert min(draws) >= 0
    assert np.mean(draws) == pytest.approx(1.0, abs=0.15)


def test_what_has_no_width_stays():
    rng = np.random.default_rng(2)
    point = slice_sampled(lambda p: -float(p @ p), np.ones(2), np.array([1.0, 0.0]), 5, rng)
    assert point[1] == 1.0
    assert point[0] != 1.0
