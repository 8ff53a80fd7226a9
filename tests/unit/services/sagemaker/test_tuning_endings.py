"""When tuning jobs and trials end early, and what a restart does to either."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker.service import SERVICE
from sagebrush.services.sagemaker.tuning import history, records, suggester
from sagebrush.services.sagemaker.tuning.records import Trial
from sagebrush.services.sagemaker.tuning.scheduling import scheduler_of

from .conftest import ACCOUNT, Server
from .tuning_example import (
    NAMED,
    described,
    start_tuning,
    trials,
    tune,
    tuned,
    values,
    wait_for_trials,
)

EPOCHS = {
    "CategoricalParameterRanges": [
        {"Name": "epochs", "Values": [str(number) for number in range(1, 9)]}
    ]
}
# Tells one objective per epoch, then waits to be stopped when it is a bad one.
CURVE = """
trap 'exit 0' TERM
for epoch in 1 2 3 4 5 6; do tell $epochs.$((9 - epoch)); done
if [ $epochs -gt 4 ]; then while :; do sleep 0.02; done; fi
"""


@pytest.mark.parametrize(
    ("criteria", "trials_run"),
    [
        ({"TargetObjectiveMetricValue": 4.0}, 2),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, 5),
    ],
    ids=["target", "patience"],
)
def test_completion_criteria(server: Server, criteria: dict[str, Any], trials_run: int) -> None:
    # The second trial is the best there will be.
    body = "case $TRAINING_JOB_NAME in *-001-*) tell 5;; *-002-*) tell 4;; *) tell 3.99;; esac"
    job = tune(
        server, "criteria", body, jobs=20, parallel=1, TuningJobCompletionCriteria=criteria
    )  # fmt: skip
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == trials_run
    details = job["TuningJobCompletionDetails"]
    assert details["NumberOfTrainingJobsObjectiveNotImproving"] == trials_run - 2


def test_convergence_is_told_and_ends_the_job_where_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_LEAST_TRIALS", 4)
    monkeypatch.setattr(history, "_CONVERGED_AFTER", 2)
    told = tune(server, "told", "tell 1", jobs=5, parallel=2)
    assert told["TrainingJobStatusCounters"]["Completed"] == 5
    assert told["TuningJobCompletionDetails"]["ConvergenceDetectedTime"] > told["CreationTime"]
    ended = tune(
        server, "ended", "tell 1", jobs=9, parallel=1,
        TuningJobCompletionCriteria={"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}},
    )  # fmt: skip
    assert ended["HyperParameterTuningJobStatus"] == "Completed"
    assert ended["TrainingJobStatusCounters"]["Completed"] == 4


def test_the_time_of_a_tuning_job_ends_its_trials(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_tuning(
        server, "timed", "tell 1; exec sleep 60", jobs=5, parallel=1,
        ResourceLimits={
            "MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 1, "MaxRuntimeInSeconds": 120,
        },
    )  # fmt: skip
    (first,) = wait_for_trials(server, "timed", 1)
    name = first["TrainingJobName"]
    server.wait(name, "Training")
    server.until(lambda: any(server.log(name).values()))
    now = server.platform.clock.now
    monkeypatch.setattr(type(server.platform.clock), "now", lambda _self: now() + 121)
    server.run(_wake(server))
    job = tuned(server, "timed")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1
    assert job["ConsumedResources"]["RuntimeInSeconds"] >= 120


async def _wake(server: Server) -> None:
    scheduler_of(server.platform).wake()


def test_early_stopping_ends_what_is_worse_than_the_median(server: Server) -> None:
    job = tune(
        server, "median", CURVE, jobs=8, parallel=1, Strategy="Grid", ParameterRanges=EPOCHS,
        TrainingJobEarlyStoppingType="Auto", RandomSeed=_seed_with_good_ones_first(),
    )  # fmt: skip
    by_epochs = {
        int(each["TunedHyperParameters"]["epochs"]): each for each in trials(server, "median")
    }
    assert [by_epochs[epochs]["TrainingJobStatus"] for epochs in range(1, 9)] == (
        ["Completed"] * 4 + ["Stopped"] * 4
    )
    assert all(each["ObjectiveStatus"] == "Succeeded" for each in by_epochs.values())
    assert job["TrainingJobStatusCounters"]["Stopped"] == 4
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"epochs": "1"}


def _seed_with_good_ones_first() -> int:
    from sagebrush.services.sagemaker.tuning.definitions import space_of
    from sagebrush.tuning.grid import grid_configuration

    space = space_of(EPOCHS)
    return next(
        seed
        for seed in range(10_000)
        if all(int(grid_configuration(space, seed, index)["epochs"]) <= 4 for index in range(4))
    )


def _hyperband(server: Server, name: str) -> list[tuple[str, str]]:
    tune(
        server, name, CURVE, jobs=8, parallel=1, Strategy="Hyperband", ParameterRanges=EPOCHS,
        StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 6}},
        RandomSeed=5,
    )  # fmt: skip
    return [
        (each["TunedHyperParameters"]["epochs"], each["TrainingJobStatus"])
        for each in trials(server, name)
    ]


def test_hyperband_stops_at_rungs_and_decides_the_same_again(server: Server) -> None:
    first = _hyperband(server, "rungs")
    assert "Stopped" in {status for _, status in first}
    rungs = _stops(server, "rungs")
    assert set(rungs) > {0}
    assert set(rungs) <= {0, 1, 3}
    second = _hyperband(server, "again")
    assert [epochs for epochs, _ in second] == [epochs for epochs, _ in first]
    assert _stops(server, "again") == rungs


def _stops(server: Server, name: str) -> list[int]:
    job = records.find_job(server.platform.db, ACCOUNT, server.region, name)
    assert job is not None
    return [each.stopped_at for each in records.trials_of(server.platform.db, job.id)]


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_a_tuning_job_goes_on_where_a_dead_server_left_it(
    own_server: Server, strategy: str
) -> None:
    server = own_server
    body = 'echo begun >> "$1/model/begun"; sleep 0.2; tell $mini_batch_size'
    start_tuning(server, "survivor", body, jobs=6, parallel=2, Strategy=strategy)
    for count in (1, 3):
        wait_for_trials(server, "survivor", count)
        server.abandon()
        server.start()
    job = tuned(server, "survivor")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 6
    told = trials(server, "survivor")
    numbers = [each["TrainingJobName"].split("-")[1] for each in told]
    assert numbers == [f"{number:03d}" for number in range(1, 7)]
    listed = server.call("ListTrainingJobs", MaxResults=100)["TrainingJobSummaries"]
    assert {each["TrainingJobName"] for each in listed} == {
        each["TrainingJobName"] for each in told
    }
    for each in told:
        assert server.transitions(each["TrainingJobName"]).count("Training") == 1
    if strategy == "Random":
        again = tune(server, "unharmed", "tell $mini_batch_size", jobs=6, parallel=2)
        assert values(server, "unharmed") == values(server, "survivor")
        assert (
            again["BestTrainingJob"]["TunedHyperParameters"]
            == (job["BestTrainingJob"]["TunedHyperParameters"])
        )


def test_a_server_that_dies_between_suggestion_and_trial_tries_each_once(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_server
    real = records.insert_trial

    def dies(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt  # as good as dead: the transaction is never committed

    start_tuning(server, "halfway", "tell $mini_batch_size", jobs=4, parallel=1)
    wait_for_trials(server, "halfway", 1)
    monkeypatch.setattr(records, "insert_trial", dies)
    with pytest.raises(KeyboardInterrupt):
        tuned(server, "halfway")
    monkeypatch.setattr(records, "insert_trial", real)
    server.abandon()
    server.start()
    job = tuned(server, "halfway")
    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    listed = server.call("ListTrainingJobs", MaxResults=100)["TrainingJobSummaries"]
    assert len(listed) == len(trials(server, "halfway")) == 4


def test_the_search_process_may_die_between_and_in_suggestions(server: Server) -> None:
    body = "sleep 0.1; tell $mini_batch_size"
    start_tuning(server, "orphaned", body, jobs=4, parallel=2, Strategy="Bayesian")
    search = scheduler_of(server.platform).suggester
    for count in (2, 3):
        wait_for_trials(server, "orphaned", count)
        process = search._process
        assert process is not None
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
    job = tuned(server, "orphaned")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 4


def test_a_search_process_that_cannot_be_had_fails_the_tuning_job(
    own_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(suggester.sys, "executable", str(tmp_path / "missing"))
    job = tune(own_server, "searchless", "tell 1", jobs=3, Strategy="Bayesian")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "the search process cannot be started" in job["FailureReason"]


def test_lists_are_filtered_sorted_and_paged(server: Server) -> None:
    for name, objective in (("list-b", "tell 1"), ("list-A", "exit 1"), ("other", "tell 1")):
        tune(server, name, objective, jobs=1)

    def names(**request: Any) -> list[str]:
        found, more = [], {}
        while True:
            page = server.call("ListHyperParameterTuningJobs", **request, **more)
            found += [each[NAMED] for each in page["HyperParameterTuningJobSummaries"]]
            if "NextToken" not in page:
                return found
            more = {"NextToken": page["NextToken"]}

    assert names() == ["list-A", "list-b", "other"]
    assert names(MaxResults=1) == ["list-A", "list-b", "other"]
    assert names(SortBy="CreationTime", MaxResults=2) == ["list-b", "list-A", "other"]
    assert names(SortOrder="Descending", MaxResults=2) == ["other", "list-b", "list-A"]
    assert names(SortBy="Status", MaxResults=1)[-1] == "list-A"
    assert names(NameContains="LIST") == ["list-A", "list-b"]
    assert names(StatusEquals="Failed") == ["list-A"]
    created = described(server, "list-A")["CreationTime"]
    assert names(CreationTimeAfter=created) == ["other"]
    assert names(CreationTimeBefore=created) == ["list-b"]
    modified = described(server, "list-A")["LastModifiedTime"]
    assert names(LastModifiedTimeAfter=modified) == ["other"]
    assert names(LastModifiedTimeBefore=modified) == ["list-b"]
    (shown,) = server.call("ListHyperParameterTuningJobs", StatusEquals="Failed")[
        "HyperParameterTuningJobSummaries"
    ]
    job = described(server, "list-A")
    assert shown["TrainingJobStatusCounters"] == job["TrainingJobStatusCounters"]
    assert shown["ResourceLimits"] == job["HyperParameterTuningJobConfig"]["ResourceLimits"]
    with pytest.raises(ApiError, match="pagination token is invalid"):
        names(NextToken="nonsense")


def test_trials_are_filtered_sorted_and_paged(server: Server) -> None:
    body = "case $TRAINING_JOB_NAME in *-002-*) exit 1;; esac; tell $mini_batch_size"
    tune(server, "many", body, jobs=5)
    everything = trials(server, "many")
    for by in ("Name", "CreationTime", "Status", "FinalObjectiveMetricValue"):
        upward = trials(server, "many", SortBy=by, MaxResults=2)
        downward = trials(server, "many", SortBy=by, SortOrder="Descending", MaxResults=2)
        assert downward == upward[::-1]
        if by in ("Name", "CreationTime"):
            assert upward == everything
    objectives = [
        each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for each in trials(server, "many", SortBy="FinalObjectiveMetricValue", MaxResults=2)
    ]
    assert objectives == sorted(objectives)
    assert len(objectives) == 4
    assert trials(server, "many", SortBy="Status")[-1]["TrainingJobStatus"] == "Failed"
    (failed,) = trials(server, "many", StatusEquals="Failed")
    assert failed == everything[1]
    assert trials(server, "many", StatusEquals="InProgress") == []


def test_the_servers_status_counts_tuning_jobs(own_server: Server) -> None:
    tune(own_server, "counted", "exit 1", jobs=1)
    assert SERVICE.status is not None
    assert SERVICE.status(own_server.platform)["tuning_jobs"] == {"Failed": 1}


def test_search_finds_tuning_jobs(server: Server) -> None:
    tags = [{"Key": "team", "Value": "red"}]
    tune(server, "found", "tell 1", jobs=1, top={"Tags": tags})
    tune(server, "hidden", "tell 1", jobs=1)
    filters = [{"Name": "Tags.team", "Operator": "Equals", "Value": "red"}]
    (result,) = server.call(
        "Search", Resource="HyperParameterTuningJob", SearchExpression={"Filters": filters}
    )["Results"]
    job = result["HyperParameterTuningJob"]
    assert job[NAMED] == "found"
    assert job["Tags"] == tags
    assert job["BestTrainingJob"]["ObjectiveStatus"] == "Succeeded"


def _trial(number: int, objective: float | None) -> Trial:
    return Trial(1, number, number, f"t-{number}", 0, {}, objective=objective)


def test_an_improvement_is_one_of_more_than_one_percent() -> None:
    class Definition:
        sign = 1.0

    curve = [10.0, 9.95, None, 9.85, 9.84]
    found = [_trial(number, value) for number, value in enumerate(curve, 1)]
    assert history.not_improving(found, [Definition()]) == 1  # type: ignore[list-item]
    assert history.not_improving(found[:2], [Definition()]) == 1  # type: ignore[list-item]


def test_a_configuration_that_failed_is_not_suggested_again(server: Server) -> None:
    body = "case $TRAINING_JOB_NAME in *-00[15]-*) tell $mini_batch_size;; *) exit 1;; esac"
    tune(server, "failing", body, jobs=7, parallel=1, Strategy="Bayesian")
    tried = values(server, "failing")
    assert len({each["mini_batch_size"] for each in tried}) == len(tried) == 7
