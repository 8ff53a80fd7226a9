# ruff: noqa: E501 (messages stand on one line, as the user sees them)
"""The wording is that of the open XGBoost container's validation."""

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.xgboost.hyperparameters import SCHEMA


def parse(**strings: str) -> dict[str, object]:
    return SCHEMA.parse({"num_round": "10", **strings})


def refusal(**strings: str) -> str:
    with pytest.raises(ClientError) as raised:
        parse(**strings)
    return str(raised.value)


def test_values_have_their_types_and_unset_ones_stay_unset():
    values = parse(eta="0.2", max_depth="5", subsample="1", booster="dart")
    assert (values["eta"], values["max_depth"], values["booster"]) == (0.2, 5, "dart")
    assert values["gamma"] is None
    assert values["num_round"] == 10


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("learning_rate", "eta"),
        ("min_split_loss", "gamma"),
        ("reg_lambda", "lambda"),
        ("reg_alpha", "alpha"),
    ],
)
def test_aliases_count_as_their_hyperparameter(alias: str, name: str):
    assert parse(**{alias: "0.25"})[name] == 0.25


def test_a_missing_required_hyperparameter_is_named():
    with pytest.raises(ClientError, match=r"^Missing required hyperparameter: num_round$"):
        SCHEMA.parse({"eta": "0.1"})


@pytest.mark.parametrize("name", ["max_dept", "_num_gpus", "sagemaker_region"])
def test_unknown_names_are_extraneous(name: str):
    assert refusal(**{name: "1"}) == f"Extraneous hyperparameter found: {name}"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("eta", "2", "Hyperparameter eta: 2.0 is not in [0, 1]"),
        ("eta", "fast", "Hyperparameter eta: could not parse value (caused by ValueError)"),
        ("subsample", "0", "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        ("max_depth", "-1", "Hyperparameter max_depth: -1 is not in [0, +inf)"),
        (
            "max_depth",
            "3.0",
            "Hyperparameter max_depth: could not parse value (caused by ValueError)",
        ),
        ("num_round", "0", "Hyperparameter num_round: 0 is not in [1, +inf)"),
        ("num_class", "1", "Hyperparameter num_class: 1 is not in [2, +inf)"),
        (
            "tweedie_variance_power",
            "2",
            "Hyperparameter tweedie_variance_power: 2.0 is not in (1, 2)",
        ),
        ("sketch_eps", "1", "Hyperparameter sketch_eps: 1.0 is not in (0, 1)"),
        (
            "seed",
            "2147483647",
            "Hyperparameter seed: 2147483647 is not in (-2147483648, 2147483647)",
        ),
        (
            "booster",
            "gbforest",
            "Hyperparameter booster: gbforest is not in ['gbtree', 'gblinear', 'dart']",
        ),
        ("csv_weights", "2", "Hyperparameter csv_weights: 2 is not in [0, 1]"),
        ("prob_buffer_row", "1", "Hyperparameter prob_buffer_row: 1 is not in (1, +inf)"),
    ],
)
def test_ranges_are_refused_in_interval_notation(name: str, text: str, message: str):
    assert refusal(**{name: text}) == message


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "num_round",
            "3000000000",
            "Hyperparameter num_round: 3000000000 is not in [1, 2147483647]",
        ),
        ("gamma", "1e39", "Hyperparameter gamma: 1e+39 is not in [0, 3.4028234663852886e+38]"),
        ("max_bin", "99999999999", "Hyperparameter max_bin: 99999999999 is not in [0, 2147483647]"),
    ],
)
def test_numbers_that_xgboost_has_no_room_for_are_refused(name: str, text: str, message: str):
    assert refusal(**{name: text}) == message


def test_the_sdks_script_mode_is_named():
    message = refusal(
        sagemaker_program='"train.py"', sagemaker_submit_directory='"s3://b/c.tar.gz"'
    )
    assert (
        "Script mode is not supported: sagemaker_program and sagemaker_submit_directory" in message
    )


def test_multiclass_objectives_need_num_class():
    message = "Require input for parameter 'num_class' for multi-classification"
    assert refusal(objective="multi:softprob") == message
    assert parse(objective="multi:softprob", num_class="3")["num_class"] == 3


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        (
            {"eval_metric": "auc"},
            "Metric 'auc' can only be applied for classification and ranking problems.",
        ),
        (
            {"eval_metric": "aft-nloglik"},
            "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.",
        ),
        (
            {"eval_metric": "rmse@2"},
            "Metric 'rmse@2' is not supported. Parameter 'eval_metric' with customized threshold should be one of these options: 'error', 'ndcg', 'map'.",
        ),
        ({"eval_metric": "error@half"}, "Threshold value 't' in 'error@t' expects float input."),
        (
            {"eval_metric": "<function f>"},
            "User defined evaluation metric <function f> is not supported yet.",
        ),
    ],
)
def test_metrics_must_fit_the_objective(strings: dict[str, str], message: str):
    assert refusal(**strings) == message


