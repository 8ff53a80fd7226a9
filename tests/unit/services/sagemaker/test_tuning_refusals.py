"""What CreateHyperParameterTuningJob refuses, and in which words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker.tuning import limits

from .conftest import ACCOUNT, KMEANS, ROLE, Server
from .tuning_example import METRIC, NAMED, trials, tune, tuning_request, wait_for_trials

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
LIGHTGBM = "763104351884.dkr.ecr.us-east-1.amazonaws.com/lightgbm:1"
INSTANCE = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}


def specification(image: str = KMEANS, **more: Any) -> dict[str, Any]:
    return {"TrainingImage": image, "TrainingInputMode": "File", **more}


def integer(name: str, low: str, high: str, scaling: str = "Auto") -> dict[str, Any]:
    item = {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}
    return {"IntegerParameterRanges": [item]}


def continuous(name: str, low: str, high: str, scaling: str = "Auto") -> dict[str, Any]:
    item = {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}
    return {"ContinuousParameterRanges": [item]}


def categorical(name: str, *values: str) -> dict[str, Any]:
    return {"CategoricalParameterRanges": [{"Name": name, "Values": list(values)}]}


def refusal(server: Server, name: str = "refused", **changes: Any) -> ApiError:
    """Return why a tuning job is refused."""
    request = tuning_request(server, name, **changes)
    with pytest.raises(ApiError) as caught:
        server.call("CreateHyperParameterTuningJob", **request)
    with pytest.raises(ApiError, match="not found"):
        server.call("DescribeHyperParameterTuningJob", **{NAMED: name})
    return caught.value


@pytest.mark.parametrize(
    ("ranges", "problem"),
    [
        ({}, "ParameterRanges must have at least one hyperparameter"),
        (integer("epochs", "9", "2"), "epochs: MinValue 9 is greater than MaxValue 2"),
        (integer("epochs", "one", "2"), "must be numbers"),
        (integer("epochs", "1", "inf"), "must be numbers"),
        (integer("epochs", "nan", "2"), "must be numbers"),
        (integer("epochs", "1.5", "3"), "epochs: the bounds of an integer parameter are integers"),
        (integer("epochs", "0", "9", "Logarithmic"), "epochs: logarithmic scaling needs"),
        (integer("epochs", "1", "9", "ReverseLogarithmic"), "for continuous parameters"),
        (continuous("mini_batch_size", "1", "2"), "it is an integer"),
        (integer("epochs", "0", "9"), "0 is not an integer greater than or equal to 1"),
        (integer("init_method", "0", "9"), "it is tuned by CategoricalParameterRanges"),
        (categorical("init_method", "random", "best"), "'best' is not one of the following"),
        (categorical("epochs", "1", "x"), "'x' is not an integer"),
        (integer("half_life_time_size", "0", "9"), r"\[half_life_time_size\] isn't tunable"),
        (integer("depth", "0", "9"), r"\[depth\] isn't valid for the \["),
        (integer("k", "1", "9"), r"both static and tunable: \['k'\]"),
        (
            integer("epochs", "1", "9") | categorical("epochs", "1", "2"),
            r"\['epochs'\] have more than one range",
        ),
        (
            {"AutoParameters": [{"Name": "epochs", "ValueHint": "3"}]},
            "AutoParameters can only be specified when Autotune is enabled",
        ),
        (
            integer("epochs", "1", "3"),
            r"\[3\.0\] must be equal or greater than the value of MaxNumberOfJobs, \[4\]",
        ),
    ],
)  # fmt: skip
def test_ranges(server: Server, ranges: dict[str, Any], problem: str) -> None:
    error = refusal(server, ParameterRanges=ranges)
    assert error.code == "ValidationException"
    with pytest.raises(ApiError, match=problem):
        raise error


def test_at_most_thirty_hyperparameters_are_tuned_and_a_hundred_given(server: Server) -> None:
    many = [{"Name": f"p{number}", "MinValue": "1", "MaxValue": "9"} for number in range(16)]
    both = {
        "IntegerParameterRanges": many,
        "ContinuousParameterRanges": [{**each, "Name": each["Name"] + "c"} for each in many],
    }
    assert (
        "can be searched is 30, but ParameterRanges has 32"
        in refusal(server, ParameterRanges=both).message
    )
    static = {f"s{number}": "1" for number in range(99)}
    message = refusal(server, definition_changes={"StaticHyperParameters": static}).message
    assert "100 at most, but there are 101" in message


@pytest.mark.parametrize(
    ("objective", "changes", "problem"),
    [
        (("Minimize", "test:accuracy"), {}, r"\[test:accuracy\], isn't valid for the \[3824.*\] "),
        (("Maximize", METRIC), {}, r"type, \[Maximize\], .* \[test:msd\], isn't valid"),
        (
            ("Minimize", METRIC),
            {"AlgorithmSpecification": specification(
                MetricDefinitions=[{"Name": METRIC, "Regex": "x=(.*)"}]
            )},
            "You can't override the metric definitions for Amazon SageMaker algorithms",
        ),
        (
            ("Minimize", "loss"),
            {"AlgorithmSpecification": specification(LIGHTGBM), "StaticHyperParameters": {}},
            "A metric is required for this hyperparameter tuning job objective",
        ),
    ],
)  # fmt: skip
def test_objectives(
    server: Server, objective: tuple[str, str], changes: dict[str, Any], problem: str
) -> None:
    kind, metric = objective
    ranges = {}
    if "StaticHyperParameters" in changes:
        ranges = {"ParameterRanges": integer("num_leaves", "10", "90")}
    error = refusal(
        server,
        HyperParameterTuningJobObjective={"Type": kind, "MetricName": metric},
        definition_changes=changes,
        **ranges,
    )
    with pytest.raises(ApiError, match=problem):
        raise error


def test_xgboost_is_tuned_for_metrics_of_the_validation_channel(server: Server) -> None:
    changes: dict[str, Any] = {
        "AlgorithmSpecification": specification(XGBOOST),
        "StaticHyperParameters": {"num_round": "3"},
    }
    objective = {"Type": "Maximize", "MetricName": "train:auc"}
    ranges = continuous("eta", "0", "1")
    message = refusal(
        server,
        HyperParameterTuningJobObjective=objective,
        ParameterRanges=ranges,
        definition_changes=changes,
    ).message
    assert "[train:auc], isn't valid" in message
    ranges["ContinuousParameterRanges"].append(
        {"Name": "learning_rate", "MinValue": "0", "MaxValue": "1"}
    )
    message = refusal(
        server,
        HyperParameterTuningJobObjective={**objective, "MetricName": "validation:auc"},
        ParameterRanges=ranges,
        definition_changes=changes,
    ).message
    assert "[eta] and [learning_rate] are the same" in message


@pytest.mark.parametrize("tuned", ["num_leaves", "num_boost_round"])
def test_an_image_that_takes_any_metric_is_tuned_for_one_in_any_hyperparameter(
    server: Server, tuned: str
) -> None:
    """AWS's tuner knows no JumpStart image; its tabular notebooks search num_boost_round."""
    own = [{"Name": "loss", "Regex": "loss is (.*?);"}]
    job = tune(
        server,
        "own-metric",
        'echo "loss is 4.5; and so on"; echo "loss is 2.5; loss is 9;"',
        jobs=1,
        HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": "loss"},
        ParameterRanges=integer(tuned, "2", "30"),
        definition_changes={
            "AlgorithmSpecification": specification(LIGHTGBM, MetricDefinitions=own),
            "StaticHyperParameters": {},
        },
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed", trials(server, "own-metric")
    best = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]
    assert best == {"MetricName": "loss", "Type": "Minimize", "Value": 2.5}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            {"Strategy": "Grid", "ParameterRanges": integer("epochs", "1", "9")},
            "epochs: a grid search needs categorical parameters",
        ),
        (
            {"Strategy": "Grid", "ParameterRanges": categorical("epochs", "1", "2", "3")},
            "MaxNumberOfTrainingJobs must be 3, the number of combinations",
        ),
        ({"Strategy": "Hyperband"}, "MaxResource is required for the strategy Hyperband"),
        (
            {
                "Strategy": "Hyperband",
                "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 9, "MaxResource": 3}},
            },
            "MinResource 9 is greater than MaxResource 3",
        ),
        (
            {
                "Strategy": "Hyperband",
                "StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 20_001}},
            },
            "MaxResource 20001 is greater than 20000",
        ),
        (
            {
                "Strategy": "Hyperband",
                "TrainingJobEarlyStoppingType": "Auto",
                "StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 9}},
            },
            "TrainingJobEarlyStoppingType must be Off",
        ),
        (
            {"StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 9}}},
            "StrategyConfig can only be specified when the strategy is Hyperband",
        ),
        (
            {"ResourceLimits": {"MaxParallelTrainingJobs": 2}},
            "MaxNumberOfTrainingJobs is required",
        ),
    ],
)
def test_strategies(server: Server, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ApiError, match=problem):
        raise refusal(server, **config)


