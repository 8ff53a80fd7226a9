"""The metrics against scikit-learn's."""

import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn_metrics

from sagebrush.algorithms.collective import connect
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.xgboost.custom_metrics import (
    CLASS_METRICS,
    VALUE_METRICS,
    CustomMetrics,
    predicted_classes,
)

REFERENCE = {
    "accuracy": sklearn_metrics.accuracy_score,
    "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
    "f1": lambda t, p: sklearn_metrics.f1_score(t, p, average="macro"),
    "f1_macro": lambda t, p: sklearn_metrics.f1_score(t, p, average="macro"),
    "f1_binary": sklearn_metrics.f1_score,
    "precision": sklearn_metrics.precision_score,
    "precision_macro": lambda t, p: sklearn_metrics.precision_score(t, p, average="macro"),
    "precision_micro": lambda t, p: sklearn_metrics.precision_score(t, p, average="micro"),
    "recall": sklearn_metrics.recall_score,
    "recall_macro": lambda t, p: sklearn_metrics.recall_score(t, p, average="macro"),
    "recall_micro": lambda t, p: sklearn_metrics.recall_score(t, p, average="micro"),
    "mse": sklearn_metrics.mean_squared_error,
    "rmse": sklearn_metrics.root_mean_squared_error,
    "mae": sklearn_metrics.mean_absolute_error,
    "r2": sklearn_metrics.r2_score,
}


class Labelled:
    """As much of a DMatrix as a metric sees."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def get_label(self) -> np.ndarray:
        return self.labels.astype(np.float32)


def test_every_metric_has_a_reference():
    assert set(REFERENCE) == set(CLASS_METRICS) | set(VALUE_METRICS)


@pytest.mark.parametrize("name", sorted(CLASS_METRICS))
@given(
    pairs=arrays.arrays(
        np.int64, st.tuples(st.just(2), st.integers(2, 30)), elements=st.integers(0, 1)
    )
)
def test_binary_class_metrics_equal_scikit_learn(name: str, pairs: np.ndarray):
    labels, predicted = pairs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = REFERENCE[name](labels, predicted)
    assert CLASS_METRICS[name](labels, predicted) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["accuracy", "balanced_accuracy", "f1", "precision_macro", "recall_macro"]
)
@given(
    pairs=arrays.arrays(
        np.int64, st.tuples(st.just(2), st.integers(2, 30)), elements=st.integers(0, 4)
    )
)
def test_multiclass_metrics_equal_scikit_learn(name: str, pairs: np.ndarray):
    labels, predicted = pairs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = REFERENCE[name](labels, predicted)
    assert CLASS_METRICS[name](labels, predicted) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", sorted(VALUE_METRICS))
@given(
    pairs=arrays.arrays(
        np.float64, st.tuples(st.just(2), st.integers(2, 20)), elements=st.integers(-9, 9)
    )
)
def test_value_metrics_equal_scikit_learn(name: str, pairs: np.ndarray):
    labels, predictions = pairs
    assert VALUE_METRICS[name](labels, predictions) == pytest.approx(
        REFERENCE[name](labels, predictions), abs=1e-12
    )


@pytest.mark.parametrize("name", ["f1_binary", "precision", "recall"])
def test_binary_averages_refuse_more_classes(name: str):
    with pytest.raises(ClientError, match="Target is multiclass but average='binary'"):
        CLASS_METRICS[name](np.array([0, 1, 2]), np.array([0, 1, 1]))


def test_classes_come_from_margins():
    assert predicted_classes(np.array([-0.1, 0.0, 0.2])).tolist() == [0, 0, 1]
    assert predicted_classes(np.array([[1.0, 3.0], [2.0, 1.0]])).tolist() == [1, 0]


def test_values_are_compared_as_predictions_or_as_margins():
    matrix = Labelled(np.array([1.0, 0.0]))
    margins = np.array([20.0, -20.0], np.float32)
    assert dict(CustomMetrics(["mae"], "binary:logistic")(margins, matrix))["mae"] < 1e-6
    assert dict(CustomMetrics(["mae"], None)(margins, matrix))["mae"] == pytest.approx(19.5)


def test_no_rows_score_zero():
    empty = np.empty(0, np.float32)
    assert CustomMetrics(["accuracy", "mse"], None)(empty, Labelled(empty)) == [
        ("accuracy", 0.0),
        ("mse", 0.0),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
@pytest.mark.parametrize("name", sorted(CLASS_METRICS | VALUE_METRICS))
def test_rows_shared_among_hosts_score_as_those_of_one(name: str):
    generator = np.random.default_rng(3)
    labels = (generator.random(60) < 0.3).astype(np.float64)
    margins = generator.normal(size=60).astype(np.float32)
    # The second host has few rows of another mix, the third none.
    shares = [slice(0, 45), slice(45, 60), slice(60, 60)]
    names = [f"127.0.0.{rank + 1}" for rank in range(len(shares))]

    def value(rank: int) -> float:
        with closing(connect(names, names[rank], job=f"{name} {os.getpid()}")) as hosts:
            metrics = CustomMetrics([name], "reg:squarederror", hosts)
            return metrics(margins[shares[rank]], Labelled(labels[shares[rank]]))[0][1]

    with ThreadPoolExecutor(len(shares)) as pool:
        found = list(pool.map(value, range(len(shares))))
    alone = CustomMetrics([name], "reg:squarederror")(margins, Labelled(labels))[0][1]
    assert found == pytest.approx([alone] * len(shares), rel=1e-12)
