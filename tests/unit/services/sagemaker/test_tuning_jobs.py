"""Tuning jobs from creation to their end, as clients see them."""

from __future__ import annotations

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker.jobs import prepare

from .conftest import Server
from .tuning_example import (
    GRID,
    NAMED,
    described,
    kill_processes,
    start_tuning,
    trials,
    tune,
    tuned,
    values,
    wait_for_trials,
)


def test_a_tuning_job_finds_the_best_of_its_trials(server: Server) -> None:
    job = tune(server, "Search-1", "tell $mini_batch_size; echo m > $1/model/m", jobs=5)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 5, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0,
    }  # fmt: skip
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 5, "Pending": 0, "Failed": 0}
    told = trials(server, "Search-1")
    sizes = [int(each["TunedHyperParameters"]["mini_batch_size"]) for each in told]
    assert len(set(sizes)) == 5
    assert all(100 <= size <= 9999 for size in sizes)
    best = job["BestTrainingJob"]
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "MetricName": "test:msd", "Type": "Minimize", "Value": min(sizes),
    }  # fmt: skip
    assert best in told
    assert best["TrainingJobStatus"] == "Completed"
    assert best["ObjectiveStatus"] == "Succeeded"
    assert [each["TrainingJobName"][:12] for each in told] == [
        f"Search-1-00{number}" for number in range(1, 6)
    ]
    assert job["HyperParameterTuningJobArn"].endswith(":hyper-parameter-tuning-job/search-1")


def test_a_trial_is_a_training_job_like_any_other(server: Server) -> None:
    tags = [{"Key": "team", "Value": "blue"}]
    request = start_tuning(
        server, "children", "tell 1; echo m > $1/model/m", jobs=1, top={"Tags": tags}
    )
    arn = tuned(server, "children")["HyperParameterTuningJobArn"]
    (trial,) = trials(server, "children")
    child = server.call("DescribeTrainingJob", TrainingJobName=trial["TrainingJobName"])
    assert child["TuningJobArn"] == arn
    assert child["HyperParameters"] == {
        "k": "3",
        "feature_dim": "4",
        "_tuning_objective_metric": "test:msd",
        **trial["TunedHyperParameters"],
    }
    assert child["TrainingJobStatus"] == "Completed"
    assert child["CreationTime"] == trial["CreationTime"]
    assert server.call("ListTags", ResourceArn=child["TrainingJobArn"])["Tags"] == tags
    output = request["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"]
    assert child["ModelArtifacts"]["S3ModelArtifacts"].startswith(output)
    keys = server.keys(output.split("/")[2])
    assert f"out/{trial['TrainingJobName']}/output/model.tar.gz" in keys
    assert "out/children/tuning-report.html" in keys


def test_tags_of_a_tuning_job_reach_the_trials_begun_later(server: Server) -> None:
    start_tuning(server, "Tagged", 'wait_for "$1/go"; tell 1', jobs=2, parallel=1)
    first = _running(server, "Tagged", 1)
    arn = described(server, "Tagged")["HyperParameterTuningJobArn"]
    tags = [{"Key": "late", "Value": "yes"}]
    assert server.call("AddTags", ResourceArn=arn, Tags=tags)["Tags"] == tags
    assert server.call("ListTags", ResourceArn=arn)["Tags"] == tags
    (server.root(first) / "go").touch()
    second = _running(server, "Tagged", 2)
    (server.root(second) / "go").touch()
    tuned(server, "Tagged")
    found = [
        server.call("ListTags", ResourceArn=each["TrainingJobArn"])["Tags"]
        for each in trials(server, "Tagged")
    ]
    assert found == [[], tags]


def _running(server: Server, name: str, count: int) -> str:
    """Return the name of the newest trial once there are so many and it trains."""
    newest = wait_for_trials(server, name, count)[-1]["TrainingJobName"]
    server.wait(newest, "Training")
    return str(newest)


