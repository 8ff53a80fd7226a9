"""Expected improvement beside numerical integration."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from sagebrush.tuning.acquisition import Acquisition, log_improvement
from sagebrush.tuning.gaussian_process import GaussianProcess, Hyperparameters
from sagebrush.tuning.preference import Preference


@pytest.mark.parametrize("z", [3.0, 0.5, 0.0, -0.99, -1.01, -4.0])
def test_improvement_is_the_integral_that_defines_it(z):
    area, _ = quad(lambda t: (z - t) * norm.pdf(t), -np.inf, z)
    assert log_improvement(np.array(z)) == pytest.approx(np.log(area), rel=1e-6)


def test_far_tails_stay_finite_and_in_order():
    # phi(z) / z² is what the improvement approaches far out.
    z = -np.logspace(1, 4, 30)
    found = log_improvement(z)
    np.testing.assert_allclose(found, norm.logpdf(z) - 2 * np.log(-z), rtol=1e-3)
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize(
    "preference", [None, Preference(np.ones(2, np.bool_), np.array([0.5, 0.5]), 5)]
)
def test_the_gradient_is_the_derivative_for_several_processes(preference):
    generator = np.random.default_rng(0)
    X = generator.random((20, 2))
    y = np.sin(5 * X[:, 0])
    given = Hyperparameters(np.log([0.4, 0.9]), 0.0, -8.0, np.full((2, 2), 0.2))
    process = GaussianProcess(X, y, np.zeros(2, np.bool_), given)
    pending = process.conditioned(generator.random((2, 2)), generator.normal(size=(4, 2)))
    acquisition = Acquisition([process, pending], preference)
    points = np.array([[0.9, 0.3], [0.2, 0.6]])
    values, slopes = acquisition.with_gradients(points)
    np.testing.assert_allclose(values, acquisition(points))
    for index, step in enumerate(np.eye(2) * 1e-6):
        change = acquisition(points + step) - acquisition(points - step)
        np.testing.assert_allclose(slopes[:, index], change / 2e-6, rtol=1e-3)
