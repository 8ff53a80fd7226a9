"""`sagebrush logs JOB`: what a job, or an endpoint's model servers, printed.

Of a tuning job it tells the trials.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import NamedTuple

from sagebrush.base.errors import ConfigurationError
from sagebrush.base.settings import DEFAULT_ACCOUNT, DEFAULT_REGION
from sagebrush.cli import tuning_progress
from sagebrush.cli.options import add_endpoint, running_endpoint
from sagebrush.cli.server_calls import LOGS, SAGEMAKER, Refused, ServerCalls


class _Kind(NamedTuple):
    """What has logs: how it is described, and the log group it has or is in."""

    noun: str
    operation: str
    member: str
    status: str
    group: str
    is_job: bool


_KINDS = (
    _Kind(
        *("training job", "DescribeTrainingJob", "TrainingJobName", "TrainingJobStatus"),
        *("/aws/sagemaker/TrainingJobs", True),
    ),
    _Kind(
        *("transform job", "DescribeTransformJob", "TransformJobName", "TransformJobStatus"),
        *("/aws/sagemaker/TransformJobs", True),
    ),
    _Kind(
        *("endpoint", "DescribeEndpoint", "EndpointName", "EndpointStatus"),
        *("/aws/sagemaker/Endpoints", False),
    ),
    _Kind(
        *("inference component", "DescribeInferenceComponent", "InferenceComponentName"),
        *("InferenceComponentStatus", "/aws/sagemaker/InferenceComponents", False),
    ),
)
_POLL_S = 0.3
_OVER = ("Completed", "Failed", "Stopped", "Deleted")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_endpoint(parser)
    parser.add_argument(
        "job", help="name of a training, tuning or transform job, endpoint or component"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the job ends (Ctrl-C to leave)"
    )
    parser.add_argument("--region", default=DEFAULT_REGION, help="region (%(default)s)")
    parser.add_argument("--account", default=DEFAULT_ACCOUNT, help="account (%(default)s)")


def command(parsed: argparse.Namespace) -> int:
    """Print the lines; 1 when the job, endpoint or component failed."""
    service = ServerCalls(running_endpoint(parsed), parsed.region, parsed.account)
    if tuning_progress.exists(service, parsed.job):
        return tuning_progress.show(service, parsed.job, follow=parsed.follow)
    kind, group, prefix = _find(service, parsed.job)
    shown: dict[str, str] = {}
    while True:
        status = _status(service, kind, parsed.job)
        for line in _new_lines(service, group, prefix, shown):
            print(line, flush=True)
        if not parsed.follow or status["name"] in _OVER:
            break
        time.sleep(_POLL_S)
    if status["name"] == "Failed":
        print(f"Failed: {status['reason'] or 'no reason was given'}")
        return 1
    return 0


def _find(service: ServerCalls, name: str) -> tuple[_Kind, str, str]:
    """Return kind, log group and stream prefix of what is called `name`."""
    refused: Refused | None = None
    for kind in _KINDS:
        try:
            service.call(SAGEMAKER, kind.operation, **{kind.member: name})
        except Refused as error:
            refused = error
            continue
        if kind.is_job:
            return kind, kind.group, f"{name}/"
        return kind, f"{kind.group}/{name}", ""
    assert refused is not None, "there are kinds"
    if "Signature" in refused.code or "Token" in refused.code or "Client" in refused.code:
        hint = "this server checks signatures: use `aws logs tail` with your keys"
        raise ConfigurationError(f"{refused} ({hint})")
    known = ", ".join(["tuning job", *(kind.noun for kind in _KINDS)])
    raise ConfigurationError(f"nothing is called {name!r} of these: {known}")


def _status(service: ServerCalls, kind: _Kind, name: str) -> dict[str, str]:
    """Return the name of the status, and the reason of a failure."""
    try:
        told = service.call(SAGEMAKER, kind.operation, **{kind.member: name})
    except Refused:
        # It was there a moment ago.
        return {"name": "Deleted", "reason": ""}
    return {"name": told[kind.status], "reason": told.get("FailureReason", "")}


def _new_lines(
    service: ServerCalls, group: str, prefix: str, positions: dict[str, str]
) -> Iterator[str]:
    """Yield the lines not yet shown; `positions` keeps the forward token of each stream."""
    try:
        streams = _streams(service, group, prefix)
    except Refused as error:
        if error.code == "ResourceNotFoundException":
            return
        raise
    for stream in streams:
        label = f"{stream.removeprefix(prefix)}  " if len(streams) > 1 else ""
        while True:
            token = positions.get(stream)
            page = service.call(
                LOGS,
                "GetLogEvents",
                logGroupName=group,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            positions[stream] = page["nextForwardToken"]
            yield from (label + event["message"] for event in page["events"])
            if positions[stream] == token or not page["events"]:
                break


def _streams(service: ServerCalls, group: str, prefix: str) -> list[str]:
    parameters = {"logGroupName": group} | ({"logStreamNamePrefix": prefix} if prefix else {})
    names: list[str] = []
    while True:
        page = service.call(LOGS, "DescribeLogStreams", **parameters)
        names.extend(stream["logStreamName"] for stream in page["logStreams"])
        if "nextToken" not in page:
            return names
        parameters["nextToken"] = page["nextToken"]
