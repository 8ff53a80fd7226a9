"""`sagebrush logs JOB`: what a job, or an endpoint's model servers, printed."""

from __future__ import annotations

import argparse
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, cast

from sagebrush.base.errors import ConfigurationError
from sagebrush.base.settings import DEFAULT_ACCOUNT, DEFAULT_REGION
from sagebrush.cli.options import add_endpoint, running_endpoint

_POLL_S = 0.3
_TIMEOUT_S = 30.0
_LOGS = "Logs_20140328"
_SAGEMAKER = "SageMaker"
_OVER = ("Completed", "Failed", "Stopped", "Deleted")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_endpoint(parser)
    parser.add_argument("job", help="name of a training job or of an endpoint")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the job ends (Ctrl-C to leave)"
    )
    parser.add_argument("--region", default=DEFAULT_REGION, help="region (%(default)s)")
    parser.add_argument("--account", default=DEFAULT_ACCOUNT, help="account (%(default)s)")


def command(parsed: argparse.Namespace) -> int:
    """Print the lines; 1 when the job or endpoint failed."""
    service = _Service(running_endpoint(parsed), parsed.region, parsed.account)
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


class _Refused(Exception):
    """The server answered an error; `code` is AWS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Service:
    """Calls of the server's JSON services, unsigned: for a server that checks none."""

    def __init__(self, endpoint: str, region: str, account: str) -> None:
        self._endpoint = endpoint
        self._scope = f"AWS4-HMAC-SHA256 Credential={account}/00000000/{region}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, target: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer.

        Raises:
            _Refused: the service refused the call.
            ConfigurationError: nothing answers.
        """
        signing_name = "logs" if target == _LOGS else "sagemaker"
        request = urllib.request.Request(  # noqa: S310 - the user's own server
            f"{self._endpoint}/",
            json.dumps(parameters).encode(),
            {
                "content-type": "application/x-amz-json-1.1",
                "x-amz-target": f"{target}.{operation}",
                "authorization": f"{self._scope}/{signing_name}/aws4_request, SignedHeaders=host,"
                " Signature=0",
            },
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return cast("dict[str, Any]", json.load(answer))
        except urllib.error.HTTPError as error:
            body = json.loads(error.read() or b"{}")
            code = str(body.get("__type", error.code)).rpartition("#")[2]
            message = body.get("message") or body.get("Message") or str(error)
            raise _Refused(code, message) from None
        except OSError as error:
            raise ConfigurationError(f"no server answers at {self._endpoint}: {error}") from None


def _find(service: _Service, name: str) -> tuple[str, str, str]:
    """Return kind, log group and stream prefix of what is called `name`."""
    try:
        service.call(_SAGEMAKER, "DescribeTrainingJob", TrainingJobName=name)
    except _Refused as error:
        refused = error
    else:
        return "training job", "/aws/sagemaker/TrainingJobs", f"{name}/"
    try:
        service.call(_SAGEMAKER, "DescribeEndpoint", EndpointName=name)
    except _Refused:
        if "Signature" in refused.code or "Token" in refused.code or "Client" in refused.code:
            hint = "this server checks signatures: use `aws logs tail` with your keys"
            raise ConfigurationError(f"{refused} ({hint})") from None
        raise ConfigurationError(f"there is no training job and no endpoint {name!r}") from None
    return "endpoint", f"/aws/sagemaker/Endpoints/{name}", ""


def _status(service: _Service, kind: str, name: str) -> dict[str, str]:
    """Return the name of the status, and the reason of a failure."""
    try:
        if kind == "endpoint":
            told = service.call(_SAGEMAKER, "DescribeEndpoint", EndpointName=name)
        else:
            told = service.call(_SAGEMAKER, "DescribeTrainingJob", TrainingJobName=name)
    except _Refused:
        # It was there a moment ago.
        return {"name": "Deleted", "reason": ""}
    status = told.get("EndpointStatus") or told["TrainingJobStatus"]
    return {"name": status, "reason": told.get("FailureReason", "")}


def _new_lines(
    service: _Service, group: str, prefix: str, positions: dict[str, str]
) -> Iterator[str]:
    """Yield the lines not yet shown; `positions` keeps the forward token of each stream."""
    try:
        streams = _streams(service, group, prefix)
    except _Refused as error:
        if error.code == "ResourceNotFoundException":
            return
        raise
    for stream in streams:
        label = f"{stream.removeprefix(prefix)}  " if len(streams) > 1 else ""
        while True:
            token = positions.get(stream)
            page = service.call(
                _LOGS,
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


def _streams(service: _Service, group: str, prefix: str) -> list[str]:
    parameters = {"logGroupName": group} | ({"logStreamNamePrefix": prefix} if prefix else {})
    names: list[str] = []
    while True:
        page = service.call(_LOGS, "DescribeLogStreams", **parameters)
        names.extend(stream["logStreamName"] for stream in page["logStreams"])
        if "nextToken" not in page:
            return names
        parameters["nextToken"] = page["nextToken"]
