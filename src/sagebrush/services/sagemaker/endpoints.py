"""Endpoints: create, describe, list, update, delete. `hosting/` brings them up and down."""

from __future__ import annotations

import copy
from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.deployments import deployments_of
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.summaries import described
from sagebrush.services.sagemaker.hosting.variants import counts, items_of, name_of, state_of
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
    endpoint.state = state_of(
        context, config.name, config.request, items_of(context, config), generation=1
    )
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
    return described(endpoint)


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
    _begin_update(context, endpoint, config.name, config.request, items_of(context, config))
    return {"EndpointArn": endpoint.arn}


def update_endpoint_weights_and_capacities(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Change the variants' shares of the traffic, at once, and how many instances each has.

    Another number of instances is brought up beside the present ones, as an update is.
    """
    endpoint = _settled(context, request["EndpointName"])
    changed = copy.deepcopy(endpoint.state["variants"])
    items = {name_of(item): item for item in changed}
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
    if counts(changed) != counts(endpoint.state["variants"]):
        state = endpoint.state
        _begin_update(context, endpoint, state["config_name"], state["config"], changed)
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
    context: Context,
    endpoint: Resource,
    config_name: str,
    config: dict[str, Any],
    items: list[dict[str, Any]],
) -> None:
    # No generation comes twice: what a failed one left may still be cleared away.
    generation = max(endpoint.state["generation"], endpoint.state.get("spent", 0)) + 1
    endpoint.state.pop("failure_reason", None)
    endpoint.state["target"] = state_of(context, config_name, config, items, generation)
    endpoint.status = "Updating"
    records.save(context.db, endpoint, context.now)
    deployments_of(context.platform).update(endpoint)
