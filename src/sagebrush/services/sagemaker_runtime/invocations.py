"""InvokeEndpoint: the hot path. Nothing is looked up that the fleet does not hold in memory."""

from __future__ import annotations

import time
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    Answer,
    NoSuchFleetError,
    NoSuchVariantError,
    NotReadyError,
    ServerLostError,
    ServerTimeoutError,
    Variant,
    compose,
)
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.request_metrics import Outcome, Place, metrics_of

_TIMEOUT_S = 60.0
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the"
    " latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_MAXIMUM_BODY_BYTES = 25 * 1024 * 1024
# Members of InvokeEndpoint that the model server sees, and the headers they become.
_PASSED_HEADERS = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceId": "x-amzn-sagemaker-inference-id",
}
_UNSUPPORTED = (
    "TargetModel",
    "TargetContainerHostname",
    "InferenceComponentName",
    "SessionId",
    "EnableExplanations",
)


async def invoke_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Send the body to a model server and return its answer as it came."""
    name = request["EndpointName"]
    for field in _UNSUPPORTED:
        if field in request:
            raise ApiError("ValidationError", f"{field} is not supported by this server.")
    body = request.get("Body", b"")
    if len(body) > _MAXIMUM_BODY_BYTES:
        raise ApiError(
            "ValidationError",
            f"The request body is larger than the limit of {_MAXIMUM_BODY_BYTES} bytes.",
        )
    headers = [
        (header, request[member]) for member, header in _PASSED_HEADERS.items() if member in request
    ]
    message = compose("POST", "/invocations", headers, body)
    answer, variant = await _ask(context, name, message, request.get("TargetVariant"))
    if not 200 <= answer.status < 300:
        raise _model_error(context, name, answer)
    return {
        "Body": answer.body,
        "ContentType": answer.headers.get("content-type"),
        "InvokedProductionVariant": variant,
        "CustomAttributes": answer.headers.get("x-amzn-sagemaker-custom-attributes"),
    }


async def _ask(
    context: Context, name: str, message: bytes, target: str | None
) -> tuple[Answer, str]:
    """Return the model server's answer and the name of its variant; count the invocation."""
    address = f"{context.account}/{context.region}/{name}"
    started = time.perf_counter()
    try:
        answer, variant = await context.platform.fleets.invoke(
            address, message, timeout_s=_TIMEOUT_S, target=target
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
        text = _TIMED_OUT if isinstance(error, ServerTimeoutError) else str(error)
        message_text = f'Received server error (0) from primary with message "{text}"'
        raise _failed_invocation(context, name, 0, message_text, text) from None
    _count(context, name, variant, answer.status, started)
    return answer, variant.name


def _count(context: Context, name: str, variant: Variant, status: int, started: float) -> None:
    platform = context.platform
    model_s = time.perf_counter() - started
    total_s = platform.clock.now() - context.now
    place = Place(context.account, context.region, name, variant.name)
    outcome = Outcome(status, model_s, total_s, variant.healthy_count)
    metrics_of(platform).count(place, context.now, outcome)


def _model_error(context: Context, name: str, answer: Answer) -> ApiError:
    kind = "server" if answer.status >= 500 else "client"
    text = answer.body.decode("utf-8", "replace")
    return _failed_invocation(
        context,
        name,
        answer.status,
        f'Received {kind} error ({answer.status}) from primary with message "{text}"',
        text,
    )


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
