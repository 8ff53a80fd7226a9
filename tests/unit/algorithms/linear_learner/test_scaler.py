"""Scaling; oracle: scikit-learn's StandardScaler."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.linear_learner.scaler import Scaler, ScalerSums
from sagebrush.algorithms.linear_learner.settings import BINARY, REGRESSOR, Settings

RNG = np.random.default_rng(0)
ROWS = (RNG.normal(size=(200, 4)) * [1, 10, 0.1, 0] + [0, 1000, -5, 3]).astype(np.float32)
LABELS = (RNG.normal(size=200) * 7 + 40).astype(np.float32)


def scaler_of(features, predictor_type: str = REGRESSOR, **settings) -> Scaler:
    batches = [Batch(features[:120], LABELS[:120]), Batch(features[120:], LABELS[120:])]
    return ScalerSums.of(batches, 4).scaler(
        Settings(predictor_type=predictor_type, **settings), is_sparse=sparse.issparse(features)
    )


def test_scaled_rows_are_those_of_scikit_learn():
    scaler = scaler_of(ROWS)
    expected = StandardScaler().fit_transform(ROWS.astype(np.float64))
    assert scaler.features(ROWS) == pytest.approx(expected, abs=1e-3)
    assert scaler.label_mean == pytest.approx(LABELS.mean())
    assert scaler.label_deviation == pytest.approx(LABELS.std(), rel=1e-5)
    assert scaler.labels(LABELS).std() == pytest.approx(1, rel=1e-5)


def test_constant_features_are_left_in_size():
    assert scaler_of(ROWS).feature_deviation[3] == 1.0


def test_small_features_are_not_constant():
    rows = np.random.default_rng(1).normal(size=(200, 4)).astype(np.float32)
    tiny = rows * np.array([1e-30, 1e-42, 1, 0], np.float32)
    scaler = scaler_of(tiny)
    assert scaler.constant is not None
    # What float32 cannot tell from its reciprocal's infinity stays as it is.
    assert scaler.constant.tolist() == [False, True, False, True]
    np.testing.assert_allclose(scaler.features(tiny)[:, 0].std(), 1.0, rtol=1e-3)


def test_sparse_rows_are_scaled_but_not_shifted():
    rows = sparse.csr_matrix(np.where(ROWS > 0, ROWS, 0))
    scaler = scaler_of(rows)
    expected = StandardScaler(with_mean=False).fit_transform(rows.astype(np.float64)).toarray()
    scaled = scaler.features(rows)
    assert sparse.issparse(scaled)
    assert scaled.toarray()[:, :3] == pytest.approx(expected[:, :3], rel=1e-4)
    assert not scaler.feature_mean.any()


@pytest.mark.parametrize(
    ("settings", "shifts", "scales"),
    [
        ({}, True, True),
        ({"normalize_data": False}, True, False),
        ({"unbias_data": False}, False, True),
        ({"use_bias": False}, False, True),
    ],
)
def test_settings_switch_parts_off(settings: dict, shifts: bool, scales: bool):
    scaler = scaler_of(ROWS, **settings)
    assert scaler.feature_mean.any() == shifts
    assert bool((scaler.feature_deviation != 1).any()) == scales


def test_class_labels_are_never_scaled():
    scaler = scaler_of(ROWS, BINARY)
    assert scaler.labels(LABELS) is LABELS
    off = scaler_of(ROWS, normalize_label=False, unbias_label=False)
    assert (off.label_mean, off.label_deviation) == (0.0, 1.0)


def test_raw_parameters_give_on_raw_rows_what_scaled_ones_give_on_scaled_rows():
    scaler = scaler_of(ROWS)
    weights, bias = RNG.normal(size=(4, 3)), RNG.normal(size=3)
    on_scaled = (ROWS - scaler.feature_mean) / scaler.feature_deviation @ weights + bias
    raw_weights, raw_bias = scaler.to_raw(weights, bias)
    expected = on_scaled * scaler.label_deviation + scaler.label_mean
    assert ROWS @ raw_weights + raw_bias == pytest.approx(expected)
