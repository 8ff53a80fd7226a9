"""Where LightGBM's code runs, and its documented hyperparameters."""

import importlib.util

import pytest

from sagebrush.algorithms import resolve_image
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.lightgbm import LIGHTGBM
from sagebrush.algorithms.lightgbm.hyperparameters import SCHEMA

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/lightgbm:1"


def test_the_servers_own_interpreter_is_used_where_it_has_the_library(monkeypatch):
    assert resolve_image(IMAGE).environment.name == "base"
    monkeypatch.setattr("sagebrush.algorithms.lightgbm.find_spec", lambda _: None)
    assert resolve_image(IMAGE).environment == LIGHTGBM
    assert any(each.startswith("lightgbm") for each in LIGHTGBM.requirements)


def test_the_librarys_name_is_not_taken_by_ours():
    assert "sagebrush" not in importlib.util.find_spec("lightgbm").origin


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("num_boost_round", ["1", "5000"], ["0", "1.5"]),
        ("early_stopping_rounds", ["-1", "0", "10"], ["x"]),
        ("metric", ["auto", "auc_mu", "cross_entropy"], ["ndcg"]),
        ("learning_rate", ["0.001", "0.999"], ["0", "1", "nan"]),
        ("num_leaves", ["2", "131072"], ["1", "131073"]),
        ("feature_fraction", ["0.1", "1"], ["0", "1.01"]),
        ("bagging_fraction", ["0.1", "1.0"], ["0", "2"]),
        ("bagging_freq", ["0", "7"], ["-1"]),
        ("max_depth", ["-1", "0", "9"], ["1.5"]),
        ("min_data_in_leaf", ["0", "9"], ["-1"]),
        ("max_delta_step", ["-1.0", "0.5"], ["x"]),
        ("lambda_l1", ["0", "2.5"], ["-0.1"]),
        ("lambda_l2", ["0", "2.5"], ["-0.1"]),
        ("boosting", ["gbdt", "rf", "dart", "goss"], ["gblinear"]),
        ("min_gain_to_split", ["0", "1.5"], ["-1"]),
        ("scale_pos_weight", ["0.1", "9"], ["0", "-1"]),
        ("tree_learner", ["serial", "feature", "data", "voting"], ["parallel"]),
        ("feature_fraction_bynode", ["0.5", "1"], ["0", "1.5"]),
        ("is_unbalance", ["True", "False"], ["maybe"]),
        ("max_bin", ["2", "1000"], ["1"]),
        ("tweedie_variance_power", ["1", "1.99"], ["0.9", "2"]),
        ("num_threads", ["0", "4"], ["-1"]),
        ("verbosity", ["-1", "0", "2"], ["loud"]),
        ("use_dask", ["True", "False"], ["2"]),
    ],
)
def test_documented_ranges(name, good, bad):
    base = {"problem_type": "regression"}
    for value in good:
        SCHEMA.parse(base | {name: value})
    for value in bad:
        with pytest.raises(ClientError, match=name):
            SCHEMA.parse(base | {name: value})


@pytest.mark.parametrize(
    "values",
    [
        {"is_unbalance": "True", "scale_pos_weight": "2"},
        {"objective": "tweedie"},
    ],
)
def test_what_does_not_go_together_is_refused(values):
    with pytest.raises(ClientError):
        SCHEMA.parse({"problem_type": "classification", **values})
