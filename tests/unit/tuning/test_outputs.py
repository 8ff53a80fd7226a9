"""Objectives before they are modelled."""

import numpy as np
import pytest
from scipy.stats import yeojohnson_normmax

from sagebrush.tuning.outputs import _bend, standardised


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


def test_what_is_hopeless_does_not_hide_what_makes_good_values_differ():
    good = np.linspace(0.05, 0.10, 20)
    hopeless = np.geomspace(1.0, 12.0, 10)
    found = standardised(np.concatenate([good, hopeless]))
    assert np.ptp(found[:20]) > np.ptp(found[20:])
    assert (np.diff(found) > 0).all()


def test_values_that_are_equally_far_on_both_sides_stay_as_they_are():
    values = np.linspace(-1.0, 1.0, 21)
    np.testing.assert_allclose(standardised(values), values / values.std(), atol=0.15)


@pytest.mark.parametrize("power", [1, 2, 5])
def test_the_bend_is_scipys_to_a_tenth(power):
    values = np.random.default_rng(power).normal(size=200)
    values = np.sign(values) * np.abs(values) ** power + values**2
    values = (values - values.mean()) / values.std()
    assert _bend(values) == pytest.approx(yeojohnson_normmax(values), abs=0.06)
