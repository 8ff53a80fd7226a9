"""Warm start of both kinds, Autotune and several definitions."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker.tuning.definitions import Definition, space_of
from sagebrush.services.sagemaker.tuning.transfer import Inherited

from .conftest import Server
from .tuning_example import (
    GRID,
    METRIC,
    NAMED,
    start_tuning,
    trials,
    tune,
    tuned,
    tuning_request,
    values,
)

BODY = "tell $mini_batch_size"
STATIC = {"k": "3", "feature_dim": "4"}


def warm(kind: str, *parents: str) -> dict[str, Any]:
    return {
        "top": {
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [{NAMED: name} for name in parents],
                "WarmStartType": kind,
            }
        }
    }


def best(job: dict[str, Any], member: str = "BestTrainingJob") -> float:
    return float(job[member]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def small(low: int, high: int) -> dict[str, Any]:
    item = {"Name": "mini_batch_size", "MinValue": str(low), "MaxValue": str(high)}
    return {"IntegerParameterRanges": [item]}


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_the_overall_best_may_be_a_parents(server: Server, strategy: str) -> None:
    parent = tune(server, "parent", BODY, jobs=4)
    child = tune(
        server,
        "child",
        "tell 99999",
        jobs=2,
        Strategy=strategy,
        **warm("IdenticalDataAndAlgorithm", "parent"),
    )
    assert best(child) == 99999
    overall = child["OverallBestTrainingJob"]
    assert overall == parent["BestTrainingJob"] | {"TuningJobName": "parent"}
    # What was taken over stays when the parent goes.
    server.call("DeleteHyperParameterTuningJob", **{NAMED: "parent"})
    again = server.call("DescribeHyperParameterTuningJob", **{NAMED: "child"})
    assert again["OverallBestTrainingJob"] == overall
    better = tune(server, "better", "tell 0", jobs=1, **warm("IdenticalDataAndAlgorithm", "child"))
    assert better["OverallBestTrainingJob"]["TuningJobName"] == "better"


def test_a_bayesian_search_goes_on_from_its_parents(server: Server) -> None:
    ranges = small(1000, 9000)
    # The objective is least at 5000.
    body = "tell $(( (mini_batch_size - 5000) * (mini_batch_size - 5000) ))"
    parent = tune(server, "before", body, jobs=8, parallel=4, ParameterRanges=ranges)
    for kind in ("IdenticalDataAndAlgorithm", "TransferLearning"):
        name = f"after-{kind[:5]}"
        child = tune(
            server, name, body, jobs=3, parallel=1, Strategy="Bayesian", ParameterRanges=ranges,
            **warm(kind, "before"),
        )  # fmt: skip
        sizes = [int(each["mini_batch_size"]) for each in values(server, name)]
        # From the first trial on, where eight random ones have shown the way.
        assert all(abs(size - 5000) < 2000 for size in sizes), sizes
        assert best(child) < best(parent)
        assert ("OverallBestTrainingJob" in child) == kind.startswith("Identical")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (warm("TransferLearning", "nobody"), r"parent tuning job \[nobody\] was not found"),
        (warm("TransferLearning", "P", "p"), "must name different tuning jobs"),
        (warm("TransferLearning", "P") | {"Strategy": "Grid", "ParameterRanges": GRID},
         "cannot be used with the strategy Grid"),
        (warm("TransferLearning", "P")
         | {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "test:ssd"}},
         r"objective metric \[test:ssd, Minimize\] must be the same"),
        (warm("TransferLearning", "P") | {"definition_changes": {"StaticHyperParameters": {}}},
         "total number of static and tunable hyperparameters must remain the same"),
        (warm("TransferLearning", "P") | {"ParameterRanges": {"CategoricalParameterRanges": [
            {"Name": "mini_batch_size", "Values": ["1", "2", "3", "4"]}]}},
         r"type of the hyperparameters \['mini_batch_size'\] must be the same"),
        (warm("TransferLearning", "P") | {"jobs": 10_000},
         "current utilization of 1 and a request delta of 10000"),
    ],
)  # fmt: skip
def test_parents_that_do_not_go_with_a_tuning_job(
    server: Server, changes: dict[str, Any], problem: str
) -> None:
    tune(server, "P", BODY, jobs=1, ParameterRanges=small(1, 20_000))
    if "ParameterRanges" not in changes:
        changes = changes | {"ParameterRanges": small(1, 20_000)}
    with pytest.raises(ApiError, match=problem):
        start_tuning(server, "refused", BODY, **changes)


def test_at_most_ten_changes(server: Server) -> None:
    static = STATIC | {f"s{number}": "1" for number in range(6)}
    tune(server, "static", BODY, jobs=1, definition_changes={"StaticHyperParameters": static})
    changed = {key: "2" if key.startswith("s") else value for key, value in static.items()}
    with pytest.raises(ApiError, match="cannot be more than 10, but there are 12"):
        start_tuning(
            server, "changed", BODY, jobs=1, **warm("TransferLearning", "static"),
            definition_changes={"StaticHyperParameters": changed},
        )  # fmt: skip
    changed["s0"] = "1"
    tune(
        server, "changed", BODY, jobs=1, **warm("TransferLearning", "static"),
        definition_changes={"StaticHyperParameters": changed},
    )  # fmt: skip


def test_a_parent_must_be_over(server: Server) -> None:
    start_tuning(server, "running", 'wait_for "$1/go"; tell 1', jobs=1)
    with pytest.raises(ApiError, match=r"\[running\] is in status InProgress"):
        start_tuning(server, "early", BODY, **warm("TransferLearning", "running"))
    server.call("StopHyperParameterTuningJob", **{NAMED: "running"})
    tuned(server, "running")


def _definition() -> Definition:
    return Definition("", space_of(small(0, 100)), METRIC, "Minimize", {})


def _observed(parent: str, values: dict[int, float]) -> list[Any]:
    return [[parent, {"mini_batch_size": str(size)}, value] for size, value in values.items()]


def test_the_same_task_pools_objectives_as_they_are() -> None:
    inherited = Inherited(_definition(), _observed("a", {10: 3.0, 500: 1.0}), same_task=True)
    # 500 lies outside of the new range.
    assert inherited.pooled([({"mini_batch_size": 20}, 7.0)]) == [
        ({"mini_batch_size": 10}, 3.0), ({"mini_batch_size": 20}, 7.0),
    ]  # fmt: skip


def test_another_task_is_put_on_the_parents_scale() -> None:
    truth = {size: (size - 50) ** 2 / 100 for size in range(0, 101, 10)}
    shifted = {size: 1e3 * value - 77 for size, value in truth.items()}
    parents = _observed("a", truth) + _observed("b", shifted)
    inherited = Inherited(_definition(), parents, same_task=False)
    assert len(inherited.pooled([])) == 22
    own = [({"mini_batch_size": size}, 5 + 20 * truth[size]) for size in (10, 30, 50, 60, 90)]
    pooled = inherited.pooled(own)
    scaled = dict(zip(truth, [value for _, value in pooled[:11]], strict=True))
    for configuration, value in pooled[22:]:
        assert value == pytest.approx(scaled[configuration["mini_batch_size"]], abs=1e-9)


def test_autotune_fills_in_what_is_missing(server: Server) -> None:
    request = tuning_request(server, "auto", top={"Autotune": {"Mode": "Enabled"}})
    config = request["HyperParameterTuningJobConfig"]
    config["ResourceLimits"] = {"MaxParallelTrainingJobs": 2}
    config["ParameterRanges"] = {
        "AutoParameters": [
            {"Name": "mini_batch_size", "ValueHint": "5000"},
            {"Name": "half_life_time_size", "ValueHint": "7"},
            {"Name": "init_method", "ValueHint": "random"},
        ]
    }
    server.program = "echo nothing"
    server.call("CreateHyperParameterTuningJob", **request)
    job = server.call("DescribeHyperParameterTuningJob", **{NAMED: "auto"})
    server.call("StopHyperParameterTuningJob", **{NAMED: "auto"})
    assert job["Autotune"] == {"Mode": "Enabled"}
    filled = job["HyperParameterTuningJobConfig"]
    assert filled["ParameterRanges"] == {
        "IntegerParameterRanges": [
            {"Name": "mini_batch_size", "MinValue": "3000", "MaxValue": "15000",
             "ScalingType": "Auto"},
        ],
        "CategoricalParameterRanges": [
            {"Name": "init_method", "Values": ["random", "kmeans++"]},
        ],
    }  # fmt: skip
    assert filled["ResourceLimits"] == {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 20}
    assert filled["TrainingJobEarlyStoppingType"] == "Auto"
    criteria = filled["TuningJobCompletionCriteria"]
    assert criteria == {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}
    document = job["TrainingJobDefinition"]
    assert document["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    # Not eligible: it stays what it was.
    assert document["StaticHyperParameters"]["half_life_time_size"] == "7"
    tuned(server, "auto")


def test_autotune_alone_tunes_what_the_algorithm_lets_tune(server: Server) -> None:
    request = tuning_request(server, "alone", jobs=1, top={"Autotune": {"Mode": "Enabled"}})
    del request["HyperParameterTuningJobConfig"]["ParameterRanges"]
    request["TrainingJobDefinition"]["StaticHyperParameters"]["init_method"] = "random"
    server.program = "exit 1"
    server.call("CreateHyperParameterTuningJob", **request)
    job = tuned(server, "alone")
    ranges = job["HyperParameterTuningJobConfig"]["ParameterRanges"]
    named = {each["Name"] for items in ranges.values() for each in items}
    assert named == {"mini_batch_size", "extra_center_factor"}


def test_definitions_take_turns_and_failing_ones_go_last(server: Server) -> None:
    request = tuning_request(server, "several", jobs=9, parallel=1)
    config = request.pop("HyperParameterTuningJobConfig")
    document = request.pop("TrainingJobDefinition") | {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    request["HyperParameterTuningJobConfig"] = config
    request["TrainingJobDefinitions"] = [
        document | {"DefinitionName": "bad", "Environment": {"OUTCOME": "bad"}},
        document | {"DefinitionName": "good", "Environment": {"OUTCOME": "good"}},
    ]
    server.program = (
        '[ "$OUTCOME" = bad ] && exit 1; echo "#quality_metric: host=algo-1, test msd <loss>=1"'
    )
    server.call("CreateHyperParameterTuningJob", **request)
    job = tuned(server, "several")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    names = [each["TrainingJobDefinitionName"] for each in trials(server, "several")]
    assert names == ["bad", "good"] * 3 + ["good"] * 3
    assert job["BestTrainingJob"]["TrainingJobDefinitionName"] == "good"


def test_a_grid_of_several_definitions_tries_all_of_each(server: Server) -> None:
    request = tuning_request(server, "grids", parallel=2)
    config = request.pop("HyperParameterTuningJobConfig")
    objective = config.pop("HyperParameterTuningJobObjective")
    del config["ParameterRanges"]
    config |= {"Strategy": "Grid", "ResourceLimits": {"MaxParallelTrainingJobs": 2}}
    document = request.pop("TrainingJobDefinition") | {"TuningObjective": objective}
    one = {"CategoricalParameterRanges": GRID["CategoricalParameterRanges"][:1]}
    request |= {
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinitions": [
            document | {"DefinitionName": "two", "HyperParameterRanges": one},
            document | {"DefinitionName": "four", "HyperParameterRanges": GRID},
        ],
    }
    server.program = 'echo "#quality_metric: host=algo-1, test msd <loss>=1"'
    server.call("CreateHyperParameterTuningJob", **request)
    job = tuned(server, "grids")
    assert job["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6
    told = trials(server, "grids")
    assert sorted(each["TrainingJobDefinitionName"] for each in told) == ["four"] * 4 + ["two"] * 2
    tried = {
        str((each["TrainingJobDefinitionName"], each["TunedHyperParameters"])) for each in told
    }
    assert len(tried) == 6
