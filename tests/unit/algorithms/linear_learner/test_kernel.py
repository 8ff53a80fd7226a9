"""The kernel: models trained together are the models trained alone."""

import numpy as np
import pytest
from scipy import sparse

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.linear_learner.grid import Candidate
from sagebrush.algorithms.linear_learner.kernel import ParallelModels
from sagebrush.algorithms.linear_learner.scaler import ScalerSums
from sagebrush.algorithms.linear_learner.settings import (
    BINARY,
    MULTICLASS,
    REGRESSOR,
    Settings,
)

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(120, 4)).astype(np.float32)
SIGNAL = ROWS @ np.array([1.0, -2.0, 0.0, 0.5], np.float32)
LABELS = {
    BINARY: (SIGNAL > 0).astype(np.float32),
    MULTICLASS: np.digitize(SIGNAL, [-1, 1]).astype(np.float32),
    REGRESSOR: SIGNAL,
}
CANDIDATES = [
    Candidate(0.1, 0.0, 0.0, 2, 0.5, 1e-5),
    Candidate(0.01, 0.01, 0.0, 10, 0.9, 1e-5),
    Candidate(0.05, 0.0, 0.01, 3, 0.9, 0.04, positive_weight=3.0),
]


def models_of(
    kind: str, candidates: list[Candidate], rows=ROWS, class_weights=None, **settings
) -> ParallelModels:
    chosen = Settings(
        predictor_type=kind,
        num_classes=3 if kind == MULTICLASS else 1,
        **{"init_scale": 1e-9} | settings,
    )
    batch = Batch(rows, LABELS[kind])
    scaler = ScalerSums.of([batch], 4).scaler(chosen, is_sparse=sparse.issparse(rows))
    return ParallelModels(
        chosen,
        candidates,
        scaler,
        class_weights=class_weights,
        rng=np.random.default_rng(0),
        collective=Collective(),
    )


def trained(models: ParallelModels, kind: str, rows=ROWS, steps: int = 8) -> ParallelModels:
    for index in range(steps):
        part = slice(index * 40 % 120, index * 40 % 120 + 40)
        assert models.step(Batch(rows[part], LABELS[kind][part]))
    return models


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("kind", [BINARY, MULTICLASS, REGRESSOR])
def test_models_side_by_side_do_not_influence_each_other(kind: str, optimizer: str):
    together = trained(models_of(kind, CANDIDATES, optimizer=optimizer), kind)
    weights, bias = together.raw_parameters()
    for index, candidate in enumerate(CANDIDATES):
        alone = trained(models_of(kind, [candidate], optimizer=optimizer), kind)
        own_weights, own_bias = alone.raw_parameters()
        assert weights[:, index] == pytest.approx(own_weights[:, 0], abs=1e-4)
        assert bias[index] == pytest.approx(own_bias[0], abs=1e-4)
        assert together.train_losses()[index] == pytest.approx(alone.train_losses()[0], rel=1e-4)


def test_one_step_of_sgd_is_the_gradient_of_the_weighted_mean_loss():
    kind = BINARY
    candidate = Candidate(1.0, 0.1, 0.0, 10, 0.9, 1e-5, positive_weight=2.0)
    models = models_of(kind, [candidate], optimizer="sgd")
    models.theta[...] = np.array([[0.5], [-0.2], [0.1], [0.0], [0.3]], np.float32)
    start = models.theta.copy().astype(np.float64)
    rows = models.scaler.features(ROWS).astype(np.float64)
    labels = LABELS[kind]
    chance = 1 / (1 + np.exp(-(rows @ start[:-1] + start[-1])[:, 0]))
    weight = np.where(labels > 0, 2.0, 1.0)
    slope = weight * (chance - labels) / weight.sum()
    expected = np.append(rows.T @ slope + 0.1 * start[:-1, 0], slope.sum())
    models.step(Batch(ROWS, labels))
    assert (start - models.theta)[:, 0] == pytest.approx(expected, abs=1e-5)


