"""The container definition of a model: what it must name, and what it names."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import ListedPrefix, ObjectEntry, ObjectStoreError, parse_s3_uri
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults, images

_UNSUPPORTED_FIELDS = ("ModelPackageName", "InferenceSpecificationName", "MultiModelConfig")

# An artefact is the objects below a prefix, or one archive.
_SOURCES = (("S3Prefix", "None"), ("S3Object", "Gzip"))


def container_of(request: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a CreateModel request.

    Raises:
        ApiError: ValidationException when there is none, or more than one.
    """
    containers = request.get("Containers", [])
    primary: dict[str, Any] | None = request.get("PrimaryContainer")
    if primary is not None and containers:
        raise faults.invalid("Only one of PrimaryContainer and Containers can be specified.")
    if len(containers) > 1:
        raise faults.unsupported("A model of several Containers")
    if primary is None and not containers:
        raise faults.invalid("PrimaryContainer or Containers is required to create a model.")
    container: dict[str, Any] = containers[0] if primary is None else primary
    return container


def check_container(context: Context, container: dict[str, Any]) -> None:
    """Check that a container's image and artefact exist.

    Raises:
        ApiError: ValidationException naming what does not, or what is not supported.
    """
    for name in _UNSUPPORTED_FIELDS:
        if name in container:
            raise faults.unsupported(f"ContainerDefinition.{name}")
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise faults.unsupported("ContainerDefinition.Mode MultiModel")
    if "Image" not in container:
        raise faults.invalid("Image is required in the container definition of a model.")
    images.resolved(container["Image"])
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise faults.invalid("Only one of ModelDataUrl and ModelDataSource can be specified.")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
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
    """Return where a container's artefact lies, or None when it has none."""
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is not None:
        uri: str = source["S3Uri"]
        return uri
    return container.get("ModelDataUrl")


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
