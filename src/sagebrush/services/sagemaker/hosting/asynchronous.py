"""What makes an endpoint asynchronous: its AsyncInferenceConfig, and the topics it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sagebrush.engines.objects import InvalidLocation, parse_s3_uri
from sagebrush.engines.topics import TopicError
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults

_TOPICS = {
    "SUCCESS_NOTIFICATION_TOPIC": "SuccessTopic",
    "ERROR_NOTIFICATION_TOPIC": "ErrorTopic",
}
# The page "Create an Asynchronous Inference Endpoint" has it in this form.
_TEST_NOTICE = json.dumps(
    {"eventVersion": "1.0", "eventSource": "aws:sagemaker", "eventName": "TestNotification"},
    separators=(",", ":"),
)


def check_asynchronous(request: Mapping[str, Any]) -> None:
    """Check the AsyncInferenceConfig of an endpoint configuration, if it has one.

    Raises:
        ApiError: ValidationException naming the member at fault.
    """
    config = request.get("AsyncInferenceConfig")
    if config is None:
        return
    output = config["OutputConfig"]
    if "S3OutputPath" not in output:
        raise faults.unsupported("AsyncInferenceConfig.OutputConfig without S3OutputPath")
    for member in ("S3OutputPath", "S3FailurePath"):
        if member in output:
            _check_location(member, output[member])
    notices = output.get("NotificationConfig", {})
    for name in notices.get("IncludeInferenceResponseIn", ()):
        if _TOPICS[name] not in notices:
            raise faults.invalid(
                f"IncludeInferenceResponseIn names {name}, but NotificationConfig has no"
                f" {_TOPICS[name]}."
            )
    if request.get("DataCaptureConfig", {}).get("EnableCapture"):
        raise faults.unsupported("AsyncInferenceConfig with DataCaptureConfig")
    if len(request["ProductionVariants"]) > 1:
        # No page says so, but a request knows only its endpoint: InvokeEndpointAsync has no
        # TargetVariant. The words are those in which AWS refuses other things here.
        raise faults.invalid(
            "Multiple production variants are not supported when specifying an"
            " AsyncInferenceConfig."
        )
    for variant in request["ProductionVariants"]:
        if "ServerlessConfig" in variant:
            raise faults.invalid(
                "AsyncInferenceConfig is not supported for production variants with"
                " ServerlessConfig."
            )


def is_asynchronous(config: Mapping[str, Any]) -> bool:
    """Whether an endpoint of this configuration takes only asynchronous invocations."""
    return "AsyncInferenceConfig" in config


def try_topics(context: Context, config: Mapping[str, Any]) -> None:
    """Send the test notification to the topics of a configuration, once to each.

    AWS does so when an asynchronous endpoint is created or updated. Joins the transaction.

    Raises:
        ApiError: ValidationException when there is no such topic.
    """
    output = config.get("AsyncInferenceConfig", {}).get("OutputConfig", {})
    notices = output.get("NotificationConfig", {})
    for topic in dict.fromkeys(notices[name] for name in _TOPICS.values() if name in notices):
        try:
            context.platform.topics.publish(context.account, context.region, topic, _TEST_NOTICE)
        except TopicError:
            raise faults.invalid(
                f'The topic "{topic}" cannot be published to. Please ensure that it exists and that'
                ' the role of the model has "sns:Publish" permissions for it.'
            ) from None


def _check_location(member: str, location: str) -> None:
    try:
        parse_s3_uri(location)
    except InvalidLocation:
        raise faults.invalid(f"{member} {location} is no Amazon S3 location.") from None
