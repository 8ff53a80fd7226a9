"""Which invocations are captured, and from where their captures go on."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.fleets import Answer
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.capture.lines import Invocation, line_of
from sagebrush.services.sagemaker_runtime.capture.spool import Destination, spool_of
from sagebrush.services.served import Served

_WORKER = "endpoint data capture sampling"


def capture(
    context: Context, served: Served, variant: str, request: dict[str, Any], answer: Answer
) -> None:
    """Keep an invocation if the endpoint's configuration wants it and its turn has come."""
    config = served.config["DataCaptureConfig"]
    if not _is_sampled(context, served, config["InitialSamplingPercentage"]):
        return
    invocation = Invocation(
        context.now,
        request.get("Body", b""),
        request.get("ContentType"),
        answer.body,
        answer.headers.get("content-type"),
        request.get("InferenceId"),
        request.get("CustomAttributes"),
    )
    destination = Destination(
        served.account, served.region, config["DestinationS3Uri"], served.endpoint, variant
    )
    spool_of(context.platform).append(destination, context.now, line_of(invocation, config))


def _is_sampled(context: Context, served: Served, percentage: int) -> bool:
    """Whether this invocation is one of `percentage` in 100, evenly spread."""
    turns: dict[str, int] = context.platform.workers.setdefault(_WORKER, {})
    address = f"{served.account}/{served.region}/{served.endpoint}"
    turn = turns.get(address, 0) + percentage
    turns[address] = turn % 100
    return turn >= 100