def test_metric_lists_may_carry_thresholds():
    metrics = "error@0.7,ndcg@5-,map@3,rmse,accuracy"
    assert parse(eval_metric=metrics)["eval_metric"] == metrics.split(",")
    assert refusal(eval_metric="rmse,furlongs").startswith(
        "Hyperparameter eval_metric: value ['rmse', 'furlongs'] not in range ['accuracy', "
    )


@pytest.mark.parametrize(
    ("strings", "part"),
    [
        (
            {"booster": "gblinear", "updater": "prune"},
            "Linear updater should be one of these options: 'shotgun', 'coord_descent'.",
        ),
        (
            {"process_type": "update", "updater": "grow_colmaker"},
            "process_type 'update' can only be used with updater 'refresh' and 'prune'",
        ),
        ({"updater": "grow_colmaker,grow_histmaker"}, "Only one tree grow plugin can be selected."),
        (
            {"updater": "shotgun"},
            "Tree updater should be selected from these options: 'grow_colmaker'",
        ),
        ({"updater": "grow_fast"}, "Hyperparameter updater: value ['grow_fast'] not in range"),
    ],
)
def test_updaters_must_fit_the_booster(strings: dict[str, str], part: str):
    assert part in refusal(**strings)


def test_good_updaters_pass():
    assert parse(updater="grow_colmaker,prune")["updater"] == ["grow_colmaker", "prune"]
    assert parse(booster="gblinear", updater="shotgun")["updater"] == ["shotgun"]


@pytest.mark.parametrize("method", ["auto", "approx", "gpu_hist"])
def test_monotone_constraints_need_an_exact_or_hist_tree_method(method: str):
    assert refusal(monotone_constraints="(1,0)", tree_method=method).startswith(
        "monotone_constraints can be used only when the tree_method parameter is set to either "
    )


def test_constraints_become_the_text_xgboost_reads():
    values = parse(
        tree_method="hist", monotone_constraints="(1, -1)", interaction_constraints="[[1,2],[3]]"
    )
    assert values["monotone_constraints"] == "(1,-1)"
    assert values["interaction_constraints"] == "[[1, 2], [3]]"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "monotone_constraints",
            "(2, 0)",
            "Hyperparameter monotone_constraints: value (2, 0) not in range [-1, 0, 1]",
        ),
        (
            "interaction_constraints",
            "[[0, 1]]",
            "Hyperparameter interaction_constraints: value [[0, 1]] not in range [1, +inf)",
        ),
        (
            "interaction_constraints",
            "[1, 2]",
            "Hyperparameter interaction_constraints: could not parse value (caused by ValueError)",
        ),
        (
            "monotone_constraints",
            "__import__('os')",
            "Hyperparameter monotone_constraints: could not parse value (caused by ValueError)",
        ),
    ],
)
def test_bad_constraints_are_refused(name: str, text: str, message: str):
    assert refusal(tree_method="hist", **{name: text}) == message


def test_obsolete_hyperparameters_are_accepted():
    parse(
        sketch_eps="0.03",
        predictor="gpu_predictor",
        deterministic_histogram="true",
        single_precision_histogram="false",
        dsplit="row",
        prob_buffer_row="2",
        use_dask_gpu_training="false",
        silent="0",
    )


def test_the_tuning_objective_is_a_validation_metric():
    assert parse(_tuning_objective_metric="validation:rmse")
    assert refusal(_tuning_objective_metric="train:rmse").startswith(
        "Hyperparameter _tuning_objective_metric: train:rmse is not in ['validation:accuracy', "
    )


def test_the_description_names_tunable_ranges_and_hides_internal_fields():
    described = {field["Name"]: field for field in SCHEMA.describe()}
    assert described["eta"]["IsTunable"]
    assert described["eta"]["Range"] == {
        "ContinuousParameterRangeSpecification": {"MinValue": "0.1", "MaxValue": "0.5"}
    }
    assert described["num_round"]["IsRequired"]
    assert "_kfold" not in described
