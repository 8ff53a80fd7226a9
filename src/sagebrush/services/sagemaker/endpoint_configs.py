"""Endpoint configurations: which models serve, on how many instances, with which share."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.asynchronous import check_asynchronous
from sagebrush.services.sagemaker.hosting.capture import check_capture
from sagebrush.services.sagemaker.hosting.components.hosts import check_without_models, has_models
from sagebrush.services.sagemaker.hosting.serverless import check_serverless, is_serverless
from sagebrush.services.sagemaker.tagging import add_tags

_SORT = {"CreationTime": "created", "Name": "name"}
_VARIANT_LIMIT = 10
_UNSUPPORTED = ("ExplainerConfig", "CrossRegionTrafficConfig")
_UNSUPPORTED_OF_VARIANT = (
    *("CoreDumpConfig", "InstancePools", "AcceleratorType", "AcceleratorPartitionLayouts"),
)
_ROUTING_STRATEGIES = ("LEAST_OUTSTANDING_REQUESTS", "RANDOM")
# How all metrics are published here.
_PUBLISH_FREQUENCY_S = 60


def create_endpoint_config(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep a configuration whose models exist."""
    _check(request)
    if has_models(request):
        variants = [*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())]
        names = {variant["ModelName"] for variant in variants}
        models = {name: records.get(context, records.MODEL, name).request for name in names}
        check_serverless(request, models)
    name = request["EndpointConfigName"]
    resource = records.insert(context, records.ENDPOINT_CONFIG, name, request)
    add_tags(context.db, resource.arn, request.get("Tags", []))
    return {"EndpointConfigArn": resource.arn}


def describe_endpoint_config(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration as it was created, with the defaults of its variants."""
    config = records.get(context, records.ENDPOINT_CONFIG, request["EndpointConfigName"])
    told = {name: value for name, value in config.request.items() if name != "Tags"}
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        if member in told:
            told[member] = [{"InitialVariantWeight": 1.0} | variant for variant in told[member]]
    return (
        {"EnableNetworkIsolation": False}
        | told
        | {
            "EndpointConfigArn": config.arn,
            "CreationTime": config.created,
        }
    )


def list_endpoint_configs(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of configurations."""
    configs, token = records.page(context, records.ENDPOINT_CONFIG, request, _SORT)
    return {
        "EndpointConfigs": [
            {
                "EndpointConfigName": config.name,
                "EndpointConfigArn": config.arn,
                "CreationTime": config.created,
            }
            for config in configs
        ],
        "NextToken": token,
    }


def delete_endpoint_config(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a configuration; endpoints made from it go on."""
    name = request["EndpointConfigName"]
    records.delete(context.db, records.get(context, records.ENDPOINT_CONFIG, name))
    return {}


def _check(request: dict[str, Any]) -> None:
    for field in _UNSUPPORTED:
        if request.get(field):
            raise faults.unsupported(f"EndpointConfig.{field}")
    _check_metrics(request.get("MetricsConfig", {}))
    check_capture(request)
    check_asynchronous(request)
    variants = request["ProductionVariants"]
    shadows = request.get("ShadowProductionVariants", [])
    if shadows:
        _check_shadows(request, shadows)
    names = [variant["VariantName"] for variant in [*variants, *shadows]]
    if len(set(names)) != len(names):
        raise faults.invalid("Variant names must be unique within an endpoint configuration.")
    if len(variants) > _VARIANT_LIMIT:
        raise faults.invalid(
            f"An endpoint configuration has at most {_VARIANT_LIMIT} production variants."
        )
    if not has_models(request):
        check_without_models(request)
    for variant in [*variants, *shadows]:
        if "ManagedInstanceScaling" in variant and has_models(request):
            raise faults.invalid(
                "ManagedInstanceScaling is only supported for inference component endpoints."
            )
        if not is_serverless(variant):
            _check_variant(variant)
    if not any(variant.get("InitialVariantWeight", 1.0) > 0 for variant in variants):
        raise faults.invalid("At least one production variant needs a weight greater than 0.")


def _check_metrics(metrics: dict[str, Any]) -> None:
    for field in ("EnableEnhancedMetrics", "EnableDetailedObservability"):
        if metrics.get(field):
            raise faults.unsupported(f"MetricsConfig.{field}")
    frequency_s = metrics.get("MetricPublishFrequencyInSeconds", _PUBLISH_FREQUENCY_S)
    if frequency_s != _PUBLISH_FREQUENCY_S:
        raise faults.unsupported(f"MetricsConfig.MetricPublishFrequencyInSeconds {frequency_s}")


def _check_shadows(request: dict[str, Any], shadows: list[dict[str, Any]]) -> None:
    """Refuse what botocore's model rules out beside shadow variants."""
    if len(shadows) > 1 or len(request["ProductionVariants"]) > 1:
        raise faults.invalid(
            "With ShadowProductionVariants there can be only one variant in ProductionVariants and"
            " one in ShadowProductionVariants."
        )
    for field in ("AsyncInferenceConfig", "ExplainerConfig"):
        if field in request:
            raise faults.invalid(f"ShadowProductionVariants are not supported with {field}.")
    (shadow,), (production,) = shadows, request["ProductionVariants"]
    weights = [each.get("InitialVariantWeight", 1.0) for each in (shadow, production)]
    if weights[0] > weights[1]:
        raise faults.invalid(
            "The InitialVariantWeight of a shadow variant must not be greater than that of the"
            f" production variant: {weights[0]:g} > {weights[1]:g}."
        )


def _check_variant(variant: dict[str, Any]) -> None:
    for field in _UNSUPPORTED_OF_VARIANT:
        if field in variant:
            raise faults.unsupported(f"ProductionVariant.{field}")
    strategy = variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
    if strategy not in _ROUTING_STRATEGIES:
        raise faults.unsupported(f"RoutingConfig.RoutingStrategy {strategy}")
    name = variant["VariantName"]
    for field in ("InstanceType", "InitialInstanceCount"):
        if field not in variant:
            raise faults.invalid(f"{field} is required for production variant {name}.")
    if variant["InitialInstanceCount"] < 1:
        raise faults.invalid(
            f"InitialInstanceCount of production variant {name} must be at least 1."
        )
