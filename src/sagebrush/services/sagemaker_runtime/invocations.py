"""InvokeEndpoint: the hot path. Nothing is looked up that the fleet does not hold in memory."""

from __future__ import annotations

import time
from typing import Any

from sagebrush.engines.fleets import FleetError, NotReadyError, Variant
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.capture.capturing import capture
from sagebrush.services.sagemaker_runtime.container_metrics import count_containers
from sagebrush.services.sagemaker_runtime.exchanges import Exchange, Reply
from sagebrush.services.sagemaker_runtime.failures import bad_answer, check_size, no_answer
from sagebrush.services.sagemaker_runtime.request_metrics import count
from sagebrush.services.served import Served


async def invoke_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Send the body to a model server and return its answer as it came."""
    check_size(request)
    reply, variant = await _ask(context, request)
    answer = reply.answer
    if not 200 <= answer.status < 300:
        name = request["EndpointName"]
        raise bad_answer(context, name, reply.container, answer.status, answer.body)
    served: Served = variant.traits
    if served.captured:
        capture(context, served, variant.name, request, answer)
    return {
        "Body": answer.body,
        "ContentType": answer.headers.get("content-type"),
        "InvokedProductionVariant": variant.name,
        "CustomAttributes": answer.headers.get("x-amzn-sagemaker-custom-attributes"),
    }


async def _ask(context: Context, request: dict[str, Any]) -> tuple[Reply, Variant]:
    """Return the reply and the variant it is of; count the invocation."""
    name, target = request["EndpointName"], request.get("TargetVariant")
    address = f"{context.account}/{context.region}/{name}"
    started = time.perf_counter()
    try:
        reply, variant = await context.platform.fleets.invoke(
            address, Exchange(request, context.request_id), target=target
        )
    except FleetError as error:
        if error.variant is not None and not isinstance(error, NotReadyError):
            count(context, name, error.variant, 0, started)
        raise no_answer(context, request, error) from None
    count(context, name, variant, reply.answer.status, started)
    if reply.latencies:
        total_s = time.perf_counter() - context.began
        count_containers(context, variant.traits, variant.name, reply, total_s)
    return reply, variant
