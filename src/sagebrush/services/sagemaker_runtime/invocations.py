"""InvokeEndpoint: the hot path. Nothing is looked up that the fleet does not hold in memory."""

from __future__ import annotations

import time
from typing import Any

from sagebrush.engines.fleets import (
    Answer,
    Attempt,
    FleetError,
    NoSuchInstanceError,
    NotReadyError,
    Outcome,
    Variant,
)
from sagebrush.services.declaration import Respond
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.capture.capturing import capture
from sagebrush.services.sagemaker_runtime.components import address_of_component
from sagebrush.services.sagemaker_runtime.container_metrics import count_containers
from sagebrush.services.sagemaker_runtime.exchanges import TIMEOUT_S, Exchange, Reply
from sagebrush.services.sagemaker_runtime.failures import bad_answer, check_size, no_answer
from sagebrush.services.sagemaker_runtime.mirroring import mirror
from sagebrush.services.sagemaker_runtime.refusals import check_kind, is_asynchronous
from sagebrush.services.sagemaker_runtime.request_metrics import count
from sagebrush.services.sagemaker_runtime.sessions import (
    instance_of_session,
    no_session,
    note_session,
)
from sagebrush.services.served import Served

# The members of requests that one model server alone can answer.
_PROMPT_MEMBERS = frozenset(
    {"EndpointName", "Body", "ContentType", "Accept", "CustomAttributes", "InferenceId"}
)


async def invoke_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Send the body to a model server and return its answer as it came."""
    check_size(request)
    exchange = Exchange(request, context.request_id)
    return await _invoke(context, request, exchange, time.perf_counter())


def begin_invoke_endpoint(context: Context, request: dict[str, Any], respond: Respond) -> bool:
    """Invoke an endpoint within calls of the event loop, without a task for each request.

    What turns out to be more than one model server's answer goes on as any other invocation.
    """
    if not _PROMPT_MEMBERS.issuperset(request):
        return False
    name, fleets = request["EndpointName"], context.platform.fleets
    address = f"{context.account}/{context.region}/{name}"
    if is_asynchronous(context.platform, address):
        return False
    started = time.perf_counter()
    try:
        variant, instance = fleets.choose(address)
    except FleetError:
        return False
    exchange = Exchange(request, context.request_id)

    def go_on(outcome: Outcome | None = None) -> None:
        if outcome is not None:
            exchange.begin_with(outcome)
        elapsed_s = time.perf_counter() - started
        attempt = Attempt(variant, instance, time.monotonic() - elapsed_s)
        respond(_invoke(context, request, exchange, started, attempt))

    def answered(outcome: Outcome) -> None:
        if not isinstance(outcome, Answer) or not 200 <= outcome.status < 300:
            go_on(outcome)
            return
        try:
            count(context, name, variant, outcome.status, started)
        finally:
            respond(_told(outcome, variant))

    served: Served = variant.traits
    if not (served.prompt and instance.sole.ask(exchange.message, TIMEOUT_S, answered)):
        go_on()
    return True


async def _invoke(
    context: Context,
    request: dict[str, Any],
    exchange: Exchange,
    started: float,
    first: Attempt | None = None,
) -> dict[str, Any]:
    reply, variant = await _ask(context, request, exchange, started, first)
    answer = reply.answer
    if not 200 <= answer.status < 300:
        raise bad_answer(context, request, reply.container, answer.status, answer.body)
    served: Served = variant.traits
    if served.captured:
        capture(context, served, variant.name, request, answer)
    session = {}
    if "SessionId" in request:
        session = note_session(context, request, exchange.instance_key, answer)
    return session | _told(answer, variant)


def _told(answer: Answer, variant: Variant) -> dict[str, Any]:
    """Return what the client is told of an answer."""
    return {
        "Body": answer.body,
        "ContentType": answer.headers.get("content-type"),
        "InvokedProductionVariant": variant.name,
        "CustomAttributes": answer.headers.get("x-amzn-sagemaker-custom-attributes"),
    }


async def _ask(
    context: Context,
    request: dict[str, Any],
    exchange: Exchange,
    started: float,
    first: Attempt | None,
) -> tuple[Reply, Variant]:
    """Return the reply and the variant it is of; count the invocation."""
    name, target = request["EndpointName"], request.get("TargetVariant")
    address = f"{context.account}/{context.region}/{name}"
    check_kind(context.platform, address, name)
    if "InferenceComponentName" in request:
        address = address_of_component(context, request, address)
    try:
        reply, variant = await context.platform.fleets.invoke(
            address,
            exchange,
            target=target,
            instance_key=instance_of_session(context, request),
            first=first,
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
