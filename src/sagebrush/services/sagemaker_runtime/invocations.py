"""InvokeEndpoint: the hot path. Nothing is looked up that the fleet does not hold in memory."""

from __future__ import annotations

import time
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    NoSuchFleetError,
    NoSuchVariantError,
    NotReadyError,
    ServerLostError,
    ServerTimeoutError,
    Variant,
)
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.exchanges import Exchange, Reply
from sagebrush.services.sagemaker_runtime.request_metrics import Outcome, Place, metrics_of

_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {container}. Review the"
    " latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_MAXIMUM_BODY_BYTES = 25 * 1024 * 1024


async def invoke_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Send the body to a model server and return its answer as it came."""
    if len(request.get("Body", b"")) > _MAXIMUM_BODY_BYTES:
        raise ApiError(
            "ValidationError",
            f"The request body is larger than the limit of {_MAXIMUM_BODY_BYTES} bytes.",
        )
    reply, variant = await _ask(context, request)
    answer = reply.answer
    if not 200 <= answer.status < 300:
        raise _model_error(context, request["EndpointName"], reply)
    return {
        "Body": answer.body,
        "ContentType": answer.headers.get("content-type"),
        "InvokedProductionVariant": variant,
        "CustomAttributes": answer.headers.get("x-amzn-sagemaker-custom-attributes"),
    }


async def _ask(context: Context, request: dict[str, Any]) -> tuple[Reply, str]:
    """Return the reply and the name of the variant it is of; count the invocation."""
    name, target = request["EndpointName"], request.get("TargetVariant")
    address = f"{context.account}/{context.region}/{name}"
    started = time.perf_counter()
    try:
        reply, variant = await context.platform.fleets.invoke(
            address, Exchange(request), target=target
        )
    except NoSuchFleetError:
        raise ApiError(
            "ValidationError", f"Endpoint {name} of account {context.account} not found."
        ) from None
    except NoSuchVariantError:
        raise ApiError(
            "ValidationError", f"Variant {target} is not found in endpoint {name}."
        ) from None
    except NotReadyError as error:
        raise ApiError("ServiceUnavailable", f"Endpoint {name}: {error}") from None
    except (ServerTimeoutError, ServerLostError) as error:
        if error.variant is not None:
            _count(context, name, error.variant, 0, started)
        raise _no_answer(context, name, error) from None
    _count(context, name, variant, reply.answer.status, started)
    return reply, variant.name


def _count(context: Context, name: str, variant: Variant, status: int, started: float) -> None:
    platform = context.platform
    model_s = time.perf_counter() - started
    total_s = platform.clock.now() - context.now
    place = Place(context.account, context.region, name, variant.name)
    outcome = Outcome(status, model_s, total_s, variant.healthy_count)
    metrics_of(platform).count(place, context.now, outcome)


def _no_answer(
    context: Context, name: str, error: ServerTimeoutError | ServerLostError
) -> ApiError:
    text = str(error)
    if isinstance(error, ServerTimeoutError):
        text = _TIMED_OUT.format(container=error.container)
    message = f'Received server error (0) from {error.container} with message "{text}"'
    return _failed_invocation(context, name, 0, message, text)


def _model_error(context: Context, name: str, reply: Reply) -> ApiError:
    status = reply.answer.status
    kind = "server" if status >= 500 else "client"
    text = reply.answer.body.decode("utf-8", "replace")
    message = f'Received {kind} error ({status}) from {reply.container} with message "{text}"'
    return _failed_invocation(context, name, status, message, text)


def _failed_invocation(
    context: Context, name: str, status: int, message: str, original: str
) -> ApiError:
    group = f"/aws/sagemaker/Endpoints/{name}"
    where = (
        f"https://{context.region}.console.aws.amazon.com/cloudwatch/home?region={context.region}"
        f"#logEventViewer:group={group} in account {context.account}"
    )
    return ApiError(
        "ModelError",
        f"{message}. See {where} for more information.",
        OriginalStatusCode=status,
        OriginalMessage=original,
        LogStreamArn=context.arn("logs", f"log-group:{group}"),
    )
