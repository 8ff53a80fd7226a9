"""InvokeEndpointAsync: a request is a row before it is acknowledged."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.objects import InvalidLocation, parse_s3_uri
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.asynchronous import records
from sagebrush.services.sagemaker_runtime.asynchronous.queue import Queue
from sagebrush.services.sagemaker_runtime.asynchronous.queues import queues_of
from sagebrush.services.sagemaker_runtime.refusals import no_such_endpoint, wrong_kind

_DEFAULT_TTL_S = 21_600
_MAXIMUM_BODY_BYTES = 128_000
_KEPT = (
    *("ContentType", "Accept", "CustomAttributes", "InputLocation", "InvocationTimeoutSeconds"),
)


def invoke_endpoint_async(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Put a request into the queue of its endpoint and tell where the answer will be."""
    queue = _queue(context, request["EndpointName"])
    body = request.get("Body") or None
    _check_input(request, body)
    inference_id: str = request.get("InferenceId") or str(uuid.uuid4())
    locations = _locations(queue, request, inference_id)
    members = {name: request[name] for name in _KEPT if name in request} | locations
    records.add(
        context.db,
        queue.endpoint.address,
        inference_id,
        context.now,
        context.now + request.get("RequestTTLSeconds", _DEFAULT_TTL_S),
        members,
        body,
    )
    # Once the row is committed, which is before anything else runs.
    asyncio.get_running_loop().call_soon(queue.wake)
    return {"InferenceId": inference_id, **locations}


def _queue(context: Context, name: str) -> Queue:
    address = f"{context.account}/{context.region}/{name}"
    queue = queues_of(context.platform).find(address)
    if queue is not None:
        return queue
    if address not in context.platform.fleets.addresses:
        raise no_such_endpoint(name, context.account)
    raise wrong_kind(name, "Realtime")


def _check_input(request: dict[str, Any], body: bytes | None) -> None:
    location = request.get("InputLocation")
    if (location is None) == (body is None):
        raise ApiError("ValidationError", "Provide exactly one of InputLocation and Body.")
    if body is not None and len(body) > _MAXIMUM_BODY_BYTES:
        raise ApiError(
            "ValidationError",
            f"The inline payload is larger than the limit of {_MAXIMUM_BODY_BYTES} bytes.",
        )
    if location is not None:
        try:
            parse_s3_uri(location)
        except InvalidLocation:
            raise ApiError(
                "ValidationError", f"InputLocation {location} names no object in Amazon S3."
            ) from None


def _locations(queue: Queue, request: dict[str, Any], inference_id: str) -> dict[str, str]:
    output = queue.endpoint.output
    name = request.get("Filename", f"{inference_id}.out")
    extension = request.get("S3OutputPathExtension", "").strip("/")
    parts = [output["S3OutputPath"].rstrip("/"), *([extension] if extension else []), name]
    locations = {"OutputLocation": "/".join(parts)}
    if "S3FailurePath" in output:
        folder = output["S3FailurePath"].rstrip("/")
        locations["FailureLocation"] = f"{folder}/{inference_id}-error.out"
    return locations
