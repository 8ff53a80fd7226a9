"""The encoder's layers against a case worked out by hand."""

import numpy as np
import pytest

from sagebrush.algorithms.ip_insights.encoder import Encoder
from sagebrush.algorithms.ip_insights.tables import Adam


def at_once(work, rows):
    work(0, rows)


@pytest.fixture
def encoder() -> Encoder:
    encoder = Encoder(2, 1, np.random.default_rng(0))
    layer = encoder.layers[0]
    layer.weight[:] = [[1, 0], [1, 1]]
    layer.gain[:] = [2, 1]
    layer.shift[:] = [0.5, -0.25]
    return encoder


INPUTS = np.array([[1, 0], [3, 4]], np.float32)
# x W' = [[1, 1], [3, 7]]: means 2 and 4, variances 1 and 9, so normalised to -1 and 1;
# gain and shift make [[-1.5, -1.25], [2.5, 0.75]], of which relu leaves the second row.
OUTPUTS = np.array([[1, 0], [5.5, 4.75]])


def test_a_batch_is_encoded_as_by_hand(encoder):
    found = encoder.forward(INPUTS, at_once, np.copy)
    np.testing.assert_allclose(found, OUTPUTS, atol=1e-4)
    np.testing.assert_allclose(encoder.layers[0].running_mean, [2, 4])
    np.testing.assert_allclose(encoder.layers[0].running_variance, [1, 9])


def test_prediction_uses_the_running_statistics(encoder):
    encoder.forward(INPUTS, at_once, np.copy)
    np.testing.assert_allclose(encoder.apply(INPUTS.astype(np.float64)), OUTPUTS, atol=1e-4)
    # One row alone has no variance of its own: (5 - 2) * 2 + .5 = 6.5 and (5 - 4) / 3 - .25.
    alone = encoder.apply(np.array([[5.0, 0.0]]))
    np.testing.assert_allclose(alone, [[11.5, 1 / 12]], atol=1e-4)


def test_hosts_normalise_by_the_rows_of_all(encoder):
    other = np.array([2 * 7.0, 2 * 9.0, 2 * 50.0, 2 * 90.0, 2.0])
    encoder.forward(INPUTS, at_once, lambda array: array + other)
    np.testing.assert_allclose(encoder.layers[0].running_mean, [(4 + 14) / 4, (8 + 18) / 4])
    squares = np.array([(10 + 100) / 4, (50 + 180) / 4])
    means = encoder.layers[0].running_mean
    np.testing.assert_allclose(encoder.layers[0].running_variance, squares - means**2)


def test_a_hundred_layers_stay_finite_and_learn():
    rng = np.random.default_rng(1)
    encoder = Encoder(4, 100, rng)
    inputs = rng.normal(size=(64, 4)).astype(np.float32)
    target = rng.normal(size=(64, 4)).astype(np.float32)
    losses = []
    for step in range(1, 31):
        error = encoder.forward(inputs, at_once, np.copy) - target
        losses.append(float((error**2).mean()))
        _, slopes = encoder.backward(2 * error, at_once, np.copy)
        encoder.step(slopes, Adam.at(step, 0.003, 0.0))
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.5 * losses[0]
