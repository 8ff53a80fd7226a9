"""The documented hyperparameters of Factorization Machines."""

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.factorization_machines.hyperparameters import SCHEMA

REQUIRED = {"feature_dim": "100", "num_factors": "8", "predictor_type": "regressor"}


def test_defaults_are_the_documented_ones():
    values = SCHEMA.parse(REQUIRED)
    assert values == {
        "feature_dim": 100,
        "num_factors": 8,
        "predictor_type": "regressor",
        "epochs": 1,
        "mini_batch_size": 1000,
        "bias_lr": 0.1,
        "linear_lr": 0.001,
        "factors_lr": 0.0001,
        "bias_wd": 0.01,
        "linear_wd": 0.001,
        "factors_wd": 0.00001,
        "bias_init_method": "normal",
        "bias_init_sigma": 0.01,
        "bias_init_scale": None,
        "bias_init_value": None,
        "linear_init_method": "normal",
        "linear_init_sigma": 0.01,
        "linear_init_scale": None,
        "linear_init_value": None,
        "factors_init_method": "normal",
        "factors_init_sigma": 0.001,
        "factors_init_scale": None,
        "factors_init_value": None,
        "clip_gradient": None,
        "eps": None,
        "rescale_grad": None,
        "use_bias": True,
        "use_linear": True,
        "batch_metrics_publish_interval": 500,
    }


@pytest.mark.parametrize("name", [*REQUIRED])
def test_required_ones_are_required(name):
    rest = {key: value for key, value in REQUIRED.items() if key != name}
    with pytest.raises(ClientError, match=name):
        SCHEMA.parse(rest)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("feature_dim", "0"),
        ("feature_dim", "2147483648"),
        ("num_factors", "0"),
        ("num_factors", "2147483648"),
        ("num_factors", "2.5"),
        ("predictor_type", "multiclass_classifier"),
        ("epochs", "0"),
        ("mini_batch_size", "0"),
        ("bias_lr", "-0.1"),
        ("linear_lr", "-1e-9"),
        ("factors_lr", "fast"),
        ("bias_wd", "-1"),
        ("linear_wd", "-1"),
        ("factors_wd", "nan"),
        ("bias_init_method", "zeros"),
        ("linear_init_sigma", "-1"),
        ("factors_init_scale", "-1"),
        ("factors_init_value", "one"),
        ("clip_gradient", "x"),
        ("eps", "inf"),
        ("rescale_grad", ""),
        ("use_bias", "maybe"),
        ("batch_metrics_publish_interval", "0"),
    ],
)
def test_values_out_of_range_are_refused_by_name(name, text):
    with pytest.raises(ClientError, match=name):
        SCHEMA.parse(REQUIRED | {name: text})


@pytest.mark.parametrize(
    ("group", "method", "amount"),
    [
        ("bias", "uniform", "scale"),
        ("linear", "constant", "value"),
        ("factors", "uniform", "scale"),
    ],
)
def test_an_initialisation_method_needs_its_amount(group, method, amount):
    chosen = REQUIRED | {f"{group}_init_method": method}
    with pytest.raises(ClientError, match=f"{group}_init_{amount}"):
        SCHEMA.parse(chosen)
    assert SCHEMA.parse(chosen | {f"{group}_init_{amount}": "0.5"})


def test_what_tuning_may_vary():
    tunable = {item["Name"]: item for item in SCHEMA.describe() if item["IsTunable"]}
    numbers = [
        f"{group}_{name}"
        for group in ("bias", "linear", "factors")
        for name in ("lr", "wd", "init_sigma", "init_scale", "init_value")
    ]
    assert set(tunable) == {*numbers, "epochs", "mini_batch_size"}
    for name in numbers:
        bounds = tunable[name]["Range"]["ContinuousParameterRangeSpecification"]
        assert bounds == {"MinValue": "1e-08", "MaxValue": "512"}
    bounds = tunable["mini_batch_size"]["Range"]["IntegerParameterRangeSpecification"]
    assert bounds == {"MinValue": "100", "MaxValue": "10000"}


def test_the_hidden_ones_and_the_guides_misspelling_are_accepted():
    chosen = {"use_linear": "false", "batch_metrics_publish_interval": "10", "epoch": "7"}
    values = SCHEMA.parse(REQUIRED | chosen)
    assert (values["use_linear"], values["epochs"]) == (False, 7)
    assert not {"use_bias", "use_linear"} & {item["Name"] for item in SCHEMA.describe()}
