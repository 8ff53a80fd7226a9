"""The estimator: what it learns and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.factorization_machines import fitting
from sagebrush.algorithms.factorization_machines.fitting import rate_share
from sagebrush.algorithms.factorization_machines.model import FactorizationMachine, labels_of
from sagebrush.algorithms.factorization_machines.trainer import Examples

USERS, ITEMS, NOISE = 60, 40, 0.2
QUICK = {
    "epochs": 15,
    "mini_batch_size": 50,
    "bias_lr": 0.1,
    "linear_lr": 0.05,
    "factors_lr": 0.05,
    "factors_init_sigma": 0.1,
    "factors_wd": 1e-5,
    "linear_wd": 1e-5,
}


def ratings(rows: int = 4000, seed: int = 0) -> tuple[sparse.csr_matrix, np.ndarray]:
    """One-hot users and items; ratings of a known machine of two factors, and noise."""
    random = np.random.default_rng(seed)
    truth = np.random.default_rng(99)
    factors = truth.normal(size=(USERS + ITEMS, 2))
    linear = truth.normal(size=USERS + ITEMS) / 3
    users, items = random.integers(USERS, size=rows), USERS + random.integers(ITEMS, size=rows)
    labels = 3 + linear[users] + linear[items] + (factors[users] * factors[items]).sum(axis=1)
    labels += NOISE * random.normal(size=rows)
    columns = np.stack([users, items], axis=1).ravel()
    ends = np.arange(0, 2 * rows + 1, 2)
    matrix = sparse.csr_matrix((np.ones(2 * rows), columns, ends), (rows, USERS + ITEMS))
    return matrix, labels


def exclusive_or(rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    signs = np.random.default_rng(5).choice([-1.0, 1.0], size=(rows, 6)).astype(np.float32)
    return signs, (signs[:, 1] * signs[:, 4] > 0).astype(np.float32)


def rmse(model: FactorizationMachine, X, y) -> float:
    return float(np.sqrt(((model.predict(X) - y) ** 2).mean()))


def test_a_regressor_comes_close_to_the_noise_of_known_ratings():
    model = FactorizationMachine(2, **QUICK).fit(*ratings())
    assert rmse(model, *ratings(seed=1)) < 1.1 * NOISE


def test_a_classifier_learns_what_no_linear_model_can():
    X, y = exclusive_or()
    model = FactorizationMachine(4, "binary_classifier", **QUICK).fit(X[:1500], y[:1500])
    linear = LogisticRegression().fit(X[:1500], y[:1500])
    assert linear.score(X[1500:], y[1500:]) < 0.6
    assert (model.predict(X[1500:]) == y[1500:]).mean() > 0.99
    probabilities = model.scores(X[1500:])
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    np.testing.assert_array_equal(model.predict(X[1500:]), probabilities >= 0.5)


def test_the_documented_defaults_hardly_learn_and_are_kept():
    X, y = ratings()
    assert rmse(FactorizationMachine(2).fit(X, y), X, y) > 2


def test_predictions_follow_the_definition():
    model = FactorizationMachine(3, factors_init_sigma=0.5).fit(*ratings())
    rows = np.random.default_rng(0).normal(size=(20, USERS + ITEMS))
    pairs = (rows @ model.v) ** 2 - rows**2 @ model.v.astype(float) ** 2
    expected = model.w0 + rows @ model.w + pairs.sum(axis=1) / 2
    np.testing.assert_allclose(model.predict(rows), expected, rtol=1e-4, atol=1e-4)


def test_dense_and_sparse_rows_are_the_same_data():
    X, y = ratings(500)
    sparse_model = FactorizationMachine(2, **QUICK).fit(X, y)
    dense_model = FactorizationMachine(2, **QUICK).fit(X.toarray(), y)
    np.testing.assert_array_equal(sparse_model.v, dense_model.v)
    np.testing.assert_array_equal(sparse_model.predict(X), dense_model.predict(X.toarray()))


def test_one_seed_is_one_model_for_any_number_of_threads():
    X, y = ratings(2000)
    first = FactorizationMachine(16, seed=4, **QUICK).fit(X, y)
    second = FactorizationMachine(16, seed=4, threads=3, **QUICK | {"mini_batch_size": 50}).fit(
        X, y
    )
    other = FactorizationMachine(16, seed=5, **QUICK).fit(X, y)
    np.testing.assert_array_equal(first.v, second.v)
    assert not np.array_equal(first.v, other.v)


def test_unseen_features_are_worth_nothing_unless_a_constant_was_asked_for():
    X, y = ratings(500)
    wide = sparse.csr_matrix((X.data, X.indices, X.indptr), shape=(500, 1000))
    model = FactorizationMachine(2, **QUICK).fit(wide, y)
    assert model.v.shape == (1000, 2)
    assert not model.v[USERS + ITEMS :].any()
    assert not model.w[USERS + ITEMS :].any()
    row = np.zeros((1, 1000))
    row[0, 0], row[0, 500] = 1, 9
    assert model.predict(row) == pytest.approx(model.w0 + model.w[0], rel=1e-5)
    constant = {"linear_init_method": "constant", "linear_init_value": 0.25}
    filled = FactorizationMachine(2, **QUICK | constant).fit(wide, y)
    assert (filled.w[USERS + ITEMS :] == 0.25).all()
    assert not filled.v[USERS + ITEMS :].any()


def test_ten_million_features_cost_what_occurs(tmp_path: Path):
    X, y = ratings(500)
    columns = X.indices.astype(np.int32) * 99_991
    wide = sparse.csr_matrix((X.data, columns, X.indptr), shape=(500, 10_000_000))
    model = FactorizationMachine(64, **QUICK | {"epochs": 2}).fit(wide, y)
    assert model.machine().factors.shape == (USERS + ITEMS, 64)
    model.save(tmp_path)
    assert (tmp_path / "model_algo-1").stat().st_size < 100_000
    np.testing.assert_array_equal(
        FactorizationMachine.load(tmp_path).predict(wide), model.predict(wide)
    )


def test_data_that_does_not_fit_in_memory_streams_by_again(monkeypatch):
    X, y = ratings(3000)
    monkeypatch.setattr(fitting._Kept, "__init__", _without_budget(fitting._Kept.__init__))
    streamed = FactorizationMachine(2, **QUICK).fit(X, y)
    assert rmse(streamed, X, y) < 1.1 * NOISE


def test_nothing_is_kept_of_data_beyond_the_budget():
    part = Examples(*(np.zeros(100, dtype) for dtype in ("i8", "i4", "f4", "f4")))
    kept = fitting._Kept(3000)
    kept.restart()
    kept.add(part)
    assert kept._parts
    kept.add(part)
    kept.add(part)
    kept.finish()
    assert not kept._parts
    assert not kept.complete


def test_a_probability_of_a_half_is_label_one():
    assert labels_of(np.array([0.5, 0.49999997], np.float32)).tolist() == [1, 0]


def _without_budget(original):
    return lambda self, _budget_bytes: original(self, 1000)


def test_learning_rates_fall_at_the_end_only():
    assert [rate_share(epoch, 1) for epoch in range(1)] == [1.0]
    assert rate_share(5, 10) == 1.0
    assert rate_share(8, 10) == pytest.approx(0.5)
    shares = [rate_share(epoch, 20) for epoch in range(20)]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < 0.2


@pytest.mark.parametrize("label", [2.0, -1.0, 0.5, np.nan])
def test_a_classifier_refuses_other_labels(label):
    X, y = exclusive_or(40)
    y[7] = label
    with pytest.raises(ClientError, match=r"Row 7 has the label .* must be 0 or 1"):
        FactorizationMachine(2, "binary_classifier").fit(X, y)


@pytest.mark.parametrize("only", [0, 1])
def test_a_classifier_refuses_a_single_class(only):
    X, _ = exclusive_or(40)
    with pytest.raises(ClientError, match=f"All labels of the train channel are {only}"):
        FactorizationMachine(2, "binary_classifier").fit(X, np.full(40, only))


def test_other_bad_data_is_refused():
    X, y = ratings(50)
    with pytest.raises(ClientError, match="not finite"):
        FactorizationMachine(2).fit(np.full((3, 2), np.nan), [1, 2, 3])
    with pytest.raises(ClientError, match="Row 1 has the label inf"):
        FactorizationMachine(2).fit(X[:3], [1, np.inf, 3])
    with pytest.raises(ValueError, match="do not match"):
        FactorizationMachine(2).fit(X, y[:-1])
    with pytest.raises(ValueError, match="expected 7 features"):
        FactorizationMachine(2, feature_dim=7).fit(X, y)
    with pytest.raises(ClientError, match="holds no examples"):
        FactorizationMachine(2).fit(X[:0], y[:0])
    with pytest.raises(TypeError, match="learning_rate"):
        FactorizationMachine(2, learning_rate=1)
    with pytest.raises(ValueError, match="expected 100 features"):
        FactorizationMachine(2).fit(X, y).predict(np.zeros((1, 7)))
    beyond = sparse.csr_matrix(X[:1])
    beyond.indices[-1] = 5000
    with pytest.raises(ValueError, match="indices"):
        FactorizationMachine(2).fit(X, y).predict(beyond)


def test_rates_that_diverge_say_so():
    X, y = ratings(2000)
    with pytest.raises(ClientError, match="Lower bias_lr, linear_lr and factors_lr"):
        FactorizationMachine(2, epochs=50, factors_lr=1e18, linear_lr=1e18).fit(X, y)


def test_rows_without_any_feature_train_the_bias():
    labels = np.random.default_rng(0).normal(5, 0.1, size=400)
    model = FactorizationMachine(2, **QUICK | {"bias_wd": 0.0}).fit(np.zeros((400, 3)), labels)
    assert model.predict(np.zeros((1, 3))) == pytest.approx(5, abs=0.1)