@pytest.mark.parametrize(
    ("strategy", "limits", "quota"),
    [
        ("Random", (10_001, 1, None), "training jobs per Random .* is 10000, .* delta of 10001"),
        ("Bayesian", (751, 1, None), "training jobs per Bayesian .* is 750, .* delta of 751"),
        ("Random", (1, 101, None), "parallel training jobs .* is 100, .* delta of 101"),
        ("Random", (1, 1, 2_592_001), "Maximum run time .* is 2592000, .* delta of 2592001"),
    ],
)
def test_quotas(
    server: Server, strategy: str, limits: tuple[int, int, int | None], quota: str
) -> None:
    jobs, parallel, runtime_s = limits
    given = {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel}
    if runtime_s is not None:
        given["MaxRuntimeInSeconds"] = runtime_s
    error = refusal(
        server,
        Strategy=strategy,
        ResourceLimits=given,
        ParameterRanges=integer("mini_batch_size", "1", "99999"),
    )
    assert error.code == "ResourceLimitExceeded"
    with pytest.raises(ApiError, match=quota):
        raise error


def test_only_so_many_tuning_jobs_run_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ACTIVE_JOBS", 0)
    error = refusal(server)
    assert error.code == "ResourceLimitExceeded"
    assert "current utilization of 0" in error.message


