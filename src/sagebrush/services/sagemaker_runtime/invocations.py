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
    compose,
)
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.request_metrics import Outcome, metrics_of

_TIMEOUT_S = 60.0
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
    started = time.perf_counter()
    answer, variant = await _ask(context, name, message, request.get("TargetVariant"))
    model_s = time.perf_counter() - started
    outcome = Outcome(variant, answer.status, model_s, context.platform.clock.now() - context.now)
    metrics_of(context.platform).count(context, name, outcome)
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
    address = f"{context.account}/{context.region}/{name}"
    try:
        return await context.platform.fleets.invoke(
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
    except ServerTimeoutError:
        text = "Your invocation timed out while waiting for a response from container primary"
        raise _failed_invocation(context, name, 0, text) from None
    except ServerLostError as error:
        text = f'Received server error (0) from primary with message "{error}"'
        raise _failed_invocation(context, name, 0, text) from None


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
    context: Context, name: str, status: int, message: str, original: str = ""
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
        OriginalMessage=original or message,
        LogStreamArn=context.arn("logs", f"log-group:{group}"),
    )
