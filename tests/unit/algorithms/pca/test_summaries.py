"""Moments that move and add up, the scatter and the sketch; oracles: numpy and scipy."""

import numpy as np
import pytest
from scipy import sparse

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.pca.moments import Moments, total
from sagebrush.algorithms.pca.scatter import Scatter
from sagebrush.algorithms.pca.sketch import Sketch, directions_to_test, recovered

RANDOM = np.random.default_rng(0)
ROWS = (RANDOM.normal(size=(3000, 40)) @ RANDOM.normal(size=(40, 40)) + 7).astype(np.float32)


def random_test(columns: int, width: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(columns, width)))[0]


def moments(rows: np.ndarray, point: np.ndarray, test: np.ndarray | None) -> Moments:
    centred = rows - point
    products = centred.T @ (centred if test is None else centred @ test)
    return Moments(len(rows), point, centred.sum(axis=0), float((centred**2).sum()), products)


@pytest.mark.parametrize("tested", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_parts_about_different_points_add_up(tested: bool, centred: bool):
    rows = ROWS.astype(np.float64)
    test = random_test(40, 6, 0) if tested else None
    points = [np.zeros(40), np.full(40, 3.0), rows[5]]
    parts = [moments(part, at, test) for part, at in zip(np.split(rows, 3), points, strict=True)]
    summed = total(parts, Collective(), test=test, centred=centred)
    reference = rows.mean(axis=0) if centred else np.zeros(40)
    expected = moments(rows, reference, test)
    assert summed.count == 3000
    assert summed.mean == pytest.approx(rows.mean(axis=0))
    assert summed.squares == pytest.approx(expected.squares)
    assert summed.products == pytest.approx(expected.products, abs=1e-6 * expected.squares)


def covariance(scatter: Scatter) -> np.ndarray:
    summed = total(scatter.parts(), Collective())
    assert summed.squares == pytest.approx(np.trace(summed.products), rel=1e-6)
    return summed.products / (summed.count - 1)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("columns", [40, 600])
def test_scatter_is_the_covariance(threads: int, columns: int):
    rows = np.tile(ROWS[:300], (1, columns // 40)).astype(np.float32)
    scatter = Scatter(columns, threads)
    for part in np.array_split(rows, 5):
        scatter.add(np.ascontiguousarray(part))
    expected = np.cov(rows.T.astype(np.float64))
    np.testing.assert_allclose(covariance(scatter), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("density", [0.01, 0.3])
def test_sparse_rows_may_come_among_dense_ones(density: float):
    matrix = sparse.random(2000, 40, density=density, format="csr", dtype=np.float32, rng=1)
    dense = ROWS[:500]
    scatter, sketch = Scatter(40, 2), Sketch(np.eye(40), 2)
    for part in (matrix[:900], dense, matrix[900:]):
        scatter.add(part)
        sketch.add(part)
    rows = np.concatenate([matrix.toarray(), dense]).astype(np.float64)
    assert covariance(scatter) == pytest.approx(np.cov(rows.T), rel=1e-4, abs=1e-5)
    summed = total(sketch.parts(), Collective(), test=sketch.test)
    found = summed.products / (summed.count - 1)
    assert found == pytest.approx(np.cov(rows.T), rel=1e-3, abs=1e-4)
    assert summed.squares == pytest.approx(np.trace(summed.products), rel=1e-5)


def test_a_sketch_as_wide_as_the_rank_recovers_the_matrix():
    basis = np.linalg.qr(RANDOM.normal(size=(60, 5)))[0]
    values = np.array([100.0, 50.0, 20.0, 5.0, 1.0])
    matrix = (basis * values) @ basis.T
    test = random_test(60, 8, 3)
    found, vectors = recovered(matrix @ test, test)
    assert found[:5] == pytest.approx(values, rel=1e-3)
    assert found[5:] == pytest.approx(0, abs=1e-3)
    assert np.abs(np.sum(vectors[:, :5] * basis, axis=0)) == pytest.approx(1, abs=1e-5)
    assert vectors.T @ vectors == pytest.approx(np.eye(8), abs=1e-6)


def test_nothing_is_recovered_from_nothing_but_directions():
    test = random_test(10, 4, 0)
    found, vectors = recovered(np.zeros((10, 4)), test)
    assert found.tolist() == [0, 0, 0, 0]
    assert vectors.T @ vectors == pytest.approx(np.eye(4), abs=1e-9)


def test_half_of_the_directions_are_those_of_the_sample_and_half_random():
    basis = np.linalg.qr(RANDOM.normal(size=(100, 3)))[0]
    sample = (RANDOM.normal(size=(50, 3)) * [9, 5, 3]) @ basis.T
    test = directions_to_test(sample, 3, seed=1)
    assert test.T @ test == pytest.approx(np.eye(6), abs=1e-9)
    assert np.linalg.norm(test[:, :3].T @ basis) ** 2 == pytest.approx(3, abs=1e-6)
    assert not np.allclose(test[:, 3:], directions_to_test(sample, 3, seed=2)[:, 3:])
    assert directions_to_test(sample[:, :4], 3, seed=1).shape == (4, 4)
