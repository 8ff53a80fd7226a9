"""What SNS topics are told of an answered request.

The message is the one of the page "Check prediction results" of the developer guide. With
`IncludeInferenceResponseIn` the answer itself is in it, up to 128 KB, in base64.
"""

from __future__ import annotations

import base64
from typing import Any

import orjson

from sagebrush.engines.topics import TopicError
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime.asynchronous.records import Endpoint, Request
from sagebrush.wire.timestamps import format_iso8601_milliseconds

_LARGEST_RESPONSE_BYTES = 128 * 1024
_SUCCESS = ("SuccessTopic", "SUCCESS_NOTIFICATION_TOPIC")
_ERROR = ("ErrorTopic", "ERROR_NOTIFICATION_TOPIC")


def tell_success(
    platform: Platform, endpoint: Endpoint, request: Request, content_type: str, body: bytes
) -> bool:
    """Publish that a request was answered; False when that failed, True when nobody is told.

    Joins the transaction under way.
    """
    outcome = {
        "invocationStatus": "Completed",
        "responseParameters": {
            "contentType": content_type,
            "outputLocation": request.members["OutputLocation"],
        },
    }
    return _tell(platform, endpoint, request, _SUCCESS, outcome, "Inference succeeded.", body)


def tell_failure(
    platform: Platform, endpoint: Endpoint, request: Request, reason: str, body: bytes | None
) -> bool:
    """Publish that a request failed; False when that failed, True when nobody is told.

    `body` is what the model said, if it said anything. Joins the transaction under way.
    """
    outcome: dict[str, Any] = {"invocationStatus": "Failed", "failureReason": reason}
    if "FailureLocation" in request.members:
        outcome["responseParameters"] = {"outputLocation": request.members["FailureLocation"]}
    return _tell(platform, endpoint, request, _ERROR, outcome, reason, body)


def _tell(
    platform: Platform,
    endpoint: Endpoint,
    request: Request,
    topic_names: tuple[str, str],
    outcome: dict[str, Any],
    words: str,
    body: bytes | None,
) -> bool:
    member, name = topic_names
    config = endpoint.output.get("NotificationConfig", {})
    if member not in config:
        return True
    message = _message(platform, endpoint, request) | outcome
    if name in config.get("IncludeInferenceResponseIn", ()):
        message["responseBody"] = {"message": words}
        if body is not None and len(body) <= _LARGEST_RESPONSE_BYTES:
            content = base64.b64encode(body).decode("ascii")
            message["responseBody"] |= {"content": content, "encoding": "BASE64"}
    try:
        platform.topics.publish(
            endpoint.account, endpoint.region, config[member], orjson.dumps(message).decode()
        )
    except TopicError:
        return False
    return True


def _message(platform: Platform, endpoint: Endpoint, request: Request) -> dict[str, Any]:
    parameters = {"endpointName": endpoint.name}
    for member, name in (("ContentType", "contentType"), ("InputLocation", "inputLocation")):
        if member in request.members:
            parameters[name] = request.members[member]
    return {
        "awsRegion": endpoint.region,
        "eventTime": format_iso8601_milliseconds(platform.clock.now()),
        "receivedTime": format_iso8601_milliseconds(request.received),
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
        "requestParameters": parameters,
    }
