"""The PCA estimator; goldens: scikit-learn's PCA and numpy's singular value decomposition."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA as Oracle

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.pca.model import PCA

DIGITS = load_digits().data.astype(np.float32)


def captured(rows: np.ndarray, components: np.ndarray) -> float:
    """The share of the rows' variance that lies in the components' span."""
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    basis = np.linalg.qr(components.T.astype(np.float64))[0]
    return float(((centred @ basis) ** 2).sum() / (centred**2).sum())


@pytest.mark.parametrize("rows", [DIGITS, load_breast_cancer().data], ids=["digits", "cancer"])
@pytest.mark.parametrize("threads", [1, 2])
def test_regular_is_scikit_learns_in_ascending_order(rows: np.ndarray, threads: int):
    model = PCA(6, threads=threads).fit(rows)
    oracle = Oracle(6, svd_solver="full").fit(rows.astype(np.float64))
    assert model.explained_variance_[::-1] == pytest.approx(oracle.explained_variance_, rel=1e-4)
    assert model.explained_variance_ratio_[::-1] == pytest.approx(
        oracle.explained_variance_ratio_, rel=1e-4
    )
    assert model.singular_values_[::-1] == pytest.approx(oracle.singular_values_, rel=1e-4)
    cosines = np.abs(np.sum(model.components_[::-1] * oracle.components_, axis=1))
    assert cosines == pytest.approx(1, abs=1e-4)
    assert model.mean_ == pytest.approx(oracle.mean_, rel=1e-6)
    projections = np.abs(oracle.transform(rows))[:, ::-1]
    scale = projections.max()
    assert np.abs(model.transform(rows)) == pytest.approx(projections, abs=1e-3 * scale)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_mean_with_a_small_variance_loses_nothing(mode: str, dtype):
    random = np.random.default_rng(0)
    signal = random.normal(size=(5000, 3)) * [0.5, 0.2, 0.1] @ random.normal(size=(3, 30))
    rows = (1e4 + signal + 0.01 * random.normal(size=(5000, 30))).astype(dtype)
    model = PCA(3, algorithm_mode=mode, extra_components=0).fit(rows)
    oracle = Oracle(3).fit(rows.astype(np.float64))
    assert model.explained_variance_[::-1] == pytest.approx(oracle.explained_variance_, rel=1e-3)
    cosines = np.abs(np.sum(model.components_[::-1] * oracle.components_, axis=1))
    assert cosines == pytest.approx(1, abs=1e-4)
    assert model.mean_ == pytest.approx(rows.astype(np.float64).mean(axis=0), rel=1e-9)


def test_without_subtracting_the_mean_it_is_the_decomposition_of_the_rows():
    _, singular, vectors = np.linalg.svd(DIGITS.astype(np.float64), full_matrices=False)
    for mode, tolerance in (("regular", 1e-5), ("randomized", 1e-3)):
        model = PCA(2, subtract_mean=False, algorithm_mode=mode, extra_components=5).fit(DIGITS)
        assert model.singular_values_[::-1] == pytest.approx(singular[:2], rel=tolerance)
        cosines = np.abs(np.sum(model.components_[::-1] * vectors[:2], axis=1))
        assert cosines == pytest.approx(1, abs=tolerance)
        assert not model.mean_.any()
        assert model.transform(DIGITS) == pytest.approx(DIGITS @ model.components_.T, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_randomized_captures_a_known_low_rank(seed: int):
    random = np.random.default_rng(seed)
    basis = random.normal(size=(5, 300))
    rows = (random.normal(size=(900, 5)) @ basis + random.normal(size=(900, 300))) + 3
    model = PCA(5, algorithm_mode="randomized", seed=seed, threads=2).fit(rows)
    exact = PCA(5).fit(rows)
    assert captured(rows, model.components_) > 0.9999 * captured(rows, exact.components_)
    assert model.explained_variance_ == pytest.approx(exact.explained_variance_, rel=1e-3)


def decaying(seed: int) -> np.ndarray:
    """Rows whose spectrum falls so slowly that a sketch must miss some of it."""
    random = np.random.default_rng(seed)
    return random.normal(size=(3000, 300)) * np.arange(1, 301) ** -0.5


def test_extra_components_and_further_passes_come_nearer_to_the_best():
    def missing(**options) -> float:
        shares = []
        for seed in range(3):
            rows = decaying(seed)
            best = captured(rows, PCA(4).fit(rows).components_)
            model = PCA(4, algorithm_mode="randomized", seed=seed, **options).fit(rows)
            shares.append(1 - captured(rows, model.components_) / best)
        return float(np.mean(shares))

    none, some = missing(extra_components=0), missing(extra_components=20)
    assert none > 2 * some
    assert none > 4 * missing(extra_components=0, epochs=3)
    assert some < 0.005


def test_directions_that_the_first_rows_do_not_show_are_found():
    rows = decaying(0)
    late = np.zeros(300)
    late[200] = 1
    rows[1500:] += np.random.default_rng(1).normal(size=(1500, 1)) * 5 * late
    model = PCA(4, algorithm_mode="randomized", threads=2)
    for first in range(0, 3000, 500):
        model.partial_fit(rows[first : first + 500])
    model.finish()
    assert abs(model.components_[-1] @ late) > 0.99


def test_sparse_and_dense_rows_give_the_same_components():
    rows = np.where(DIGITS > 12, DIGITS, 0)
    for mode in ("regular", "randomized"):
        options = {"algorithm_mode": mode, "extra_components": 4}
        dense = PCA(3, **options).fit(rows)
        thin = PCA(3, **options).fit(sparse.csr_matrix(rows))
        assert thin.components_ == pytest.approx(dense.components_, abs=1e-3)
        assert thin.transform(sparse.csr_matrix(rows)) == pytest.approx(
            dense.transform(rows), abs=0.05
        )


def test_batches_make_no_difference():
    whole = PCA(4).fit(DIGITS)
    parts = PCA(4)
    for first in range(0, len(DIGITS), 100):
        parts.partial_fit(DIGITS[first : first + 100])
    parts.finish()
    assert parts.components_ == pytest.approx(whole.components_, abs=1e-5)
    assert parts.rows_seen_ == len(DIGITS)


def test_same_seed_same_model_other_seed_another():
    first, again, other = (
        PCA(3, algorithm_mode="randomized", extra_components=0, seed=seed).fit(DIGITS).components_
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_constant_rows_and_more_components_than_rank_give_orthonormal_directions():
    for rows in (np.full((50, 60), 3.0), np.eye(60)[[0] * 40 + [1] * 10] * 5.0):
        for mode in ("regular", "randomized"):
            model = PCA(6, algorithm_mode=mode, extra_components=0).fit(rows)
            assert model.components_ @ model.components_.T == pytest.approx(np.eye(6), abs=1e-5)
            assert model.singular_values_[:5] == pytest.approx(0, abs=0.02)


def test_projections_lead_back():
    model = PCA(64).fit(DIGITS)
    assert model.inverse_transform(model.transform(DIGITS)) == pytest.approx(DIGITS, abs=1e-3)


def test_refuses_what_cannot_be_decomposed():
    with pytest.raises(ClientError, match="'num_components' is 65, more than the 64"):
        PCA(65).fit(DIGITS)
    with pytest.raises(ClientError, match="holds 3 examples, fewer than the 4"):
        PCA(4).fit(DIGITS[:3])
    for value in (np.nan, np.inf):
        rows = DIGITS.copy()
        rows[7, 3] = value
        for mode in ("regular", "randomized"):
            with pytest.raises(ClientError, match="not finite"):
                PCA(2, algorithm_mode=mode, extra_components=0).fit(rows)
    with pytest.raises(ValueError, match="expected 64 features, got 63"):
        PCA(2).fit(DIGITS).transform(DIGITS[:, 1:])
    with pytest.raises(ValueError, match="not been fitted"):
        PCA(2).transform(DIGITS)


def test_a_saved_model_projects_alike(tmp_path: Path):
    model = PCA(5).fit(DIGITS)
    model.save(tmp_path)
    loaded = PCA.load(tmp_path)
    assert np.array_equal(loaded.transform(DIGITS), model.transform(DIGITS))
    assert loaded.singular_values_ == pytest.approx(model.singular_values_)
