"""What DescribeEndpoint tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagebrush.services.sagemaker.hosting.capture import capture_summary
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of


def described(endpoint: Resource) -> dict[str, Any]:
    """Return everything about an endpoint; its variants once they serve."""
    state = endpoint.state
    told: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": state["config_name"],
        "EndpointStatus": endpoint.status,
        "DataCaptureConfig": capture_summary(state["config"]),
        "FailureReason": state.get("failure_reason"),
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }
    target = state.get("target")
    if endpoint.status in ("InService", "Updating"):
        told["ProductionVariants"] = [
            _variant_summary(item, wanted) for item, wanted in _beside(state, target or state)
        ]
    if endpoint.status in ("Creating", "Updating"):
        told["PendingDeploymentSummary"] = _pending(target or state)
    return told


def _beside(
    state: dict[str, Any], target: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each variant with what becomes of it; with itself where it goes."""
    wanted = {name_of(item): item for item in target["variants"]}
    for item in state["variants"]:
        yield item, wanted.get(name_of(item), item)


def _variant_summary(item: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        "VariantName": name_of(item),
        "DeployedImages": [
            {
                "SpecifiedImage": container["Image"],
                "ResolvedImage": container["Image"],
                "ResolutionTime": item["resolved"],
            }
            for container in item["containers"]
        ],
        "CurrentWeight": item["weight"],
        "DesiredWeight": wanted["weight"],
        "CurrentInstanceCount": item["count"],
        "DesiredInstanceCount": wanted["count"],
    }


def _pending(target: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a deployment under way."""
    status = [{"Status": "Creating", "StartTime": target["begun"]}]
    return {
        "EndpointConfigName": target["config_name"],
        "ProductionVariants": [
            _variant_summary(item, item)
            | {
                "CurrentInstanceCount": 0,
                "InstanceType": item["variant"]["InstanceType"],
                "VariantStatus": status,
            }
            for item in target["variants"]
        ],
        "StartTime": target["begun"],
    }
