"""The Linear Learner estimator; oracles: scikit-learn's linear models on the same rows."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import datasets, linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.linear_learner.model import LinearLearner
from sagebrush.algorithms.linear_learner.settings import BINARY, LOSSES_OF, MULTICLASS, REGRESSOR


def split(data, **options):
    rows, labels = data
    return train_test_split(rows, labels, test_size=0.3, random_state=0, **options)


def scaled(estimator):
    return make_pipeline(StandardScaler(), estimator)


def test_breast_cancer_is_recognised_as_well_as_by_logistic_regression():
    rows, held, labels, truth = split(datasets.load_breast_cancer(return_X_y=True))
    learner = LinearLearner(BINARY, mini_batch_size=50).fit(rows, labels)
    oracle = scaled(linear_model.LogisticRegression()).fit(rows, labels)
    assert (learner.predict(held) == truth).mean() >= (oracle.predict(held) == truth).mean() - 0.012


def test_digits_are_recognised_nearly_as_well_as_by_logistic_regression():
    rows, held, labels, truth = split(datasets.load_digits(return_X_y=True))
    learner = LinearLearner(MULTICLASS, num_classes=10, mini_batch_size=100).fit(rows, labels)
    oracle = scaled(linear_model.LogisticRegression(max_iter=500)).fit(rows, labels)
    assert (learner.predict(held) == truth).mean() >= (oracle.predict(held) == truth).mean() - 0.015


def test_diabetes_is_predicted_as_well_as_by_ridge_regression():
    rows, held, labels, truth = split(datasets.load_diabetes(return_X_y=True))
    learner = LinearLearner(REGRESSOR, mini_batch_size=50).fit(rows, labels)
    oracle = scaled(linear_model.Ridge()).fit(rows, labels)
    ours, theirs = (((model.predict(held) - truth) ** 2).mean() for model in (learner, oracle))
    assert ours <= 1.02 * theirs


def test_rare_positives_are_found_better_than_at_threshold_one_half():
    data = datasets.make_classification(
        12_000, 30, n_informative=10, weights=[0.95], flip_y=0.02, random_state=1
    )
    rows, held, labels, truth = split(data, stratify=data[1])
    learner = LinearLearner(BINARY, binary_classifier_model_selection_criteria="f1", epochs=5).fit(
        rows, labels
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        oracle = scaled(linear_model.SGDClassifier(loss="log_loss", random_state=0, max_iter=5))
        oracle.fit(rows, labels)
    ours, theirs = (f1_score(truth, model.predict(held)) for model in (learner, oracle))
    assert ours > theirs + 0.03
    assert learner.model().threshold < 0.5


def test_ordinary_least_squares_is_recovered_without_noise():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4000, 5)) * [1, 10, 0.1, 3, 1] + [0, 500, 0, -20, 1]
    weights = np.array([3.0, -0.5, 20.0, 0.0, 1.0])
    learner = LinearLearner(REGRESSOR, mini_batch_size=100, wd=0.0, l1=0.0)
    learner.fit(rows, rows @ weights + 7)
    assert learner.model().weights[0] == pytest.approx(weights, abs=0.02)
    assert learner.predict(rows[:5]) == pytest.approx(rows[:5] @ weights + 7, rel=1e-3)


def test_quantile_loss_finds_the_quantile():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5000, 2))
    labels = rows[:, 0] + rng.exponential(size=5000)
    learner = LinearLearner(REGRESSOR, loss="quantile_loss", quantile=0.9, mini_batch_size=200)
    learner.fit(rows, labels)
    assert (labels <= learner.predict(rows)).mean() == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize(
    ("kind", "loss"), [(kind, loss) for kind, losses in LOSSES_OF.items() for loss in losses]
)
def test_every_loss_learns_with_every_optimizer(kind: str, loss: str, optimizer: str):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 3))
    signal = rows @ [2.0, -1.0, 0.5]
    labels = {
        BINARY: signal > 0,
        MULTICLASS: np.digitize(signal, [-1.0, 1.0]),
        REGRESSOR: signal,
    }[kind]
    learner = LinearLearner(
        kind,
        loss=loss,
        optimizer=optimizer,
        num_classes=3 if kind == MULTICLASS else 1,
        mini_batch_size=50,
        num_models=8,
    ).fit(rows, labels)
    if kind == REGRESSOR:
        assert np.corrcoef(learner.predict(rows), labels)[0, 1] > 0.99
    else:
        assert (learner.predict(rows) == labels).mean() > 0.9


def test_same_seed_same_model_other_seed_another():
    rows, labels = datasets.load_breast_cancer(return_X_y=True)
    first, again, other = (
        LinearLearner(BINARY, mini_batch_size=100, epochs=2, seed=seed)
        .fit(rows, labels)
        .model()
        .weights
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sparse_rows_give_the_scores_of_dense_ones():
    rng = np.random.default_rng(0)
    rows = np.where(rng.random((400, 30)) < 0.1, 1.0, 0.0)
    labels = (rows[:, :15].sum(axis=1) > 1.5).astype(int)
    learner = LinearLearner(BINARY, mini_batch_size=50).fit(sparse.csr_matrix(rows), labels)
    assert (learner.predict(rows) == labels).mean() > 0.97
    assert learner.scores(sparse.csr_matrix(rows)) == pytest.approx(learner.scores(rows))


def test_balanced_weights_raise_the_chances_of_the_rare_class():
    rows, labels = datasets.make_classification(3000, 10, weights=[0.9], flip_y=0.1, random_state=0)
    options = {
        "mini_batch_size": 100,
        "num_models": 4,
        "binary_classifier_model_selection_criteria": "loss_function",
    }
    plain = LinearLearner(BINARY, **options).fit(rows, labels)
    balanced = LinearLearner(BINARY, positive_example_weight_mult="balanced", **options)
    balanced.fit(rows, labels)
    assert plain.model().threshold == balanced.model().threshold == 0.5
    assert balanced.scores(rows).mean() > plain.scores(rows).mean() + 0.1


def test_balanced_multiclass_raises_the_recall_of_the_rare_classes():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 3000, p=[0.9, 0.07, 0.03])
    rows = rng.normal(size=(3000, 2)) + np.array([[0, 0], [1, 0], [0, 1]])[labels]
    recall = {}
    for balance in (False, True):
        learner = LinearLearner(
            MULTICLASS, num_classes=3, mini_batch_size=100, balance_multiclass_weights=balance
        ).fit(rows, labels)
        recall[balance] = (learner.predict(rows) == labels)[labels > 0].mean()
    assert recall[True] > recall[False] + 0.2


def test_training_ends_early_when_nothing_improves():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(2000, 3)), rng.integers(0, 2, 2000)
    learner = LinearLearner(BINARY, epochs=200, mini_batch_size=100, early_stopping_patience=2)
    assert learner.fit(rows, labels).epochs_ < 100


@pytest.mark.parametrize(
    ("kind", "labels", "message"),
    [
        (BINARY, [0, 1, 2, 1], "Example 3 .* has the label 2.*must be 0 or 1"),
        (BINARY, [1, 1, 1, 1], "All labels of the train channel are 1"),
        (BINARY, [0, np.nan, 1, 1], "Example 2 .* has the label nan"),
        (MULTICLASS, [2, 2, 2, 2], "All labels of the train channel are 2.*two classes or more"),
        (MULTICLASS, [0, 1, 2, 3], "Example 4 .* 0 to num_classes - 1 = 2"),
        (MULTICLASS, [0, 1, 0.5, 2], "Example 3 .* has the label 0.5"),
        (MULTICLASS, [0, 1, -1, 2], "Example 3 .* has the label -1"),
        (REGRESSOR, [0, 1, np.inf, 2], "Example 3 .* finite"),
    ],
)
def test_labels_that_break_a_rule_are_named(kind: str, labels: list, message: str):
    learner = LinearLearner(kind, num_classes=3, mini_batch_size=2)
    with pytest.raises(ClientError, match=message):
        learner.fit(np.eye(4), labels)


def test_rows_that_break_a_rule_are_named():
    rows = np.ones((6, 2))
    labels = [0, 1] * 3
    with pytest.raises(ClientError, match=r"mini_batch_size \(7\).*on each host \(6\)"):
        LinearLearner(BINARY, mini_batch_size=7).fit(rows, labels)
    with pytest.raises(ClientError, match=r"feature_dim is 3, but .* have 2 features"):
        LinearLearner(BINARY, mini_batch_size=2, feature_dim=3).fit(rows, labels)
    rows[4, 1] = np.nan
    with pytest.raises(ClientError, match="Example 5 of the train channel has a feature"):
        LinearLearner(BINARY, mini_batch_size=2).fit(rows, labels)
    with pytest.raises(ClientError, match="Example 5 of the validation channel"):
        LinearLearner(BINARY, mini_batch_size=2).fit(np.eye(2), [0, 1], (rows, labels))
    with pytest.raises(ValueError, match="do not match"):
        LinearLearner(BINARY).fit(np.eye(2), [0])


def test_a_learning_rate_that_diverges_is_the_users_fault():
    rows = np.random.default_rng(0).normal(size=(100, 2))
    learner = LinearLearner(
        REGRESSOR, optimizer="sgd", learning_rate=1e20, mini_batch_size=10, use_lr_scheduler=False
    )
    with pytest.raises(ClientError, match="Lower learning_rate"), np.errstate(all="ignore"):
        learner.fit(rows, rows[:, 0])
