"""What CreateInferenceComponent and UpdateInferenceComponent may ask for, and what it comes to.

Sources: botocore's model; the API reference's pages on InferenceComponentSpecification.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.versions import Version, hosts_components
from sagebrush.services.sagemaker.hosting.containers import (
    check_container,
    containers_of,
    is_multi_model,
)
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of

_UNSUPPORTED = ("BaseInferenceComponentName", "InstanceType")
_STATUS = "InService"


def host_of(context: Context, request: dict[str, Any]) -> tuple[Resource, str]:
    """Return the endpoint and the name of the variant that a new component is for.

    Raises:
        ApiError: ValidationException when it cannot have components, or not now.
    """
    endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    if endpoint.status != _STATUS:
        raise faults.invalid(
            f'Cannot create inference component on endpoint "{endpoint.arn}" in status'
            f" {endpoint.status}; it must be {_STATUS}."
        )
    if not hosts_components(endpoint.state):
        raise faults.invalid(
            f'Endpoint "{endpoint.arn}" cannot host inference components: its endpoint'
            " configuration has models in its production variants."
        )
    names = [name_of(item) for item in endpoint.state["variants"]]
    variant = request.get("VariantName", names[0] if len(names) == 1 else None)
    if variant is None:
        raise faults.invalid("VariantName is required for an endpoint with several variants.")
    if variant not in names:
        raise faults.invalid(f'Could not find variant "{variant}" of endpoint "{endpoint.arn}".')
    return endpoint, variant


def version_of(
    context: Context, endpoint: Resource, request: dict[str, Any], generation: int, number: int
) -> Version:
    """Return a version with everything copied that it will serve, and no copies yet.

    Raises:
        ApiError: ValidationException naming what is missing, contradictory or not supported.
    """
    if "Specifications" in request:
        raise faults.unsupported("InferenceComponent Specifications by instance type")
    if "Specification" not in request:
        raise faults.invalid("Specification is required for an inference component.")
    spec: dict[str, Any] = request["Specification"]
    _check(spec)
    model, container = _container(context, spec)
    isolated = (
        model.get("EnableNetworkIsolation", False)
        or endpoint.state["config"].get("EnableNetworkIsolation", False)
    )  # fmt: skip
    return {
        "generation": generation,
        "spec": spec,
        "container": container,
        "isolated": isolated,
        "copies": 0,
        "desired": number,
        "resolved": context.now,
    }


def merged(before: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the specification that an update leads to: members not given stay as they are."""
    kept = dict(before)
    if "ModelName" in given:
        kept.pop("Container", None)
    if "Container" in given:
        kept.pop("ModelName", None)
    return kept | given


def copy_count(request: dict[str, Any]) -> int:
    """Return how many copies a new component shall have.

    Raises:
        ApiError: ValidationException; only later can there be none.
    """
    if "RuntimeConfig" not in request:
        raise faults.invalid("RuntimeConfig is required for an inference component.")
    number: int = request["RuntimeConfig"]["CopyCount"]
    if number < 1:
        raise faults.invalid(
            "CopyCount of a new inference component must be an integer larger than 0. Use"
            " UpdateInferenceComponentRuntimeConfig to scale it to 0 copies."
        )
    return number


def _check(spec: dict[str, Any]) -> None:
    for member in _UNSUPPORTED:
        if member in spec:
            raise faults.unsupported(f"InferenceComponentSpecification.{member}")
    if "ContainerMetricsConfig" in spec.get("Container", {}):
        raise faults.unsupported("InferenceComponentContainerSpecification.ContainerMetricsConfig")
    if "AvailabilityZoneBalance" in spec.get("SchedulingConfig", {}):
        raise faults.unsupported("InferenceComponentSchedulingConfig.AvailabilityZoneBalance")
    if "ComputeResourceRequirements" not in spec:
        raise faults.invalid("ComputeResourceRequirements is required for an inference component.")
    required = spec["ComputeResourceRequirements"]
    if "AcceleratorPartitionType" in required:
        raise faults.unsupported("ComputeResourceRequirements.AcceleratorPartitionType")
    least = required["MinMemoryRequiredInMb"]
    most = required.get("MaxMemoryRequiredInMb", least)
    if most < least:
        raise faults.invalid(
            f"MaxMemoryRequiredInMb {most} must not be less than MinMemoryRequiredInMb {least}."
        )
    if ("ModelName" in spec) == ("Container" in spec):
        raise faults.invalid(
            "Exactly one of ModelName and Container must be specified for an inference component."
        )


def _container(context: Context, spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the CreateModel request, empty where there is none, and the container definition."""
    if "Container" in spec:
        given = spec["Container"]
        container = {}
        for member, source in (
            ("Image", "Image"),
            ("ModelDataUrl", "ArtifactUrl"),
            ("Environment", "Environment"),
        ):
            if source in given:
                container[member] = given[source]
        check_container(context, container)
        return {}, container
    name = spec["ModelName"]
    model = records.get(context, records.MODEL, name).request
    containers = containers_of(model)
    if len(containers) > 1 or is_multi_model(containers[0]):
        raise faults.unsupported(
            f"Model {name} with several containers or models in an inference component"
        )
    return model, containers[0]
