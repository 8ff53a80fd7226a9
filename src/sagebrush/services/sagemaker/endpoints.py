"""Endpoints: create, describe, list, update, delete. `hosting/` brings them up and down."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.asynchronous import try_topics
from sagebrush.services.sagemaker.hosting.capacities import (
    IN_PROGRESS,
    check_capacity_changeable,
    check_settled,
    note_change,
)
from sagebrush.services.sagemaker.hosting.components.component_summaries import with_components
from sagebrush.services.sagemaker.hosting.components.hosts import (
    check_counts,
    check_empty,
    check_update,
)
from sagebrush.services.sagemaker.hosting.deployments import deployments_of
from sagebrush.services.sagemaker.hosting.guardrails import progress
from sagebrush.services.sagemaker.hosting.guardrails.policies import (
    applicable,
    check_alarms,
    check_policy,
)
from sagebrush.services.sagemaker.hosting.guardrails.stages import Policy, is_rolling
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.scaling import check_scaled_variants
from sagebrush.services.sagemaker.hosting.serverless import check_conversion
from sagebrush.services.sagemaker.hosting.summaries import described
from sagebrush.services.sagemaker.hosting.variants import (
    counts,
    is_shadow,
    items_of,
    name_of,
    state_of,
    states_of,
)
from sagebrush.services.sagemaker.tagging import add_tags

_SORT = {"CreationTime": "created", "Name": "name", "Status": "status"}


def create_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Accept an endpoint; its model servers start once this is committed.

    A DeploymentConfig is kept for updates that retain it.
    """
    config = records.get(context, records.ENDPOINT_CONFIG, request["EndpointConfigName"])
    endpoint = records.insert(
        context, records.ENDPOINT, request["EndpointName"], request, "Creating"
    )
    items = items_of(context, config)
    endpoint.state = state_of(context, config.name, config.request, items, generation=1)
    if "DeploymentConfig" in request:
        # How many instances there are counts when there is something to update.
        check_policy(request["DeploymentConfig"], {})
        endpoint.state["last_deployment_config"] = request["DeploymentConfig"]
    try_topics(context, config.request)
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
    return with_components(context.db, endpoint, described(endpoint))


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
    """Bring up the new configuration's servers and lead the requests there, as asked for.

    By default all at once: blue/green, without anything to wait for.
    """
    endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    check_settled(endpoint)
    config = records.get(context, records.ENDPOINT_CONFIG, request["EndpointConfigName"])
    check_conversion(endpoint, config.request)
    items = items_of(context, config)
    check_scaled_variants(context.platform, endpoint, items)
    _retain(endpoint, items, request)
    check_update(context, endpoint, items)
    if not any(item["weight"] > 0 and not is_shadow(item) for item in items):
        raise faults.invalid("At least one production variant needs a weight greater than 0.")
    policy = _policy(endpoint, request)
    check_policy(policy, counts(items))
    check_alarms(context, policy)
    try_topics(context, config.request)
    if policy:
        endpoint.state["last_deployment_config"] = policy
    # No generation comes twice: what a failed one left may still be cleared away.
    used = [state["generation"] for state in states_of(endpoint)]
    generation = max(*used, endpoint.state.get("spent", 0)) + 1
    target = state_of(context, config.name, config.request, items, generation)
    guarded = applicable(policy, [item["variant"] for item in items if not is_shadow(item)])
    progress.begin(endpoint, target, guarded, context.now)
    endpoint.status = "Updating"
    records.save(context.db, endpoint, context.now)
    deployments_of(context.platform).update(endpoint)
    return {"EndpointArn": endpoint.arn}


def update_endpoint_weights_and_capacities(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Change the variants' shares of the traffic, at once, and how many instances each has."""
    endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    check_capacity_changeable(endpoint)
    try_topics(context, endpoint.state["config"])
    note_change(endpoint, request["DesiredWeightsAndCapacities"], context.now)
    check_counts(context, endpoint, endpoint.state["variants"])
    records.save(context.db, endpoint, context.now)
    deployments_of(context.platform).update(endpoint)
    return {"EndpointArn": endpoint.arn}


def delete_endpoint(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Stop serving; the name is free once the servers have ended."""
    endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    if endpoint.status in IN_PROGRESS:
        raise faults.invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    if endpoint.status != "Deleting":
        check_empty(context, endpoint)
        endpoint.status = "Deleting"
        records.save(context.db, endpoint, context.now)
        place = endpoint.account, endpoint.region
        context.platform.capacities.gone(*place, f"endpoint/{endpoint.name}/")
        deployments_of(context.platform).remove(endpoint)
    return {}


def _retain(endpoint: Resource, items: list[dict[str, Any]], request: dict[str, Any]) -> None:
    """Give new variants the weights and numbers of instances that they have now, if asked to.

    DataCaptureConfig is no such property yet, on AWS either (VariantProperty).
    """
    excluded = {
        given["VariantPropertyType"]
        for given in request.get("ExcludeRetainedVariantProperties", [])
    }
    if not request.get("RetainAllVariantProperties"):
        if excluded:
            raise faults.invalid(
                "ExcludeRetainedVariantProperties can only be specified when"
                " RetainAllVariantProperties is true."
            )
        return
    present = {name_of(item): item for item in endpoint.state["variants"]}
    for item in items:
        before = present.get(name_of(item), item)
        if "DesiredInstanceCount" not in excluded:
            item["count"] = before["count"]
        if "DesiredWeight" not in excluded:
            item["weight"] = before["weight"]


def _policy(endpoint: Resource, request: dict[str, Any]) -> Policy:
    """Return the DeploymentConfig that an UpdateEndpoint asks for; empty for the default."""
    given: Policy | None = request.get("DeploymentConfig")
    if request.get("RetainDeploymentConfig"):
        if given is not None:
            raise faults.invalid(
                "DeploymentConfig cannot be specified when RetainDeploymentConfig is true."
            )
        given = endpoint.state.get("last_deployment_config")
    policy = given or {}
    if "mixed" in endpoint.state and is_rolling(policy):
        raise faults.unsupported(
            "A RollingUpdatePolicy for an endpoint in status UpdateRollbackFailed"
        )
    return policy
