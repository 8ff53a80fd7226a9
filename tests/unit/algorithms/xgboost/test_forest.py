"""Walked trees against xgboost itself: margins and predictions must be equal bit for bit."""

import json
import warnings

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.algorithms.xgboost import objectives, ubjson
from sagebrush.algorithms.xgboost.stored_model import forest_of, head_of

OBJECTIVES = sorted(objectives.KNOWN - {"survival:aft"})
ROWS, COLUMNS = 120, 5


def training_data(generator: np.random.Generator, objective: str) -> xgboost.DMatrix:
    features = np.round(generator.normal(size=(ROWS, COLUMNS)), 1).astype(np.float32)
    features[generator.random(features.shape) < 0.2] = np.nan
    signal = np.nan_to_num(2 * features[:, 0] + features[:, 1] * features[:, 2])
    labels = np.exp(signal / 5)
    if objective.startswith("binary:") or objective == "rank:map":
        labels = (signal > 0).astype(float)
    elif objective.startswith(("multi:", "rank:")):
        labels = np.digitize(signal, [-1, 1]).astype(float)
    elif objective == "reg:logistic":
        labels = 1 / (1 + np.exp(-signal))
    matrix = xgboost.DMatrix(features, label=labels)
    if objective.startswith("rank:"):
        matrix.set_group([20] * (ROWS // 20))
    return matrix


def check_equal(booster: xgboost.Booster, objective: str, features: np.ndarray) -> None:
    document = ubjson.decode(bytes(booster.save_raw("ubj")))
    forest, head = forest_of(document), head_of(document)
    matrix = xgboost.DMatrix(features)
    expected = booster.predict(matrix, output_margin=True).reshape(len(features), -1)
    margins = forest.margins(features)
    np.testing.assert_array_equal(margins, expected)
    for row in range(3):
        np.testing.assert_array_equal(forest.margins(features[row : row + 1]), expected[[row]])
    shaped = margins if head.num_class else margins[:, 0]
    np.testing.assert_array_equal(objectives.transform(objective, shaped), booster.predict(matrix))


@settings(max_examples=60, deadline=None)
@given(
    objective=st.sampled_from(OBJECTIVES),
    booster=st.sampled_from(["gbtree", "dart"]),
    depth=st.integers(0, 7),
    rounds=st.integers(1, 12),
    parallel_trees=st.integers(1, 3),
    base_score=st.sampled_from([None, 0.25, 0.9]),
    lossguide=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_margins_and_predictions_equal_xgboost(
    objective, booster, depth, rounds, parallel_trees, base_score, lossguide, seed
):
    generator = np.random.default_rng(seed)
    parameters = {
        "objective": objective, "booster": booster, "max_depth": max(depth, 1), "eta": 0.5,
        "num_parallel_tree": parallel_trees, "subsample": 0.8, "seed": seed, "nthread": 1,
        "tree_method": "hist", "rate_drop": 0.3, "verbosity": 0,
    }  # fmt: skip
    if lossguide:
        parameters |= {"grow_policy": "lossguide", "max_leaves": 12, "max_depth": depth}
    if base_score is not None:
        parameters["base_score"] = base_score
    if objective.startswith("multi:"):
        parameters["num_class"] = 3
    trained = xgboost.train(parameters, training_data(generator, objective), rounds)
    features = np.round(generator.normal(size=(40, COLUMNS)), 1).astype(np.float32)
    features[generator.random(features.shape) < 0.3] = np.nan
    features[0] = np.nan
    check_equal(trained, objective, features)


def test_thresholds_are_met_exactly_on_both_sides():
    """Rows that lie on a threshold, and next to it, go where xgboost sends them."""
    generator = np.random.default_rng(5)
    matrix = training_data(generator, "reg:squarederror")
    booster = xgboost.train({"max_depth": 4, "nthread": 1}, matrix, 5)
    document = ubjson.decode(bytes(booster.save_raw("ubj")))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    thresholds = np.concatenate([np.asarray(tree["split_conditions"], "f4") for tree in trees])
    around = np.concatenate(
        [thresholds, np.nextafter(thresholds, np.inf), np.nextafter(thresholds, -np.inf), [0, -0.0]]
    )
    features = generator.choice(around, size=(300, COLUMNS)).astype(np.float32)
    check_equal(booster, "reg:squarederror", features)


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob", "count:poisson"])
def test_extreme_margins_saturate_as_in_xgboost(objective: str):
    """Leaves blown up until exponentials leave the range of float32."""
    generator = np.random.default_rng(2)
    classes = {"num_class": 3} if objective.startswith("multi:") else {}
    booster = xgboost.train(
        {"objective": objective, "max_depth": 3, "nthread": 1, **classes},
        training_data(generator, objective),
        3,
    )
    document = json.loads(bytes(booster.save_raw("json")))
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        for node, child in enumerate(tree["left_children"]):
            if child < 0:
                tree["split_conditions"][node] *= 1000
    raw = json.dumps(document).encode()
    features = np.round(generator.normal(size=(200, COLUMNS)), 1).astype(np.float32)
    extreme = xgboost.Booster(model_file=bytearray(raw))
    assert np.abs(extreme.predict(xgboost.DMatrix(features), output_margin=True)).max() > 100
    check_equal(extreme, objective, features)


def test_models_only_xgboost_can_evaluate_have_no_forest():
    generator = np.random.default_rng(0)
    matrix = training_data(generator, "reg:squarederror")
    linear = xgboost.train({"booster": "gblinear", "nthread": 1}, matrix, 2)
    assert forest_of(ubjson.decode(bytes(linear.save_raw("ubj")))) is None
    codes = generator.integers(0, 4, size=(ROWS, 1)).astype(np.float32)
    categorical = xgboost.DMatrix(
        codes, label=codes[:, 0] % 2, feature_types=["c"], enable_categorical=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained = xgboost.train(
            {"tree_method": "hist", "max_cat_to_onehot": 1, "nthread": 1}, categorical, 2
        )
    assert forest_of(ubjson.decode(bytes(trained.save_raw("ubj")))) is None


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_tree_limit_leaves_out_later_rounds(limit: int):
    generator = np.random.default_rng(1)
    matrix = training_data(generator, "multi:softprob")
    booster = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3, "nthread": 1}, matrix, 4
    )
    forest = forest_of(ubjson.decode(bytes(booster.save_raw("ubj"))), limit)
    features = generator.normal(size=(10, COLUMNS)).astype(np.float32)
    expected = booster.predict(
        xgboost.DMatrix(features), output_margin=True, iteration_range=(0, min(limit, 4))
    )
    np.testing.assert_array_equal(forest.margins(features), expected)
