"""Random projections; oracle: the Johnson-Lindenstrauss property itself."""

import numpy as np
import pytest

from sagebrush.algorithms.knn.projection import Projection

SIGNS = [[-1, -1, 1], [1, -1, -1], [-1, -1, 1], [-1, -1, 1]]
FAST = [2.3094, 2.20942, -5.33402]
ROWS = np.random.default_rng(0).normal(size=(60, 300)).astype(np.float32)


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_distances_and_inner_products_are_kept_on_average(kind: str):
    first, second = ROWS[:30], ROWS[:30] + 0.5 * ROWS[30:]
    distances, products = [], []
    for seed in range(100):
        projection = Projection(kind, seed, 300, 60)
        left, right = projection(first), projection(second)
        distances.append(((left - right) ** 2).sum(axis=1))
        products.append((left * right).sum(axis=1))
    expected = ((first - second) ** 2).sum(axis=1)
    assert np.mean(distances, axis=0) == pytest.approx(expected, rel=0.1)
    assert np.mean(products, axis=0) == pytest.approx((first * second).sum(axis=1), rel=0.15)
    # Each single projection is near as well: the variance is about 2 / target.
    spread = np.std(np.array(distances) / expected, axis=0)
    assert spread == pytest.approx(np.sqrt(2 / 60), rel=0.35)


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_a_row_of_one_large_value_is_spread_over_all_entries(kind: str):
    row = np.zeros((1, 256), np.float32)
    row[0, 17] = 1
    lengths = [float((Projection(kind, seed, 256, 32)(row) ** 2).sum()) for seed in range(50)]
    assert np.mean(lengths) == pytest.approx(1, abs=0.2)


def test_seeds_are_for_ever():
    # Written down when the format was made: a stored model must project alike in later versions.
    sign = Projection("sign", 3, 4, 3)(np.eye(4, dtype=np.float32)) * np.sqrt(3)
    assert np.round(sign).astype(int).tolist() == SIGNS
    fast = Projection("fjlt", 3, 4, 3)(np.array([[1, 2, 3, 4]], np.float32))
    assert fast[0] == pytest.approx(FAST, abs=1e-5)
    assert not np.array_equal(Projection("sign", 4, 4, 3)(ROWS[:, :4]), sign)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch):
    whole = Projection("fjlt", 0, 300, 7)(ROWS)
    monkeypatch.setattr("sagebrush.algorithms.knn.projection.BLOCK_VALUES", 900)
    assert np.array_equal(Projection("fjlt", 0, 300, 7)(ROWS), whole)


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_a_target_that_was_raised_beyond_the_width_still_keeps_lengths(kind: str):
    lengths = [
        (Projection(kind, seed, 10, 16)(ROWS[:, :10]) ** 2).sum(axis=1) for seed in range(60)
    ]
    assert np.mean(lengths, axis=0) == pytest.approx((ROWS[:, :10] ** 2).sum(axis=1), rel=0.25)
