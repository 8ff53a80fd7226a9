"""InvokeEndpoint: the hot path. Nothing is looked up that the fleet does not hold in memory."""

from __future__ import annotations

import time
from typing import Any

from sagebrush.engines.fleets import FleetError, NoSuchInstanceError, NotReadyError, Variant
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.capture.capturing import capture
from sagebrush.services.sagemaker_runtime.components import address_of_component
from sagebrush.services.sagemaker_runtime.container_metrics import count_containers
from sagebrush.services.sagemaker_runtime.exchanges import Exchange, Reply
from sagebrush.services.sagemaker_runtime.failures import bad_answer, check_size, no_answer
from sagebrush.services.sagemaker_runtime.mirroring import mirror
from sagebrush.services.sagemaker_runtime.refusals import check_kind
from sagebrush.services.sagemaker_runtime.request_metrics import count
from sagebrush.services.sagemaker_runtime.sessions import (
    instance_of_session,
    no_session,
    note_session,
)
from sagebrush.services.served import Served


async def invoke_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Send the body to a model server and return its answer as it came."""
    check_size(request)
    exchange = Exchange(request, context.request_id)
    reply, variant = await _ask(context, request, exchange)
    answer = reply.answer
    if not 200 <= answer.status < 300:
        raise bad_answer(context, request, reply.container, answer.status, answer.body)
    served: Served = variant.traits
    if served.captured:
        capture(context, served, variant.name, request, answer)
    session = {}
    if "SessionId" in request:
        session = note_session(context, request, exchange.instance_key, answer)
    return session | {
        "Body": answer.body,
        "ContentType": answer.headers.get("content-type"),
        "InvokedProductionVariant": variant.name,
        "CustomAttributes": answer.headers.get("x-amzn-sagemaker-custom-attributes"),
    }


async def _ask(
    context: Context, request: dict[str, Any], exchange: Exchange
) -> tuple[Reply, Variant]:
    """Return the reply and the variant it is of; count the invocation."""
    name, target = request["EndpointName"], request.get("TargetVariant")
    address = f"{context.account}/{context.region}/{name}"
    check_kind(context.platform, address, name)
    if "InferenceComponentName" in request:
        address = address_of_component(context, request, address)
    started = time.perf_counter()
    try:
        reply, variant = await context.platform.fleets.invoke(
            address,
            exchange,
            target=target,
            instance_key=instance_of_session(context, request),
        )
    except NoSuchInstanceError:
        raise no_session(request["SessionId"], name) from None
    except FleetError as error:
        if error.variant is not None and not isinstance(error, NotReadyError):
            count(context, name, error.variant, 0, started)
            if error.variant.traits.shadow is not None:
                mirror(context, request, error.variant)
        raise no_answer(context, request, error) from None
    count(context, name, variant, reply.answer.status, started)
    if variant.traits.shadow is not None:
        mirror(context, request, variant)
    if reply.latencies:
        total_s = time.perf_counter() - context.began
        count_containers(context, variant.traits, variant.name, reply, total_s)
    return reply, variant
