"""The container definitions of a model: what they must name, and what they name."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import ListedPrefix, ObjectEntry, ObjectStoreError, parse_s3_uri
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults, images

_UNSUPPORTED_FIELDS = (
    *("ModelPackageName", "InferenceSpecificationName"),
    *("AdditionalModelDataSources", "ContainerMetricsConfig"),
)
_UNSUPPORTED_OF_SOURCE = ("HubAccessConfig", "ManifestS3Uri", "ManifestEtag", "ETag")

# An artefact is the objects below a prefix, or one archive.
_SOURCES = (("S3Prefix", "None"), ("S3Object", "Gzip"))
# Of the algorithms here, those whose images serve many models (multi-model-endpoints.md).
_MULTI_MODEL_ALGORITHMS = ("knn", "linear-learner", "randomcutforest", "xgboost")
_LIMIT = 15


def containers_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers of a CreateModel request, in their order.

    Raises:
        ApiError: ValidationException when there is none, or they are given in two ways.
    """
    containers: list[dict[str, Any]] = request.get("Containers", [])
    primary = request.get("PrimaryContainer")
    if primary is not None and containers:
        raise faults.invalid("Only one of PrimaryContainer and Containers can be specified.")
    if primary is None and not containers:
        raise faults.invalid("PrimaryContainer or Containers is required to create a model.")
    return containers if primary is None else [primary]


def names_of(containers: list[dict[str, Any]]) -> list[str]:
    """Return the names that containers have within an instance: empty where there is only one."""
    if len(containers) == 1:
        return [""]
    return [
        container.get("ContainerHostname", f"container-{number}")
        for number, container in enumerate(containers, start=1)
    ]


def is_multi_model(container: dict[str, Any]) -> bool:
    """Whether requests name one of many models that a container serves."""
    return bool(container.get("Mode", "SingleModel") == "MultiModel")


def check_model(context: Context, request: dict[str, Any]) -> None:
    """Check the containers of a CreateModel request, each for itself and all together.

    Raises:
        ApiError: ValidationException naming what is missing, or not supported.
    """
    containers = containers_of(request)
    mode = request.get("InferenceExecutionConfig", {}).get("Mode", "Serial")
    if len(containers) > _LIMIT:
        raise faults.invalid(f"A model has at most {_LIMIT} containers, not {len(containers)}.")
    if mode == "Direct" and len(containers) == 1:
        raise faults.invalid("InferenceExecutionConfig Mode Direct needs more than one container.")
    if sum(map(is_multi_model, containers)) > 1:
        # AWS's words; its limit is that of inference pipelines.
        raise faults.invalid(
            "More than one container in MultiModel mode is not supported with inference pipeline."
        )
    if len(containers) > 1:
        _check_names(containers, mode)
    for container in containers:
        check_container(context, container)


def check_container(context: Context, container: dict[str, Any]) -> None:
    """Check that a container's image and artefact exist.

    Raises:
        ApiError: ValidationException naming what does not, or what is not supported.
    """
    for name in _UNSUPPORTED_FIELDS:
        if name in container:
            raise faults.unsupported(f"ContainerDefinition.{name}")
    if "Image" not in container:
        raise faults.invalid("Image is required in the container definition of a model.")
    images.resolved(container["Image"])
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise faults.invalid("Only one of ModelDataUrl and ModelDataSource can be specified.")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    for name in _UNSUPPORTED_OF_SOURCE:
        if source is not None and name in source:
            raise faults.unsupported(f"S3ModelDataSource.{name}")
    if is_multi_model(container):
        _check_multi_model(container)
        return
    if "MultiModelConfig" in container:
        raise faults.invalid("MultiModelConfig can only be specified with Mode MultiModel.")
    if source is not None and (source["S3DataType"], source["CompressionType"]) not in _SOURCES:
        raise faults.unsupported(
            f"ModelDataSource with S3DataType {source['S3DataType']} and CompressionType"
            f" {source['CompressionType']}"
        )
    location = model_data_location(container)
    if location is not None:
        _check_data(context, location, is_prefix=is_uncompressed(container))


def is_uncompressed(container: dict[str, Any]) -> bool:
    """Whether the artefact is the objects below a prefix, not one archive."""
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return bool(source.get("S3DataType") == "S3Prefix")


def model_data_location(container: dict[str, Any]) -> str | None:
    """Return where a container's artefact lies; None when it has none when it starts."""
    if is_multi_model(container):
        return None
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is not None:
        uri: str = source["S3Uri"]
        return uri
    return container.get("ModelDataUrl")


def models_prefix(container: dict[str, Any]) -> str:
    """Return the S3 prefix below which the models of a multi-model container lie."""
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    prefix: str = source.get("S3Uri") or container["ModelDataUrl"]
    return prefix


def _check_names(containers: list[dict[str, Any]], mode: str) -> None:
    """Containers of one instance are told apart by their names; either all have one or none."""
    names = [container.get("ContainerHostname") for container in containers]
    if None in names and (mode == "Direct" or any(names)):
        raise faults.invalid(
            "ContainerHostname is required for every container of a model with"
            f" InferenceExecutionConfig Mode {mode}"
            + ("." if mode == "Direct" else ", or for none of them.")
        )
    given = [name for name in names if name is not None]
    for name in given:
        if given.count(name) > 1:
            raise faults.invalid(
                f"ContainerHostname must be unique within a model; {name} is there more than once."
            )


def _check_multi_model(container: dict[str, Any]) -> None:
    image = container["Image"]
    if images.resolved(image).card.name not in _MULTI_MODEL_ALGORITHMS:
        raise faults.invalid(
            f"Your Ecr Image {image} does not contain required"
            " com.amazonaws.sagemaker.capabilities.multi-models=true Docker label(s)."
        )
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is not None and source["S3DataType"] != "S3Prefix":
        raise faults.invalid("ModelDataSource of a container in MultiModel mode must be S3Prefix.")
    if source is None and "ModelDataUrl" not in container:
        raise faults.invalid(
            "ModelDataUrl is required in a container definition with Mode MultiModel."
        )
    try:
        parse_s3_uri(models_prefix(container))
    except ObjectStoreError:
        raise faults.invalid(
            f"ModelDataUrl {models_prefix(container)} is not the URL of an S3 prefix."
        ) from None


def _check_data(context: Context, location: str, *, is_prefix: bool) -> None:
    found: ObjectEntry | ListedPrefix | None
    try:
        bucket, key = parse_s3_uri(location)
        if is_prefix:
            found = next(iter(context.platform.objects.list(bucket, key)), None)
        else:
            found = context.platform.objects.get(bucket, key)
    except ObjectStoreError:
        found = None
    if found is None:
        raise faults.invalid(f"Could not find model data at {location}.")
