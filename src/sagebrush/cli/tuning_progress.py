"""The trials of a tuning job as they end, and a bar that tells how far it is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

from sagebrush.cli.server_calls import SAGEMAKER, Refused, ServerCalls

_POLL_S = 0.3
_OVER = ("Completed", "Failed", "Stopped")
_BAR_WIDTH = 30
_PAGE = 100


def exists(service: ServerCalls, name: str) -> bool:
    """Whether there is a tuning job of that name."""
    try:
        _describe(service, name)
    except Refused:
        return False
    return True


def show(service: ServerCalls, name: str, *, follow: bool) -> int:
    """Print the trials that are over, and with ``follow`` those to come; 1 if the job failed."""
    bar = _Bar(sys.stderr)
    told: set[str] = set()
    while True:
        job = _describe(service, name)
        for trial in _trials(service, name):
            if trial["TrainingJobName"] not in told and trial["ObjectiveStatus"] != "Pending":
                told.add(trial["TrainingJobName"])
                bar.clear()
                print(_line(trial, job), flush=True)
        if job["HyperParameterTuningJobStatus"] in _OVER or not follow:
            break
        bar.draw(_progress(job))
        time.sleep(_POLL_S)
    bar.clear()
    print(_conclusion(job))
    return int(job["HyperParameterTuningJobStatus"] == "Failed")


def _describe(service: ServerCalls, name: str) -> dict[str, Any]:
    return service.call(
        SAGEMAKER, "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name
    )


def _trials(service: ServerCalls, name: str) -> Iterator[dict[str, Any]]:
    more: dict[str, str] = {}
    while True:
        page = service.call(
            SAGEMAKER,
            "ListTrainingJobsForHyperParameterTuningJob",
            HyperParameterTuningJobName=name,
            MaxResults=_PAGE,
            **more,
        )
        yield from page["TrainingJobSummaries"]
        if "NextToken" not in page:
            return
        more = {"NextToken": page["NextToken"]}


def _line(trial: dict[str, Any], job: dict[str, Any]) -> str:
    values = "  ".join(f"{k}={_short(v)}" for k, v in trial["TunedHyperParameters"].items())
    metric = trial.get("FinalHyperParameterTuningJobObjectiveMetric")
    if metric is None:
        result = trial.get("FailureReason", "told no objective")
    else:
        result = f"{metric['MetricName']}={metric['Value']:.6g}"
    best = job.get("BestTrainingJob", {}).get("TrainingJobName") == trial["TrainingJobName"]
    mark = "  (best so far)" if best else ""
    return f"{trial['TrainingJobName']}  {trial['TrainingJobStatus']:9}  {result}{mark}  {values}"


def _short(text: str) -> str:
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def _progress(job: dict[str, Any]) -> str:
    limits = job["HyperParameterTuningJobConfig"]["ResourceLimits"]
    counters = job["TrainingJobStatusCounters"]
    running = counters["InProgress"]
    done = sum(counters.values()) - running
    total = limits.get("MaxNumberOfTrainingJobs") or done + running
    filled = round(_BAR_WIDTH * done / max(total, 1))
    seconds = round(job.get("ConsumedResources", {}).get("RuntimeInSeconds", 0))
    parts = [
        f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {done}/{total}",
        f"{running} running",
        f"{seconds // 60}:{seconds % 60:02d}",
    ]
    best = job.get("BestTrainingJob", {}).get("FinalHyperParameterTuningJobObjectiveMetric")
    if best is not None:
        parts.append(f"best {best['Value']:.6g}")
    return "  ".join(parts)


def _conclusion(job: dict[str, Any]) -> str:
    status = job["HyperParameterTuningJobStatus"]
    counters = job["ObjectiveStatusCounters"]
    words = f"{status}: {counters['Succeeded']} trials with an objective"
    for count, what in ((counters["Failed"], "without"), (counters["Pending"], "running")):
        if count:
            words += f", {count} {what}"
    if reason := job.get("FailureReason"):
        words += f". {reason}"
    best = job.get("BestTrainingJob")
    if best is not None:
        metric = best["FinalHyperParameterTuningJobObjectiveMetric"]
        values = "  ".join(f"{k}={_short(v)}" for k, v in best["TunedHyperParameters"].items())
        words += f"\nBest: {best['TrainingJobName']}  {metric['MetricName']}"
        words += f"={metric['Value']:.6g}  {values}"
    return words


class _Bar:
    """One line at the bottom of a terminal; nothing where the output is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None

    def draw(self, words: str) -> None:
        """Show the words instead of those shown before."""
        if self._stream is not None:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{words[:width]}", end="", flush=True, file=self._stream)

    def clear(self) -> None:
        """Make room for a line of output."""
        if self._stream is not None:
            print("\r\x1b[K", end="", flush=True, file=self._stream)
