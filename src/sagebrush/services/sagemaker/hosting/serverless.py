"""Serverless variants: what they may have, and how much of it there is at a time.

As the developer guide's chapter "Serverless Inference" has it; how long an idle process stays, and
how many virtual CPUs go with the memory, it does not say. The CPUs are AWS Lambda's, on which
serverless inference stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import Demand
from sagebrush.services.minute_sums import MICROSECONDS, Series, minute_sums_of
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting.containers import containers_of, is_multi_model
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.instances import Instance, instance_of

# "The model must download and the server must respond successfully to /ping within 3 minutes."
SERVERLESS_START_TIMEOUT_S = 180.0
IDLE_S = 300.0
# "The maximum request and response payload size for serverless invocations is 4 MB."
_PAYLOAD_BYTES = 4 << 20
_MEMORY_STEP_MB = 1024
_MB_PER_CPU = 1769
_NOT_BESIDE = (
    *("InstanceType", "InitialInstanceCount", "AcceleratorType", "CoreDumpConfig"),
    *("VolumeSizeInGB", "ModelDataDownloadTimeoutInSeconds", "EnableSSMAccess"),
    *("ContainerStartupHealthCheckTimeoutInSeconds", "ManagedInstanceScaling", "RoutingConfig"),
    *("InferenceAmiVersion", "CapacityReservationConfig", "AcceleratorPartitionLayouts"),
)
_NAMESPACE = "AWS/SageMaker"


def is_serverless(variant: Mapping[str, Any]) -> bool:
    """Whether a production variant has no instances, but processes as they are needed."""
    return "ServerlessConfig" in variant


def size_of(variant: Mapping[str, Any]) -> Instance:
    """Return what each process of a variant may use."""
    if not is_serverless(variant):
        return instance_of(variant["InstanceType"]) or Instance(1, 1 << 30)
    memory_mb = variant["ServerlessConfig"]["MemorySizeInMB"]
    return Instance(max(1, round(memory_mb / _MB_PER_CPU)), memory_mb << 20)


def check_serverless(request: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the serverless variant of an endpoint configuration, if it has one.

    `models` are the CreateModel requests of its variants by name.

    Raises:
        ApiError: ValidationException naming what does not go together.
    """
    variants = [*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())]
    chosen = next((each for each in variants if is_serverless(each)), None)
    if chosen is None:
        return
    if len(variants) > 1:
        raise faults.invalid("A serverless endpoint can have only one production variant.")
    for member in _NOT_BESIDE:
        if member in chosen:
            raise faults.invalid(f"{member} cannot be specified together with ServerlessConfig.")
    check_config(chosen["ServerlessConfig"])
    if request.get("DataCaptureConfig", {}).get("EnableCapture"):
        raise _excluded("data capture")
    for member, feature in (
        ("ExplainerConfig", "explainers"),
        ("VpcConfig", "a VPC configuration"),
        ("EnableNetworkIsolation", "network isolation"),
    ):
        if request.get(member):
            raise _excluded(feature)
    _check_model(models[chosen["ModelName"]])


def check_config(config: Mapping[str, Any]) -> None:
    """Check the numbers of a ServerlessConfig.

    Raises:
        ApiError: ValidationException.
    """
    if config["MemorySizeInMB"] % _MEMORY_STEP_MB:
        raise faults.invalid(
            f"MemorySizeInMB {config['MemorySizeInMB']} is not valid. Valid values are in 1 GB"
            " increments: 1024, 2048, 3072, 4096, 5120, 6144."
        )
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        raise faults.invalid(
            f"ProvisionedConcurrency {config['ProvisionedConcurrency']} must be less than or equal"
            f" to MaxConcurrency {config['MaxConcurrency']}."
        )


