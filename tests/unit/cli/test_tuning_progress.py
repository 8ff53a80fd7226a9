"""What `sagebrush logs` tells of a tuning job."""

import io

import pytest

from sagebrush.cli import tuning_progress
from sagebrush.cli.server_calls import Refused


def job(status: str, done: int, running: int, **members) -> dict:
    return {
        "HyperParameterTuningJobStatus": status,
        "HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxNumberOfTrainingJobs": 4}},
        "TrainingJobStatusCounters": {"Completed": done, "InProgress": running},
        "ObjectiveStatusCounters": {"Succeeded": done, "Pending": running, "Failed": 0},
        "ConsumedResources": {"RuntimeInSeconds": 75},
        **members,
    }


def trial(number: int, value: float | None, **members) -> dict:
    told = {
        "TrainingJobName": f"tune-{number:03d}-ab",
        "TrainingJobStatus": "Completed" if value is not None else "Failed",
        "ObjectiveStatus": "Succeeded" if value is not None else "Failed",
        "TunedHyperParameters": {"eta": "0.123456789", "kind": "gbtree"},
        **members,
    }
    if value is not None:
        metric = {"MetricName": "validation:rmse", "Value": value, "Type": "Minimize"}
        told["FinalHyperParameterTuningJobObjectiveMetric"] = metric
    return told


class Server:
    """Answers with one state after the other, and lists in pages of one."""

    def __init__(self, *states: tuple[dict, list[dict]]) -> None:
        self.states = list(states)
        self.trials: list[dict] = []

    def call(self, target: str, operation: str, **parameters) -> dict:
        if operation == "DescribeHyperParameterTuningJob":
            if parameters["HyperParameterTuningJobName"] != "tune":
                raise Refused("ValidationException", "Requested resource not found.")
            told, self.trials = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return told
        start = int(parameters.get("NextToken", 0))
        page = {"TrainingJobSummaries": self.trials[start : start + 1]}
        return page | ({"NextToken": str(start + 1)} if start + 1 < len(self.trials) else {})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(tuning_progress, "_POLL_S", 0.0)


FIRST, SECOND = trial(1, 2.5), trial(2, 1.25)
BEST = {"BestTrainingJob": SECOND}


def test_trials_are_told_once_as_they_end_and_the_best_at_the_end(capsys):
    running = trial(2, None, ObjectiveStatus="Pending", TrainingJobStatus="InProgress")
    server = Server(
        (job("InProgress", 1, 1, BestTrainingJob=FIRST), [FIRST, running]),
        (job("InProgress", 2, 0, **BEST), [FIRST, SECOND]),
        (job("Completed", 2, 0, **BEST), [FIRST, SECOND]),
    )
    assert tuning_progress.show(server, "tune", follow=True) == 0
    assert capsys.readouterr().out.splitlines() == [
        "tune-001-ab  Completed  validation:rmse=2.5  (best so far)  eta=0.1235  kind=gbtree",
        "tune-002-ab  Completed  validation:rmse=1.25  (best so far)  eta=0.1235  kind=gbtree",
        "Completed: 2 trials with an objective",
        "Best: tune-002-ab  validation:rmse=1.25  eta=0.1235  kind=gbtree",
    ]


def test_without_following_it_tells_what_there_is(capsys):
    server = Server((job("InProgress", 1, 1, BestTrainingJob=FIRST), [FIRST]))
    assert tuning_progress.show(server, "tune", follow=False) == 0
    assert "InProgress: 1 trials with an objective, 1 running" in capsys.readouterr().out


def test_a_failed_job_says_why(capsys):
    broken = trial(1, None, FailureReason="ClientError: no such file")
    server = Server((job("Failed", 0, 0, FailureReason="All training jobs failed."), [broken]))
    assert tuning_progress.show(server, "tune", follow=True) == 1
    out = capsys.readouterr().out
    assert "tune-001-ab  Failed     ClientError: no such file  eta=" in out
    assert "All training jobs failed." in out


def test_a_terminal_shows_a_bar_that_makes_room_for_lines(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    server = Server(
        (job("InProgress", 1, 1, BestTrainingJob=FIRST), [FIRST]),
        (job("Completed", 2, 0, **BEST), [FIRST, SECOND]),
    )
    tuning_progress.show(server, "tune", follow=True)
    drawn = terminal.getvalue()
    assert "[########......................] 1/4  1 running  1:15  best 2.5" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_whether_a_name_is_a_tuning_job():
    server = Server((job("Completed", 0, 0), []))
    assert tuning_progress.exists(server, "tune")
    assert not tuning_progress.exists(server, "other")
