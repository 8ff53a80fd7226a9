"""What DescribeInferenceComponent and the lists tell, and what endpoints tell because of them."""

from __future__ import annotations

from typing import Any

from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.slots import instance_count
from sagebrush.services.sagemaker.hosting.components.versions import (
    Version,
    current_copies,
    endpoint_of,
    hosts_components,
    variant_item,
)
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of
from sagebrush.store.database import Database

_SCALING = ("ManagedInstanceScaling", "RoutingConfig")


def described(db: Database, component: Resource) -> dict[str, Any]:
    """Return everything about a component."""
    state = component.state
    target = state.get("target", state)
    current = current_copies(component)
    runtime: dict[str, Any] = {
        "DesiredCopyCount": target["desired"],
        "CurrentCopyCount": current,
    }
    item = _item(db, component)
    if current and item is not None:
        instance_type = item["variant"]["InstanceType"]
        runtime["PlacementStatus"] = [{"InstanceType": instance_type, "CurrentCopyCount": current}]
    told = summarised(component) | {
        "FailureReason": state.get("failure_reason"),
        "Specification": _specification(state),
        "RuntimeConfig": runtime,
    }
    if "last_deployment_config" in state:
        told["LastDeploymentConfig"] = state["last_deployment_config"]
    return told


def summarised(component: Resource) -> dict[str, Any]:
    """Return what lists tell of a component."""
    endpoint = component.request["EndpointName"]
    return {
        "InferenceComponentName": component.name,
        "InferenceComponentArn": component.arn,
        "EndpointName": endpoint,
        "EndpointArn": records.arn_of(
            records.ENDPOINT, component.account, component.region, endpoint
        ),
        "VariantName": component.request["VariantName"],
        "InferenceComponentStatus": component.status,
        "CreationTime": component.created,
        "LastModifiedTime": component.modified,
    }


def with_components(db: Database, endpoint: Resource, told: dict[str, Any]) -> dict[str, Any]:
    """Return what DescribeEndpoint tells, of an endpoint that hosts components, too."""
    if not hosts_components(endpoint.state):
        return told
    items = {name_of(item): item for item in endpoint.state["variants"]}
    for variant in told.get("ProductionVariants", ()):
        variant.pop("DeployedImages", None)
        item = items[variant["VariantName"]]
        if variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"]:
            count = instance_count(db, endpoint, item)
            variant |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        variant |= {name: item["variant"][name] for name in _SCALING if name in item["variant"]}
    for variant in told.get("PendingDeploymentSummary", {}).get("ProductionVariants", ()):
        variant.pop("DeployedImages", None)
    return told


def _item(db: Database, component: Resource) -> dict[str, Any] | None:
    endpoint = endpoint_of(db, component)
    return None if endpoint is None else variant_item(endpoint, component)


def _specification(version: Version) -> dict[str, Any]:
    told = dict(version["spec"])
    if "Container" in told:
        given = dict(told["Container"])
        image = given.pop("Image", None)
        if image is not None:
            given["DeployedImage"] = {
                "SpecifiedImage": image,
                "ResolvedImage": image,
                "ResolutionTime": version["resolved"],
            }
        told["Container"] = given
    return told