def check_conversion(endpoint: Resource, config: Mapping[str, Any]) -> None:
    """Refuse to make an endpoint with instances serverless; the other way round is possible.

    Raises:
        ApiError: ValidationException.
    """
    now = any(is_serverless(item["variant"]) for item in endpoint.state["variants"])
    if not now and any(is_serverless(variant) for variant in config["ProductionVariants"]):
        raise faults.invalid(
            f'Cannot update endpoint "{endpoint.arn}": an instance-based endpoint cannot be'
            " converted to a serverless endpoint."
        )


def note_demand(item: dict[str, Any], desired: Mapping[str, Any]) -> None:
    """Write the ServerlessUpdateConfig of a DesiredWeightAndCapacity, if there is one, into a row.

    Raises:
        ApiError: ValidationException when the variant cannot have it.
    """
    variant = item["variant"]
    name, change = variant["VariantName"], desired.get("ServerlessUpdateConfig")
    if is_serverless(variant) and "DesiredInstanceCount" in desired:
        raise faults.invalid(
            f"DesiredInstanceCount cannot be specified for serverless variant {name}."
        )
    if change is None:
        return
    if not is_serverless(variant):
        raise faults.invalid(
            f"ServerlessUpdateConfig cannot be specified for instance-based variant {name}."
        )
    if not change:
        raise faults.invalid("ServerlessUpdateConfig must change at least one value.")
    wanted = config_of(item) | change
    check_config(wanted)
    item["serverless"] = wanted


def config_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ServerlessConfig of a serverless variant as it is now."""
    config: dict[str, Any] = item.get("serverless", item["variant"]["ServerlessConfig"])
    return config


def demand_of(platform: Platform, endpoint: Resource, item: Mapping[str, Any]) -> Demand | None:
    """Return how many processes a variant may have; None where it has instances instead."""
    variant = item["variant"]
    if not is_serverless(variant):
        return None
    config = config_of(item)
    return Demand(
        config["MaxConcurrency"],
        config.get("ProvisionedConcurrency", 0),
        IDLE_S,
        _PAYLOAD_BYTES,
        platform.clock,
        ServerlessMetrics(platform, endpoint, variant["VariantName"]),
    )


class ServerlessMetrics:
    """Counts what the processes of a serverless variant do."""

    def __init__(self, platform: Platform, endpoint: Resource, variant: str) -> None:
        self._platform = platform
        self._scope = endpoint.account, endpoint.region, _NAMESPACE
        self._dimensions = (("EndpointName", endpoint.name), ("VariantName", variant))

    def set_up(self, duration_s: float) -> None:
        """Count a cold start."""
        self._add("ModelSetupTime", "Microseconds", duration_s * MICROSECONDS)

    def leased(self, concurrency: int, demand: Demand) -> None:
        """Count a request, `concurrency` being under way with it."""
        self._add("ServerlessConcurrentExecutionsUtilization", "None", concurrency / demand.maximum)
        if not demand.provisioned:
            return
        provided = min(concurrency, demand.provisioned)
        is_spilled = concurrency > demand.provisioned
        prefix = "ServerlessProvisionedConcurrency"
        self._add(f"{prefix}Executions", "Count", provided)
        self._add(f"{prefix}Utilization", "None", provided / demand.provisioned)
        self._add(f"{prefix}{'Spillover' if is_spilled else ''}Invocations", "Count", 1.0)

    def _add(self, name: str, unit: str, value: float) -> None:
        series = Series(*self._scope, name, unit, self._dimensions)
        minute_sums_of(self._platform).add(series, self._platform.clock.now(), value)


def _check_model(model: Mapping[str, Any]) -> None:
    if model.get("VpcConfig"):
        raise _excluded("a VPC configuration")
    if model.get("EnableNetworkIsolation"):
        raise _excluded("network isolation")
    containers = containers_of(dict(model))
    if len(containers) > 1:
        raise _excluded("inference pipelines")
    if is_multi_model(containers[0]):
        raise _excluded("multi-model endpoints")
    if containers[0].get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc":
        raise _excluded("private Docker registries")


def _excluded(feature: str) -> ApiError:
    return faults.invalid(f"Serverless endpoints do not support {feature}.")
