"""Endpoints: create, describe, list, update, delete. `hosting/` brings them up and down."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.containers import container_of
from sagebrush.services.sagemaker.hosting.deployments import address_of, deployments_of
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
    endpoint.state = _state(context, config, generation=1)
    records.save(context.db, endpoint, context.now)
    add_tags(context.db, endpoint.arn, request.get("Tags", []))
    deployments_of(context.platform).create(endpoint)
    return {"EndpointArn": endpoint.arn}


def describe_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell everything about an endpoint; its variants once they serve."""
    endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    told: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.state["config_name"],
        "EndpointStatus": endpoint.status,
        "FailureReason": endpoint.state.get("failure_reason"),
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }
    if endpoint.status in ("InService", "Updating"):
        told["ProductionVariants"] = [_variant_summary(item) for item in endpoint.state["variants"]]
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
    generation = endpoint.state["generation"] + 1
    endpoint.state.pop("failure_reason", None)
    endpoint.state["target"] = _state(context, config, generation)
    endpoint.status = "Updating"
    records.save(context.db, endpoint, context.now)
    deployments_of(context.platform).update(endpoint)
    return {"EndpointArn": endpoint.arn}


def update_endpoint_weights_and_capacities(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Change the variants' shares of the traffic, at once; capacities cannot change yet."""
    endpoint = _settled(context, request["EndpointName"])
    variants = {item["variant"]["VariantName"]: item for item in endpoint.state["variants"]}
    weights: dict[str, float] = {}
    for desired in request["DesiredWeightsAndCapacities"]:
        name = desired["VariantName"]
        item = variants.get(name)
        if item is None:
            raise faults.invalid(f"The variant name {name} was not found in the endpoint.")
        count = item["variant"]["InitialInstanceCount"]
        if desired.get("DesiredInstanceCount", count) != count:
            raise faults.unsupported("Changing DesiredInstanceCount of a running endpoint")
        if "DesiredWeight" in desired:
            weights[name] = item["weight"] = desired["DesiredWeight"]
    if not any(item["weight"] > 0 for item in variants.values()):
        raise faults.invalid("At least one production variant needs a weight greater than 0.")
    records.save(context.db, endpoint, context.now)
    context.platform.fleets.at(address_of(endpoint)).reweigh(weights)
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


def _state(context: Context, config: Resource, generation: int) -> dict[str, Any]:
    """Copy all that the endpoint will serve out of the configuration and its models."""
    variants = []
    for variant in config.request["ProductionVariants"]:
        model = records.get(context, records.MODEL, variant["ModelName"])
        variants.append(
            {
                "variant": variant,
                "container": container_of(model.request),
                "weight": variant.get("InitialVariantWeight", 1.0),
                "network_isolation": model.request.get("EnableNetworkIsolation", False),
                "resolved": context.now,
            }
        )
    return {"generation": generation, "config_name": config.name, "variants": variants}


def _variant_summary(item: dict[str, Any]) -> dict[str, Any]:
    count = item["variant"]["InitialInstanceCount"]
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
        "DesiredWeight": item["weight"],
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
    }
