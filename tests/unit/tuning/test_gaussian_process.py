"""The surrogate beside scikit-learn's and beside numerical derivatives."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from sagebrush.tuning.gaussian_process import (
    GaussianProcess,
    Hyperparameters,
    Posterior,
    Priors,
    fit,
    warped,
)

NUMERIC = np.zeros(3, np.bool_)
MIXED = np.array([False, True, False])


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    X = generator.random((25, 3))
    y = np.sin(5 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * generator.normal(size=25)
    return X, (y - y.mean()) / y.std()


def setting(warps: np.ndarray | None = None) -> Hyperparameters:
    lengthscales = np.log([0.3, 0.7, 1.5])
    return Hyperparameters(lengthscales, 0.4, -4.0, np.zeros((2, 3)) if warps is None else warps)


def test_predictions_are_those_of_scikit_learn(data):
    X, y = data
    kernel = ConstantKernel(np.exp(0.4)) * Matern([0.3, 0.7, 1.5], nu=2.5)
    oracle = GaussianProcessRegressor(kernel, alpha=np.exp(-4.0), optimizer=None).fit(X, y)
    points = np.random.default_rng(1).random((7, 3))
    mean, deviation = oracle.predict(points, return_std=True)
    found = GaussianProcess(X, y, NUMERIC, setting()).predict(points)
    np.testing.assert_allclose(found[0][:, 0], mean, rtol=1e-6)
    np.testing.assert_allclose(found[1], deviation**2, rtol=1e-5)
    process = GaussianProcess(X, y, NUMERIC, setting())
    np.testing.assert_allclose(process.fitted_means()[:, 0], oracle.predict(X), rtol=1e-6)


def test_the_likelihood_is_that_of_scikit_learn(data):
    X, y = data
    kernel = ConstantKernel(np.exp(0.4)) * Matern([0.3, 0.7, 1.5], nu=2.5)
    oracle = GaussianProcessRegressor(kernel, alpha=np.exp(-4.0), optimizer=None).fit(X, y)
    flat = Priors(0.0, 1e9, 1e9, 0.0, 1e9, 0.0)
    value, _ = Posterior(X, y, NUMERIC, flat)(setting().packed())
    constant = 0.5 * len(y) * np.log(2 * np.pi)
    assert -(value + constant) == pytest.approx(oracle.log_marginal_likelihood_value_, rel=1e-6)


@pytest.mark.parametrize("categorical", [NUMERIC, MIXED])
@pytest.mark.parametrize("warp_sd", [0.0, 0.5])
def test_the_posteriors_gradient_is_its_derivative(data, categorical, warp_sd):
    X, y = data
    X[:, categorical] = np.floor(X[:, categorical] * 3)
    posterior = Posterior(X, y, categorical, Priors(0.3, warp_sd=warp_sd))
    vector = np.random.default_rng(2).normal(size=11) * 0.3
    vector[4] = -3.0
    if not warp_sd:
        vector[5:] = 0.0
    vector[5:].reshape(2, 3)[:, categorical] = 0.0
    _, gradient = posterior(vector)
    for index, step in enumerate(np.eye(11) * 1e-6):
        if index >= 5 and (not warp_sd or categorical[(index - 5) % 3]):
            continue
        slope = (posterior(vector + step)[0] - posterior(vector - step)[0]) / 2e-6
        assert gradient[index] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_gradients_of_predictions_are_derivatives(data):
    X, y = data
    warps = np.array([[0.3, -0.2, 0.1], [-0.1, 0.4, 0.2]])
    process = GaussianProcess(X, np.column_stack([y, y**2]), NUMERIC, setting(warps))
    points = np.array([[0.3, 0.6, 0.9], [0.1, 0.2, 0.4]])
    mean, variance, by_mean, by_variance = process.predict_with_gradients(points)
    np.testing.assert_allclose(mean, process.predict(points)[0])
    np.testing.assert_allclose(variance, process.predict(points)[1])
    for index, step in enumerate(np.eye(3) * 1e-6):
        after, before = process.predict(points + step), process.predict(points - step)
        np.testing.assert_allclose(by_mean[..., index], (after[0] - before[0]) / 2e-6, rtol=1e-4)
        np.testing.assert_allclose(
            by_variance[:, index], (after[1] - before[1]) / 2e-6, rtol=1e-3, atol=1e-8
        )


def test_gradients_are_zero_in_categories(data):
    X, y = data
    X[:, 1] = np.floor(X[:, 1] * 3)
    process = GaussianProcess(X, y, MIXED, setting())
    _, _, by_mean, by_variance = process.predict_with_gradients(np.array([[0.4, 1.0, 0.2]]))
    assert by_mean[0, 0, 1] == by_variance[0, 1] == 0.0
    assert by_mean[0, 0, 0] != 0.0


@pytest.mark.parametrize("categorical", [NUMERIC, MIXED])
def test_the_posteriors_logarithm_alone_is_the_same(data, categorical):
    X, y = data
    X[:, categorical] = np.floor(X[:, categorical] * 3)
    posterior = Posterior(X, y, categorical, Priors(0.3))
    vector = setting(np.where(categorical, 0.0, np.full((2, 3), 0.2))).packed()
    assert posterior.logarithm(vector) == pytest.approx(-posterior(vector)[0])
    vector[4] = 1.0
    assert posterior.logarithm(vector) == -np.inf


def test_categories_are_alike_or_not_whatever_their_numbers(data):
    X, y = data
    X[:, 1] = np.floor(X[:, 1] * 3)
    first = GaussianProcess(X, y, MIXED, setting())
    renamed = X.copy()
    renamed[:, 1] = np.array([2.0, 0.0, 1.0])[X[:, 1].astype(int)]
    second = GaussianProcess(renamed, y, MIXED, setting())
    found = first.predict(np.array([[0.5, 0.0, 0.5]]))
    expected = second.predict(np.array([[0.5, 2.0, 0.5]]))
    np.testing.assert_allclose(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1])


def test_conditioning_on_random_outcomes_keeps_the_mean_on_average(data):
    X, y = data
    process = GaussianProcess(X, y, NUMERIC, setting())
    pending = np.array([[0.2, 0.2, 0.2], [0.8, 0.1, 0.4]])
    point = np.array([[0.25, 0.2, 0.3]])
    normals = np.random.default_rng(3).normal(size=(4000, 2))
    mean, variance = process.conditioned(pending, normals).predict(point)
    assert mean.mean() == pytest.approx(process.predict(point)[0][0, 0], abs=0.02)
    assert variance[0] < process.predict(point)[1][0]


def test_a_fit_finds_the_dimension_that_matters():
    generator = np.random.default_rng(4)
    X = generator.random((60, 3))
    y = np.sin(9 * X[:, 1])
    best = fit(X, (y - y.mean()) / y.std(), NUMERIC, Priors(0.0), [setting()])[0][1]
    assert best.lengthscales.argmin() == 1
    assert best.lengthscales[1] < best.lengthscales[[0, 2]].min() - 1
    assert best.noise < -8


def test_warping_bends_the_unit_interval_onto_itself():
    grid = np.linspace(0, 1, 11)[:, None]
    bent = warped(grid, np.log([[2.0], [0.5]]))
    np.testing.assert_allclose(bent[:, 0], 1 - (1 - grid[:, 0] ** 2) ** 0.5, atol=1e-4)
    assert (np.diff(bent[:, 0]) > 0).all()


def test_warping_leaves_categories_alone():
    codes = np.array([[0.3, 0.0], [0.3, 1.0], [0.3, 4.0]])
    bent = warped(codes, np.array([[0.5, 0.0], [-0.5, 0.0]]))
    assert (bent[:, 0] != 0.3).all()
    np.testing.assert_array_equal(bent[:, 1], [0.0, 1.0, 4.0])


def test_neighbours_of_an_observation_are_predicted_like_it_among_categories(data):
    X, y = data
    X[:, 1] = np.floor(X[:, 1] * 3)
    bent = setting(np.array([[0.4, 0.0, -0.3], [0.2, 0.0, 0.1]]))
    mean, _ = GaussianProcess(X, y, MIXED, replace(bent, noise=-15.0)).predict(X)
    np.testing.assert_allclose(mean[:, 0], y, atol=1e-3)
