"""Optimisers; oracles: the recurrences of the papers, written out for scalars."""

import math

import numpy as np
import pytest

from sagebrush.algorithms.linear_learner.optimizers import make_optimizer, shrink

GRADIENTS = [1.0, -0.5, 2.0, 0.25]


def directions(name: str, **options: float) -> list[float]:
    settings = {"momentum": 0.0, "beta_1": 0.9, "beta_2": 0.999} | options
    optimizer = make_optimizer(name, (1, 1), **settings)
    return [float(optimizer.direction(np.full((1, 1), g, np.float32))[0][0, 0]) for g in GRADIENTS]


def test_sgd_without_momentum_is_the_gradient():
    assert directions("sgd") == GRADIENTS


def test_sgd_with_momentum_accumulates():
    velocity, expected = 0.0, []
    for gradient in GRADIENTS:
        velocity = 0.8 * velocity + gradient
        expected.append(velocity)
    assert directions("sgd", momentum=0.8) == pytest.approx(expected)


def test_adam_follows_algorithm_1_of_kingma_and_ba():
    mean = square = 0.0
    expected = []
    for step, gradient in enumerate(GRADIENTS, 1):
        mean = 0.7 * mean + 0.3 * gradient
        square = 0.95 * square + 0.05 * gradient**2
        corrected = mean / (1 - 0.7**step)
        expected.append(corrected / (math.sqrt(square / (1 - 0.95**step)) + 1e-8))
    assert directions("adam", beta_1=0.7, beta_2=0.95) == pytest.approx(expected, rel=1e-5)


def test_rmsprop_divides_by_the_root_of_the_mean_square():
    square, expected = 0.0, []
    for gradient in GRADIENTS:
        square = 0.9 * square + 0.1 * gradient**2
        expected.append(gradient / (math.sqrt(square) + 1e-8))
    assert directions("rmsprop") == pytest.approx(expected, rel=1e-5)


def test_shrinking_stops_at_zero():
    theta = np.array([[0.5, -0.5, 0.1, -0.1, 0.0]], np.float32)
    shrink(theta, np.full((1, 5), 0.2, np.float32))
    assert theta[0] == pytest.approx([0.3, -0.3, 0, 0, 0])