def test_learning_rate_falls_by_steps_down_to_its_minimum():
    models = models_of(REGRESSOR, [Candidate(0.1, 0, 0, 2, 0.5, 0.03)], optimizer="sgd")
    rates = []
    for _ in range(6):
        rates.append(float(models._rate()[0]))
        models.step(Batch(ROWS, LABELS[REGRESSOR]))
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.03, 0.03])
    steady = models_of(REGRESSOR, CANDIDATES, use_lr_scheduler=False)
    steady.steps = 1000
    assert steady._rate() == pytest.approx([0.1, 0.01, 0.05])


def test_weights_of_constant_features_start_at_zero():
    rows = ROWS.copy()
    rows[:, 2] = 7.0
    models = models_of(REGRESSOR, CANDIDATES, rows, init_scale=0.5)
    assert not models.theta[2].any()
    assert models.theta[[0, 1, 3]].all()


def test_without_bias_the_bias_stays_zero():
    models = trained(models_of(BINARY, CANDIDATES, use_bias=False), BINARY)
    assert not models.raw_parameters()[1].any()


def test_l1_drives_the_useless_weight_to_exactly_zero():
    candidate = Candidate(0.1, 0.0, 0.2, 10, 0.9, 1e-5)
    models = trained(models_of(REGRESSOR, [candidate]), REGRESSOR, steps=90)
    assert models.theta[2, 0] == 0.0
    assert abs(models.theta[1, 0]) > 0.3


def test_class_weights_count_like_repeated_rows():
    weights = np.array([1.0, 2.0, 3.0], np.float32)
    labels = LABELS[MULTICLASS]
    weighted = models_of(MULTICLASS, CANDIDATES, class_weights=weights, optimizer="sgd")
    repeated = models_of(MULTICLASS, CANDIDATES, optimizer="sgd")
    repeated.theta[...] = weighted.theta
    weighted.step(Batch(ROWS, labels))
    index = np.repeat(np.arange(120), labels.astype(int) + 1)
    repeated.step(Batch(ROWS[index], labels[index]))
    assert weighted.theta == pytest.approx(repeated.theta, abs=1e-5)
    assert weighted.train_losses() == pytest.approx(repeated.train_losses(), rel=1e-5)


def test_sparse_rows_train_like_dense_ones_that_are_not_shifted():
    rows = np.where(ROWS > 0, ROWS, 0)
    dense = trained(models_of(BINARY, CANDIDATES, rows, unbias_data=False), BINARY, rows)
    matrix = sparse.csr_matrix(rows)
    thin = trained(models_of(BINARY, CANDIDATES, matrix), BINARY, matrix)
    assert thin.theta == pytest.approx(dense.theta, abs=1e-4)


def test_mean_covers_the_end_of_the_way():
    models = models_of(REGRESSOR, CANDIDATES[:1], optimizer="sgd")
    seen = []
    for _ in range(5):
        models.step(Batch(ROWS, LABELS[REGRESSOR]))
        seen.append(models.theta.copy())
    # Shamir and Zhang's recurrence with power 2, started at the first iterate.
    mean = np.zeros_like(seen[0])
    for step, theta in enumerate(seen, 1):
        mean += 3 / (2 + step) * (theta - mean)
    assert models.mean_theta == pytest.approx(mean, abs=1e-6)


def test_state_goes_on_where_it_was_saved():
    whole, half = (models_of(BINARY, CANDIDATES) for _ in range(2))
    trained(whole, BINARY, steps=6)
    trained(half, BINARY, steps=3)
    resumed = models_of(BINARY, CANDIDATES)
    resumed.restore({name: value.copy() for name, value in half.state().items()})
    for index in range(3, 6):
        part = slice(index * 40 % 120, index * 40 % 120 + 40)
        resumed.step(Batch(ROWS[part], LABELS[BINARY][part]))
    assert np.array_equal(resumed.theta, whole.theta)
    assert np.array_equal(resumed.mean_theta, whole.mean_theta)


def test_state_of_other_hyperparameters_is_refused():
    state = models_of(BINARY, CANDIDATES).state()
    with pytest.raises(ClientError, match="other hyperparameters"):
        models_of(BINARY, CANDIDATES[:2]).restore(state)
    with pytest.raises(ClientError, match="other hyperparameters"):
        models_of(BINARY, CANDIDATES, optimizer="rmsprop").restore(
            {name: value for name, value in state.items() if name != "optimizer_square"}
        )
