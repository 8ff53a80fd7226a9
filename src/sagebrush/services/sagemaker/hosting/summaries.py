"""What DescribeEndpoint tells."""

from __future__ import annotations

from typing import Any

from sagebrush.services.sagemaker.hosting.capture import capture_summary
from sagebrush.services.sagemaker.hosting.guardrails.stages import instances
from sagebrush.services.sagemaker.hosting.guardrails.statuses import (
    status_of_change,
    status_of_creation,
    status_of_new,
)
from sagebrush.services.sagemaker.hosting.records import SERVING, Resource
from sagebrush.services.sagemaker.hosting.variants import name_of, present


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
    if "last_deployment_config" in state:
        told["LastDeploymentConfig"] = state["last_deployment_config"]
    if endpoint.status in SERVING:
        since = state.get("change", {}).get("since", 0.0)
        told["ProductionVariants"] = [_serving_variant(item, since) for item in state["variants"]]
    if endpoint.status == "Creating" or "target" in state:
        told["PendingDeploymentSummary"] = _pending(endpoint)
    return told


def _serving_variant(item: dict[str, Any], since: float) -> dict[str, Any]:
    """Return a variant that serves, with what a change of its capacity leads to."""
    status = status_of_change(item, since) if since else None
    wanted = item.get("wanted", item["count"]) if since else item["count"]
    told = _variant_summary(item, present(item), wanted)
    return told if status is None else told | {"VariantStatus": status}


def _variant_summary(item: dict[str, Any], current: int, desired: int) -> dict[str, Any]:
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
        "DesiredWeight": item["weight"],
        "CurrentInstanceCount": current,
        "DesiredInstanceCount": desired,
    }


def _pending(endpoint: Resource) -> dict[str, Any]:
    """Return how far a creation or a deployment is; instances count once they have traffic."""
    target = endpoint.state.get("target", endpoint.state)
    return {
        "EndpointConfigName": target["config_name"],
        "ProductionVariants": [
            _variant_summary(item, instances(item.get("share", 0.0), item["count"]), item["count"])
            | {
                "InstanceType": item["variant"]["InstanceType"],
                "VariantStatus": status_of_creation(item, target["begun"])
                if endpoint.status == "Creating"
                else status_of_new(endpoint, item),
            }
            for item in target["variants"]
        ],
        "StartTime": target["begun"],
    }
