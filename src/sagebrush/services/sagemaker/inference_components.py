"""Inference components: create, describe, list, update, scale, delete.

`hosting/components/` brings their copies up and down.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.changes import (
    check_deployment,
    get_settled,
    note_copies,
)
from sagebrush.services.sagemaker.hosting.components.component_summaries import (
    described,
    summarised,
)
from sagebrush.services.sagemaker.hosting.components.rolling import begin, used_generations
from sagebrush.services.sagemaker.hosting.components.running import components_of
from sagebrush.services.sagemaker.hosting.components.specifications import (
    copy_count,
    host_of,
    merged,
    version_of,
)
from sagebrush.services.sagemaker.hosting.guardrails.policies import check_alarms
from sagebrush.services.sagemaker.tagging import add_tags

_SORT = {"CreationTime": "created", "Name": "name", "Status": "status"}
_KIND = records.INFERENCE_COMPONENT


def create_inference_component(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Accept a component; its copies start once this is committed."""
    endpoint, variant = host_of(context, request)
    number = copy_count(request)
    name = request["InferenceComponentName"]
    kept = request | {"VariantName": variant}
    component = records.insert(context, _KIND, name, kept, "Creating")
    component.state = version_of(context, endpoint, request, 1, number)
    records.save(context.db, component, context.now)
    add_tags(context.db, component.arn, request.get("Tags", []))
    components_of(context.platform).create(component)
    return {"InferenceComponentArn": component.arn}


async def describe_inference_component(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell everything about a component.

    The first answer about a young component waits a little for its copies.
    """
    name = request["InferenceComponentName"]
    component = records.get(context, _KIND, name)
    if component.status == "Creating":
        await components_of(context.platform).hold(component)
        component = records.get(context, _KIND, name)
    return described(context.db, component)


def list_inference_components(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of components."""
    components, token = records.page(context, _KIND, request, _SORT)
    return {
        "InferenceComponents": [summarised(component) for component in components],
        "NextToken": token,
    }


def update_inference_component(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Serve another specification, with other copies or as many: they come in batches."""
    component = get_settled(context, request["InferenceComponentName"])
    runtime = request.get("RuntimeConfig")
    if "Specifications" in request:
        raise faults.unsupported("InferenceComponent Specifications by instance type")
    if "Specification" in request:
        number = component.state["desired"] if runtime is None else runtime["CopyCount"]
        policy = request.get("DeploymentConfig", {})
        check_deployment(policy, number)
        check_alarms(context, policy)
        endpoint = records.get(context, records.ENDPOINT, component.request["EndpointName"])
        spec = merged(component.state["spec"], request["Specification"])
        generation = max(used_generations(component)) + 1
        target = version_of(context, endpoint, {"Specification": spec}, generation, number)
        if policy:
            component.state["last_deployment_config"] = policy
        begin(component, target, policy, context.now)
    elif runtime is not None:
        note_copies(component, runtime["CopyCount"])
    else:
        raise faults.invalid("Specification or RuntimeConfig is required to update a component.")
    records.save(context.db, component, context.now)
    components_of(context.platform).update(component)
    return {"InferenceComponentArn": component.arn}


def update_inference_component_runtime_config(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Have another number of copies, in place; none is possible, too."""
    component = get_settled(context, request["InferenceComponentName"])
    note_copies(component, request["DesiredRuntimeConfig"]["CopyCount"])
    records.save(context.db, component, context.now)
    components_of(context.platform).update(component)
    return {"InferenceComponentArn": component.arn}


def delete_inference_component(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Stop serving a component; its name is free once its copies have ended."""
    component = records.get(context, _KIND, request["InferenceComponentName"])
    if component.status != "Deleting":
        component.status = "Deleting"
        records.save(context.db, component, context.now)
        place = component.account, component.region
        context.platform.capacities.gone(*place, f"inference-component/{component.name}/")
        components_of(context.platform).remove(component)
    return {}
