"""The area under the curve against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sagebrush.algorithms.ip_insights.discriminator import ScoreCounts, area_under_curve


def area(real: np.ndarray, generated: np.ndarray, parts: int = 1) -> float:
    counts = []
    for part in range(parts):
        each = ScoreCounts()
        each.add(real[part::parts], real=True)
        each.add(generated[part::parts], real=False)
        counts.append(each.counts)
    return area_under_curve(sum(counts))


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0, -1.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_it_is_that_of_scikit_learn(shift, scale):
    rng = np.random.default_rng(0)
    real = (rng.normal(size=4000) + shift) * scale
    generated = rng.normal(size=3000) * scale
    labels = np.repeat([1, 0], [4000, 3000])
    expected = roc_auc_score(labels, np.concatenate([real, generated]))
    assert area(real, generated) == pytest.approx(expected, abs=1e-4)
    assert area(real, generated, parts=3) == area(real, generated)


def test_ties_count_half_and_bounds_are_reached():
    ones = np.ones(5)
    assert area(ones, ones) == 0.5
    assert area(ones, -ones) == 1.0
    assert area(-ones, ones) == 0.0
    assert area(np.array([0.0, 1.0]), np.array([0.0])) == 0.75
    assert area(np.array([1e-30]), np.array([-1e-30])) == 1.0


def test_without_pairs_of_one_kind_nothing_is_told_apart():
    assert area(np.ones(3), np.ones(0)) == 0.5
