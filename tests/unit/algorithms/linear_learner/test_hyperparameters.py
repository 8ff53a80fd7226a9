"""Linear Learner's hyperparameters: AWS's documented defaults and ranges."""

import dataclasses

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.linear_learner.hyperparameters import SCHEMA
from sagebrush.algorithms.linear_learner.settings import REGRESSOR, Settings

REQUIRED = {"predictor_type": "regressor"}


def test_defaults_are_those_that_the_image_logs():
    # The "Reading default configuration" line of AWS's image, without the internal names.
    logged = {
        "loss_insensitivity": "0.01", "epochs": "15", "feature_dim": "auto", "init_bias": "0.0",
        "lr_scheduler_factor": "auto", "accuracy_top_k": "3", "use_bias": "true",
        "num_point_for_scaler": "10000", "quantile": "0.5", "bias_lr_mult": "auto",
        "lr_scheduler_step": "auto", "init_method": "uniform", "init_sigma": "0.01",
        "lr_scheduler_minimum_lr": "auto", "target_recall": "0.8", "num_models": "auto",
        "early_stopping_patience": "3", "momentum": "auto", "unbias_label": "auto", "wd": "auto",
        "optimizer": "auto", "early_stopping_tolerance": "0.001", "learning_rate": "auto",
        "normalize_data": "true", "binary_classifier_model_selection_criteria": "accuracy",
        "use_lr_scheduler": "true", "target_precision": "0.8", "unbias_data": "auto",
        "init_scale": "0.07", "bias_wd_mult": "auto", "f_beta": "1.0", "mini_batch_size": "1000",
        "huber_delta": "1.0", "num_classes": "1", "beta_1": "auto", "loss": "auto",
        "beta_2": "auto", "normalize_label": "auto", "balance_multiclass_weights": "false",
        "positive_example_weight_mult": "1.0", "l1": "auto", "margin": "1.0",
    }  # fmt: skip
    assert SCHEMA.parse(REQUIRED) == SCHEMA.parse(REQUIRED | logged)
    assert SCHEMA.parse(REQUIRED)["num_calibration_samples"] == "auto"


def test_the_library_has_the_same_names_and_defaults():
    assert dataclasses.asdict(Settings(predictor_type=REGRESSOR)) == SCHEMA.parse(REQUIRED)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", "0.1", 0.1),
        ("num_models", "4", 4),
        ("normalize_label", "False", False),
        ("positive_example_weight_mult", "balanced", "balanced"),
        ("num_calibration_samples", "10000000", 10_000_000),
        ("use_bias", "1", True),
        ("momentum", "0", 0.0),
        ("_kvstore", "auto", None),
    ],
)
def test_values_are_read(name: str, text: str, value: object):
    assert SCHEMA.parse(REQUIRED | {name: text}).get(name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("predictor_type", "classifier"),
        ("num_classes", "1000001"),
        ("mini_batch_size", "0"),
        ("epochs", "-1"),
        ("target_recall", "1"),
        ("target_precision", "0"),
        ("f_beta", "0"),
        ("momentum", "1"),
        ("beta_1", "-0.1"),
        ("learning_rate", "0"),
        ("wd", "-1e-9"),
        ("lr_scheduler_factor", "1"),
        ("quantile", "0"),
        ("huber_delta", "-1"),
        ("loss_insensitivity", "0"),
        ("early_stopping_tolerance", "0"),
        ("positive_example_weight_mult", "heavy"),
        ("optimizer", "adagrad"),
        ("init_method", "xavier"),
        ("loss", "mse"),
        ("learning_rate", "nan"),
        ("learning-rate", "0.1"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(name: str, text: str):
    with pytest.raises(ClientError, match=name):
        SCHEMA.parse(REQUIRED | {name: text})


def test_predictor_type_is_required():
    with pytest.raises(ClientError, match="predictor_type"):
        SCHEMA.parse({})


def test_classes_and_loss_must_suit_the_predictor_type():
    with pytest.raises(ClientError, match="num_classes is required"):
        SCHEMA.parse({"predictor_type": "multiclass_classifier"})
    with pytest.raises(ClientError, match="at least 3, but it is 2"):
        SCHEMA.parse({"predictor_type": "multiclass_classifier", "num_classes": "2"})
    with pytest.raises(ClientError, match="'hinge_loss' is not valid for predictor_type"):
        SCHEMA.parse(REQUIRED | {"loss": "hinge_loss"})


def test_tunable_ranges_are_the_documented_ones():
    described = {each["Name"]: each for each in SCHEMA.describe()}
    assert {name for name, each in described.items() if each["IsTunable"]} == {
        "wd",
        "l1",
        "learning_rate",
        "mini_batch_size",
        "use_bias",
        "positive_example_weight_mult",
    }
    limits = described["mini_batch_size"]["Range"]["IntegerParameterRangeSpecification"]
    assert limits == {"MinValue": "100", "MaxValue": "5000"}