def _without(document: dict[str, Any], *members: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in members}


def test_definitions(server: Server) -> None:
    request = tuning_request(server, "defined")
    one = request["TrainingJobDefinition"]
    config = request["HyperParameterTuningJobConfig"]
    objective, ranges = config["HyperParameterTuningJobObjective"], config["ParameterRanges"]
    named = one | {
        "DefinitionName": "a", "TuningObjective": objective, "HyperParameterRanges": ranges,
    }  # fmt: skip
    several = _without(request, "TrainingJobDefinition") | {
        "HyperParameterTuningJobConfig": _without(
            config, "HyperParameterTuningJobObjective", "ParameterRanges"
        )
    }
    bare = several["HyperParameterTuningJobConfig"]
    other = named | {"DefinitionName": "b"}
    upward = {"Type": "Maximize", "MetricName": "train:progress"}
    cases: list[tuple[dict[str, Any], str]] = [
        (_without(request, "TrainingJobDefinition"), "Exactly one of TrainingJobDefinition and"),
        (request | {"TrainingJobDefinitions": [named]}, "Exactly one of TrainingJobDefinition and"),
        (
            request | {"HyperParameterTuningJobConfig": bare},
            "HyperParameterTuningJobObjective is required",
        ),
        (
            request | {"TrainingJobDefinition": one | {"HyperParameterRanges": ranges}},
            "Only one of HyperParameterTuningJobConfig.ParameterRanges and",
        ),
        (
            request | {"TrainingJobDefinition": one | {"TuningObjective": objective}},
            "Only one of HyperParameterTuningJobConfig.HyperParameterTuningJobObjective and",
        ),
        (
            several | {"HyperParameterTuningJobConfig": config, "TrainingJobDefinitions": [named]},
            "ParameterRanges cannot be used with TrainingJobDefinitions",
        ),
        (
            several | {"TrainingJobDefinitions": [named, _without(other, "DefinitionName")]},
            "DefinitionName is required",
        ),
        (several | {"TrainingJobDefinitions": [named, named]}, "DefinitionName must be unique"),
        (
            several | {"TrainingJobDefinitions": [named, _without(other, "TuningObjective")]},
            "TuningObjective is required",
        ),
        (
            several | {"TrainingJobDefinitions": [named, other | {"TuningObjective": upward}]},
            "TuningObjective.Type must be the same",
        ),
        (
            several
            | {
                "TrainingJobDefinitions": [named, other],
                "HyperParameterTuningJobConfig": bare | {"TrainingJobEarlyStoppingType": "Auto"},
            },
            "early stopping is only available when tuning a single algorithm",
        ),
    ]
    for case, problem in cases:
        with pytest.raises(ApiError, match=problem):
            server.call("CreateHyperParameterTuningJob", **case)


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (INSTANCE | {"InstanceType": "ml.nope.large"}, "Instance type ml.nope.large is not"),
        ({"InstanceType": "ml.m5.large"}, "must specify InstanceConfigs, or InstanceType and"),
        (INSTANCE | {"AllocationStrategy": "Prioritized"}, "AllocationStrategy can only be used"),
        (
            {"InstanceConfigs": [INSTANCE], "VolumeSizeInGB": 3},
            "VolumeSizeInGB cannot be specified together with InstanceConfigs",
        ),
        (
            {"InstanceConfigs": [INSTANCE | {"InstanceType": "ml.nope.large"}]},
            "Instance type ml.nope.large is not",
        ),
    ],
)
def test_instances(server: Server, wanted: dict[str, Any], problem: str) -> None:
    request = tuning_request(server, "instances")
    document = _without(request["TrainingJobDefinition"], "ResourceConfig")
    request["TrainingJobDefinition"] = document | {"HyperParameterTuningResourceConfig": wanted}
    with pytest.raises(ApiError, match=problem):
        server.call("CreateHyperParameterTuningJob", **request)


