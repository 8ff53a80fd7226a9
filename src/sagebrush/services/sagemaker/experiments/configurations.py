"""What the endpoint of an experiment serves before, during and after it."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from sagebrush.engines.identity import Identity
from sagebrush.services.platform import Context, Platform
from sagebrush.services.sagemaker.experiments.requests import variant_names
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.deployments import deployments_of
from sagebrush.services.sagemaker.hosting.guardrails import progress
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import items_of, state_of, states_of


def context_of(platform: Platform, experiment: Resource) -> Context:
    """Return the context of what is done for an experiment outside of requests."""
    role = experiment.request["RoleArn"]
    account = experiment.account
    principal = Identity(role, account, "", "AWSService", account)
    return Context(
        platform,
        "sagemaker",
        "UpdateEndpoint",
        account,
        experiment.region,
        principal,
        "",
        platform.clock.now(),
        platform.settings.endpoint,
    )


def before(endpoint: Resource) -> dict[str, Any]:
    """Return what an endpoint serves, to be served again after the experiment."""
    return {
        name: copy.deepcopy(endpoint.state[name]) for name in ("config_name", "config", "variants")
    }


def with_shadow(experiment: Resource) -> dict[str, Any]:
    """Return the endpoint configuration that an experiment runs with."""
    request = experiment.request
    source, shadow = variant_names(request)
    percentage = request["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"]
    config: dict[str, Any] = {
        "ProductionVariants": [_variant(experiment, source, request["ModelVariants"], 1.0)],
        "ShadowProductionVariants": [
            _variant(experiment, shadow, request["ModelVariants"], percentage / 100)
        ],
    }
    return config | _captured(experiment)


def promoted(experiment: Resource, desired: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the endpoint configuration whose production variant is the shadow variant."""
    _, shadow = variant_names(experiment.request)
    given = desired or experiment.request["ModelVariants"]
    if shadow not in (variant["VariantName"] for variant in given):
        given = experiment.request["ModelVariants"]
    return {"ProductionVariants": [_variant(experiment, shadow, given, 1.0)]}


def apply(
    context: Context, experiment: Resource, endpoint: Resource, config: dict[str, Any]
) -> str:
    """Make an endpoint configuration and begin to update the endpoint with it; return its name.

    The caller's transaction makes both happen or none.
    """
    experiment.state["step"] = experiment.state.get("step", 0) + 1
    key = f"{experiment.created}\0{experiment.state['step']}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    name = f"{experiment.name[:50].rstrip('-')}-{digest}"
    resource = records.insert(
        context, records.ENDPOINT_CONFIG, name, {"EndpointConfigName": name} | config
    )
    items = items_of(context, resource)
    _update(context, endpoint, state_of(context, name, resource.request, items, _next(endpoint)))
    return name


def restore(context: Context, experiment: Resource, endpoint: Resource) -> str:
    """Begin to update an endpoint to what it was before; return its configuration's name."""
    kept = copy.deepcopy(experiment.state["before"])
    name: str = kept["config_name"]
    target = state_of(context, name, kept["config"], kept["variants"], _next(endpoint))
    _update(context, endpoint, target)
    return name


def _update(context: Context, endpoint: Resource, target: dict[str, Any]) -> None:
    progress.begin(endpoint, target, {}, context.now)
    endpoint.status = "Updating"
    records.save(context.db, endpoint, context.now)
    deployments_of(context.platform).update(endpoint)


def _next(endpoint: Resource) -> int:
    """Return a generation that no fleet of the endpoint has had."""
    used = [state["generation"] for state in states_of(endpoint)]
    return int(max(*used, endpoint.state.get("spent", 0))) + 1


def _variant(
    experiment: Resource, name: str, given: list[dict[str, Any]], weight: float
) -> dict[str, Any]:
    (variant,) = (each for each in given if each["VariantName"] == name)
    real_time = variant["InfrastructureConfig"]["RealTimeInferenceConfig"]
    # What the experiment does not speak of, routing say, stays as it was.
    kept: dict[str, Any] = next(
        (
            item["variant"]
            for item in experiment.state["before"]["variants"]
            if item["variant"]["VariantName"] == name
        ),
        {},
    )
    return kept | {
        "VariantName": name,
        "ModelName": variant["ModelName"],
        "InstanceType": real_time["InstanceType"],
        "InitialInstanceCount": real_time["InstanceCount"],
        "InitialVariantWeight": weight,
    }


def _captured(experiment: Resource) -> dict[str, Any]:
    given = experiment.request.get("DataStorageConfig")
    if given is None:
        return {}
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": given["Destination"],
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    }
    for member, name in (("KmsKey", "KmsKeyId"), ("ContentType", "CaptureContentTypeHeader")):
        if member in given:
            capture[name] = given[member]
    return {"DataCaptureConfig": capture}
