"""Endpoints: create, describe, list, update, delete. `hosting/` brings them up and down."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.containers import container_of
from sagebrush.services.sagemaker.hosting.deployments import deployments_of
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.tagging import add_tags

_SORT = {"CreationTime": "created", "Name": "name", "Status": "status"}
_UNSUPPORTED_OF_UPDATE = (
    "RetainAllVariantProperties",
    "DeploymentConfig",
    "RetainDeploymentConfig",
)


def create_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Accept an endpoint; its model servers start once this is committed."""
    config = records.get(context, records.ENDPOINT_CONFIG, request["EndpointConfigName"])
    endpoint = records.insert(
        context, records.ENDPOINT, request["EndpointName"], request, "Creating"
    )
    endpoint.state = _state(context, config.name, _variants(context, config), generation=1)
    records.save(context.db, endpoint, context.now)
    add_tags(context.db, endpoint.arn, request.get("Tags", []))
    deployments_of(context.platform).create(endpoint)
    return {"EndpointArn": endpoint.arn}


async def describe_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell everything about an endpoint; its variants once they serve.

    The first answer about a young endpoint waits a little for its model servers.
    """
    endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    if endpoint.status == "Creating":
        await deployments_of(context.platform).hold(endpoint)
        endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    return _described(endpoint)


def _described(endpoint: Resource) -> dict[str, Any]:
    told: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.state["config_name"],
        "EndpointStatus": endpoint.status,
        "FailureReason": endpoint.state.get("failure_reason"),
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }
    target = endpoint.state.get("target")
    if endpoint.status in ("InService", "Updating"):
        told["ProductionVariants"] = [
            _variant_summary(item, wanted)
            for item, wanted in _beside(endpoint.state, target or endpoint.state)
        ]
    if endpoint.status in ("Creating", "Updating"):
        told["PendingDeploymentSummary"] = _pending(target or endpoint.state)
    return told


def list_endpoints(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of endpoints."""
    endpoints, token = records.page(context, records.ENDPOINT, request, _SORT)
    return {
        "Endpoints": [
            {
                "EndpointName": endpoint.name,
                "EndpointArn": endpoint.arn,
                "CreationTime": endpoint.created,
                "LastModifiedTime": endpoint.modified,
                "EndpointStatus": endpoint.status,
            }
            for endpoint in endpoints
        ],
        "NextToken": token,
    }


def update_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Bring up the new configuration's servers, lead all requests there, then end the old."""
    endpoint = _settled(context, request["EndpointName"])
    for field in _UNSUPPORTED_OF_UPDATE:
        if request.get(field):
            raise faults.unsupported(f"UpdateEndpoint.{field}")
    config = records.get(context, records.ENDPOINT_CONFIG, request["EndpointConfigName"])
    _begin_update(context, endpoint, config.name, _variants(context, config))
    return {"EndpointArn": endpoint.arn}


def update_endpoint_weights_and_capacities(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Change the variants' shares of the traffic, at once, and how many instances each has.

    Another number of instances is brought up beside the present ones, as an update is.
    """
    endpoint = _settled(context, request["EndpointName"])
    changed = copy.deepcopy(endpoint.state["variants"])
    items = {item["variant"]["VariantName"]: item for item in changed}
    for desired in request["DesiredWeightsAndCapacities"]:
        name = desired["VariantName"]
        item = items.get(name)
        if item is None:
            raise faults.invalid(f'Could not find variant "{name}" of endpoint "{endpoint.arn}".')
        item["weight"] = desired.get("DesiredWeight", item["weight"])
        item["count"] = desired.get("DesiredInstanceCount", item["count"])
        if item["count"] < 1:
            raise faults.unsupported(f"A DesiredInstanceCount of 0 for variant {name}")
    if not any(item["weight"] > 0 for item in changed):
        raise faults.invalid("At least one production variant needs a weight greater than 0.")
    if _counts(changed) != _counts(endpoint.state["variants"]):
        _begin_update(context, endpoint, endpoint.state["config_name"], changed)
    else:
        endpoint.state["variants"] = changed
        records.save(context.db, endpoint, context.now)
        deployments_of(context.platform).reweigh(endpoint)
    return {"EndpointArn": endpoint.arn}


def delete_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Stop serving; the name is free once the servers have ended."""
    endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    if endpoint.status in ("Creating", "Updating"):
        raise faults.invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    if endpoint.status != "Deleting":
        endpoint.status = "Deleting"
        records.save(context.db, endpoint, context.now)
        deployments_of(context.platform).remove(endpoint)
    return {}


def _settled(context: Context, name: str) -> Resource:
    endpoint = records.get(context, records.ENDPOINT, name)
    if endpoint.status in ("Creating", "Updating", "Deleting"):
        raise faults.invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    if endpoint.status == "Failed":
        raise faults.invalid(
            f'Cannot update failed endpoint "{endpoint.arn}"; delete it and create another.'
        )
    return endpoint


def _begin_update(
    context: Context, endpoint: Resource, config_name: str, variants: list[dict[str, Any]]
) -> None:
    # No generation comes twice: what a failed one left may still be cleared away.
    generation = max(endpoint.state["generation"], endpoint.state.get("spent", 0)) + 1
    endpoint.state.pop("failure_reason", None)
    endpoint.state["target"] = _state(context, config_name, variants, generation)
    endpoint.status = "Updating"
    records.save(context.db, endpoint, context.now)
    deployments_of(context.platform).update(endpoint)


def _state(
    context: Context, config_name: str, variants: list[dict[str, Any]], generation: int
) -> dict[str, Any]:
    return {
        "generation": generation,
        "config_name": config_name,
        "variants": variants,
        "begun": context.now,
    }


def _variants(context: Context, config: Resource) -> list[dict[str, Any]]:
    """Copy all that an endpoint will serve out of its configuration and the models."""
    variants = []
    for variant in config.request["ProductionVariants"]:
        model = records.get(context, records.MODEL, variant["ModelName"])
        isolated = (
            model.request.get("EnableNetworkIsolation", False)
            or config.request.get("EnableNetworkIsolation", False)
        )  # fmt: skip
        variants.append(
            {
                "variant": variant,
                "container": container_of(model.request),
                "weight": variant.get("InitialVariantWeight", 1.0),
                "count": variant["InitialInstanceCount"],
                "network_isolation": isolated,
                "resolved": context.now,
            }
        )
    return variants


def _counts(variants: list[dict[str, Any]]) -> list[int]:
    return [item["count"] for item in variants]


def _beside(
    state: dict[str, Any], target: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each variant with what becomes of it; with itself where it goes."""
    wanted = {item["variant"]["VariantName"]: item for item in target["variants"]}
    for item in state["variants"]:
        yield item, wanted.get(item["variant"]["VariantName"], item)


def _variant_summary(item: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    image = item["container"]["Image"]
    return {
        "VariantName": item["variant"]["VariantName"],
        "DeployedImages": [
            {
                "SpecifiedImage": image,
                "ResolvedImage": image,
                "ResolutionTime": item["resolved"],
            }
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