def test_trials_that_fail_tell_nothing_or_no_number_have_no_objective(server: Server) -> None:
    body = """
    case $init_method-$epochs in
    random-1) tell 5; exit 3;;
    random-2) echo silent;;
    kmeans++-1) tell 4; tell nan;;
    *) tell nan; tell 7; tell 6;;
    esac
    """
    job = tune(server, "troubled", body, jobs=4, Strategy="Grid", ParameterRanges=GRID)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 1, "Pending": 0, "Failed": 3}
    counters = job["TrainingJobStatusCounters"]
    assert (counters["Completed"], counters["NonRetryableError"]) == (3, 1)
    objective = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]
    assert objective["Value"] == 6.0
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {
        "init_method": "kmeans++", "epochs": "2",
    }  # fmt: skip
    failed = next(each for each in trials(server, "troubled") if "FailureReason" in each)
    assert failed["FailureReason"] == "AlgorithmError: , exit code: 3"
    assert failed["ObjectiveStatus"] == "Failed"
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in failed


def test_a_tuning_job_all_of_whose_trials_fail_is_failed(server: Server) -> None:
    job = tune(server, "hopeless", "exit 1", jobs=3)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("All training jobs failed.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 3
    assert "BestTrainingJob" not in job


def test_a_trial_that_hangs_is_stopped_with_what_it_has_told(server: Server) -> None:
    job = tune(
        server,
        "hanging",
        "tell 3; echo m > $1/model/m; exec sleep 60",
        jobs=1,
        definition_changes={"StoppingCondition": {"MaxRuntimeInSeconds": 1}},
    )
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1
    assert job["BestTrainingJob"]["TrainingJobStatus"] == "Stopped"
    child = server.call(
        "DescribeTrainingJob", TrainingJobName=job["BestTrainingJob"]["TrainingJobName"]
    )
    assert child["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_failures_of_the_platform_are_retried_and_count_as_retryable(server: Server) -> None:
    start_tuning(
        server,
        "retried",
        'wait_for "$1/go"; tell 1',
        jobs=1,
        definition_changes={"RetryStrategy": {"MaximumRetryAttempts": 1}},
    )
    name = _running(server, "retried", 1)
    for attempt in (1, 2):
        server.wait_for_attempt(name, attempt)
        kill_processes(server, name)
    job = tuned(server, "retried")
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1
    child = server.call("DescribeTrainingJob", TrainingJobName=name)
    assert child["RetryStrategy"] == {"MaximumRetryAttempts": 1}
    assert server.transitions(name).count("Training") == 2


def test_trials_stopped_or_deleted_by_the_user(server: Server) -> None:
    start_tuning(server, "handled", 'tell 8; wait_for "$1/go"; tell 9', jobs=2, parallel=1)
    first = _running(server, "handled", 1)
    server.until(lambda: any(server.log(first).values()))
    server.call("StopTrainingJob", TrainingJobName=first)
    second = _running(server, "handled", 2)
    server.call("DeleteTrainingJob", TrainingJobName=first)
    (server.root(second) / "go").touch()
    job = tuned(server, "handled")
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1
    told = trials(server, "handled")
    assert [each["TrainingJobName"] for each in told] == [first, second]
    assert [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in told] == [
        8.0,
        9.0,
    ]
    assert job["BestTrainingJob"]["TrainingJobName"] == first


def test_a_stopped_tuning_job_keeps_what_its_trials_saved(server: Server) -> None:
    body = 'trap "exit 0" TERM; tell 2; echo m > $1/model/m; while :; do sleep 0.05; done'
    request = start_tuning(server, "halted", body, jobs=9, parallel=2)
    running = wait_for_trials(server, "halted", 2)
    for each in running:
        name = each["TrainingJobName"]
        server.wait(name, "Training")
        server.until(lambda name=name: any(server.log(name).values()))
    server.call("StopHyperParameterTuningJob", **{NAMED: "halted"})
    server.call("StopHyperParameterTuningJob", **{NAMED: "halted"})
    assert described(server, "halted")["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
    job = tuned(server, "halted")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 2
    output = request["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"]
    keys = server.keys(output.split("/")[2])
    for each in running:
        assert f"out/{each['TrainingJobName']}/output/model.tar.gz" in keys
    with pytest.raises(ApiError, match="is in status Stopped"):
        server.call("StopHyperParameterTuningJob", **{NAMED: "halted"})


def test_a_bucket_that_disappears_fails_trials_not_the_server(server: Server) -> None:
    request = start_tuning(server, "bereft", 'wait_for "$1/go"; tell 1', jobs=1)
    name = _running(server, "bereft", 1)
    output = request["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"]
    server.platform.objects.buckets.delete(output.split("/")[2])
    (server.root(name) / "go").touch()
    job = tuned(server, "bereft")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "NoSuchBucket" in trials(server, "bereft")[0]["FailureReason"]


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Grid", "Hyperband"])
def test_every_strategy_comes_to_its_end_and_repeats_itself(server: Server, strategy: str) -> None:
    def run(name: str) -> list[dict[str, str]]:
        changes: dict[str, object] = {"jobs": 4, "parallel": 1, "Strategy": strategy}
        if strategy == "Grid":
            changes["ParameterRanges"] = GRID
        if strategy == "Hyperband":
            changes["StrategyConfig"] = {"HyperbandStrategyConfig": {"MaxResource": 9}}
        job = tune(server, name, "tell $mini_batch_size$epochs", **changes)
        assert job["HyperParameterTuningJobStatus"] == "Completed"
        assert job["ObjectiveStatusCounters"]["Succeeded"] == 4
        return values(server, name)

    first = run("first")
    assert len({str(each) for each in first}) == 4
    assert run("second") == first


def test_a_tuning_job_is_deleted_when_it_is_over_and_its_trials_stay(server: Server) -> None:
    start_tuning(server, "gone", 'wait_for "$1/go"; tell 1', jobs=1)
    name = _running(server, "gone", 1)
    with pytest.raises(ApiError, match="is in status InProgress and cannot be deleted") as caught:
        server.call("DeleteHyperParameterTuningJob", **{NAMED: "gone"})
    assert caught.value.code == "ResourceInUse"
    (server.root(name) / "go").touch()
    arn = tuned(server, "gone")["HyperParameterTuningJobArn"]
    server.call("DeleteHyperParameterTuningJob", **{NAMED: "GONE"})
    with pytest.raises(ApiError, match=r"Requested resource not found\."):
        described(server, "gone")
    with pytest.raises(ApiError, match="Could not find resource"):
        server.call("ListTags", ResourceArn=arn)
    child = server.call("DescribeTrainingJob", TrainingJobName=name)
    assert child["TuningJobArn"] == arn


def test_names_are_unique_whatever_their_case(server: Server) -> None:
    tune(server, "Mixed-Case", "tell 1", jobs=1)
    with pytest.raises(ApiError, match="must be unique") as caught:
        start_tuning(server, "mixed-CASE", "tell 1", jobs=1)
    assert caught.value.code == "ResourceInUse"
    assert described(server, "mixed-case")[NAMED] == "Mixed-Case"


def test_a_trial_does_not_go_on_from_the_checkpoints_of_another(server: Server) -> None:
    bucket = server.bucket()
    tune(
        server,
        "kept",
        "cd $1/checkpoints; echo >> rounds; tell $(wc -l < rounds)",
        jobs=2,
        parallel=1,
        definition_changes={"CheckpointConfig": {"S3Uri": f"s3://{bucket}/kept/"}},
    )
    found = trials(server, "kept")
    metric = "FinalHyperParameterTuningJobObjectiveMetric"
    assert [each[metric]["Value"] for each in found] == [1.0, 1.0]
    for each in found:
        name = each["TrainingJobName"]
        config = server.call("DescribeTrainingJob", TrainingJobName=name)["CheckpointConfig"]
        assert config["S3Uri"] == f"s3://{bucket}/kept/{name}"
        assert server.read(bucket, f"kept/{name}/rounds") == b"\n"


def test_trials_share_the_machine_from_the_first_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "machine_cpu_count", lambda: 2)
    tune(server, "pair", "tell $OMP_NUM_THREADS", jobs=2, parallel=2)
    tune(server, "alone", "tell $OMP_NUM_THREADS", jobs=1, parallel=2)
    metric = "FinalHyperParameterTuningJobObjectiveMetric"
    assert [each[metric]["Value"] for each in trials(server, "pair")] == [1.0, 1.0]
    assert [each[metric]["Value"] for each in trials(server, "alone")] == [2.0]
