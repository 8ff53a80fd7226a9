"""What DescribeEndpoint tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagebrush.services.sagemaker.hosting.capture import capture_summary
from sagebrush.services.sagemaker.hosting.guardrails.stages import instances
from sagebrush.services.sagemaker.hosting.guardrails.statuses import (
    status_of_change,
    status_of_creation,
    status_of_new,
)
from sagebrush.services.sagemaker.hosting.records import SERVING, Resource
from sagebrush.services.sagemaker.hosting.serverless import config_of, is_serverless
from sagebrush.services.sagemaker.hosting.variants import is_shadow, name_of, present


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
    for member in ("AsyncInferenceConfig", "MetricsConfig"):
        if member in state["config"]:
            told[member] = state["config"][member]
    if "last_deployment_config" in state:
        told["LastDeploymentConfig"] = state["last_deployment_config"]
    if endpoint.status in SERVING:
        since = state.get("change", {}).get("since", 0.0)
        for member, items in _sides(state):
            told[member] = [_serving_variant(item, since) for item in items]
    if endpoint.status == "Creating" or "target" in state:
        told["PendingDeploymentSummary"] = _pending(endpoint)
    return told


def _sides(state: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the production variants and, where there are any, the shadow variants."""
    shadows = [item for item in state["variants"] if is_shadow(item)]
    yield "ProductionVariants", [item for item in state["variants"] if not is_shadow(item)]
    if shadows:
        yield "ShadowProductionVariants", shadows


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
        "RoutingConfig": item["variant"].get("RoutingConfig"),
        **_capacity(item, current, desired),
    }


def _capacity(item: dict[str, Any], current: int, desired: int) -> dict[str, Any]:
    if not is_serverless(item["variant"]):
        return {"CurrentInstanceCount": current, "DesiredInstanceCount": desired}
    wanted = config_of(item)
    return {
        "CurrentServerlessConfig": item.get("serverless_before", wanted),
        "DesiredServerlessConfig": wanted,
    }


def _pending(endpoint: Resource) -> dict[str, Any]:
    """Return how far a creation or a deployment is."""
    target = endpoint.state.get("target", endpoint.state)
    told = {"EndpointConfigName": target["config_name"], "StartTime": target["begun"]}
    for member, items in _sides(target):
        told[member] = [_pending_variant(endpoint, target, item) for item in items]
    return told


def _pending_variant(
    endpoint: Resource, target: dict[str, Any], item: dict[str, Any]
) -> dict[str, Any]:
    """Return a variant that comes up; its instances count once they have traffic."""
    with_traffic = instances(item.get("share", 0.0), item["count"])
    created = endpoint.status == "Creating"
    return _variant_summary(item, with_traffic, item["count"]) | {
        "InstanceType": item["variant"].get("InstanceType"),
        "VariantStatus": status_of_creation(item, target["begun"])
        if created
        else status_of_new(endpoint, item),
    }