def test_instances_are_said_in_one_way(server: Server) -> None:
    both = {"HyperParameterTuningResourceConfig": INSTANCE}
    assert "Exactly one of ResourceConfig and" in refusal(server, definition_changes=both).message


@pytest.mark.parametrize(
    "wanted",
    [
        INSTANCE | {"VolumeKmsKeyId": "key"},
        {
            "InstanceConfigs": [INSTANCE, INSTANCE | {"InstanceType": "ml.m5.xlarge"}],
            "AllocationStrategy": "Prioritized",
        },
    ],
    ids=["one", "prioritised"],
)
def test_trials_run_on_the_first_instances_named(server: Server, wanted: dict[str, Any]) -> None:
    request = tuning_request(server, f"sized-{len(wanted)}", jobs=1)
    document = _without(request["TrainingJobDefinition"], "ResourceConfig")
    request["TrainingJobDefinition"] = document | {"HyperParameterTuningResourceConfig": wanted}
    server.program = "exit 1"
    server.call("CreateHyperParameterTuningJob", **request)
    name = request[NAMED]
    (trial,) = wait_for_trials(server, name, 1)
    child = server.call("DescribeTrainingJob", TrainingJobName=trial["TrainingJobName"])
    resources = child["ResourceConfig"]
    assert {key: resources[key] for key in INSTANCE} == INSTANCE
    assert resources.get("VolumeKmsKeyId") == wanted.get("VolumeKmsKeyId")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"AlgorithmSpecification": specification("a/b:1")}, "Cannot find the requested image"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "Exactly one of AlgorithmSpec"),
        (
            {"AlgorithmSpecification": {"TrainingInputMode": "File", "AlgorithmName": "mine"}},
            "AlgorithmName is not supported",
        ),
        ({"OutputDataConfig": {"S3OutputPath": "s3:///x"}}, "does not name a bucket"),
        (
            {
                "InputDataConfig": [
                    {
                        "ChannelName": "train",
                        "DataSource": {
                            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://none/x"}
                        },
                    }
                ]
            },
            'No S3 objects found under S3 URL "s3://none/x"',
        ),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 2}}, "MaxWait"),
    ],
)
def test_what_a_training_job_would_refuse(
    server: Server, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ApiError, match=problem):
        raise refusal(server, definition_changes=changes)


def test_data_of_each_definition_are_looked_for(server: Server) -> None:
    request = tuning_request(server, "each")
    config = request.pop("HyperParameterTuningJobConfig")
    document = request.pop("TrainingJobDefinition") | {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://none/y"}}
    channels = [{"ChannelName": "train", "DataSource": source}]
    request["HyperParameterTuningJobConfig"] = config
    request["TrainingJobDefinitions"] = [
        document | {"DefinitionName": "good"},
        document | {"DefinitionName": "bad", "InputDataConfig": channels},
    ]
    with pytest.raises(ApiError, match="No S3 objects found"):
        server.call("CreateHyperParameterTuningJob", **request)


def test_the_role_must_exist_where_identities_are_checked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(server.platform.settings, verify_signatures=True)
    monkeypatch.setattr(server.platform, "settings", settings)
    unknown = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody-made-this"}
    assert "Could not assume role" in refusal(server, definition_changes=unknown).message
    foreign = {"RoleArn": ROLE.replace(ACCOUNT, "999999999999")}
    assert "Cross-account" in refusal(server, definition_changes=foreign).message
