"""What AWS refuses of a CreateTrainingJob beyond the constraints of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from sagebrush.base.arns import Arn
from sagebrush.engines.objects import InvalidLocation, parse_s3_uri
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.images import training_image
from sagebrush.services.sagemaker.instances import instance_of

MAX_RUNTIME_LIMIT_S = 28 * 86_400
# As many instances as a new account may use of one type at once.
INSTANCE_LIMIT = 20
# A spot job's Environment can say when its attempts are interrupted, to try out how it resumes.
INTERRUPTION_VARIABLE = "SAGEBRUSH_SPOT_INTERRUPTION_SECONDS"
_TIMES = re.compile(r"\d+(\.\d+)?(,\d+(\.\d+)?)*")
_PLATFORM_FOLDERS = ("input", "model", "output", "code")
_FREE_FOLDERS = ("opt", "tmp", "mnt", "home", "root", "data", "checkpoints", "workspace")
_UNSUPPORTED = (
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
    "DebugRuleConfigurations",
    "ProfilerRuleConfigurations",
)


def check_training_request(context: Context, request: dict[str, Any]) -> None:
    """Raise ApiError for the first thing that AWS, or this server, refuses."""
    for member in _UNSUPPORTED:
        if request.get(member):
            raise faults.unsupported(member)
    training_image(request)
    _check_metric_definitions(request["AlgorithmSpecification"].get("MetricDefinitions", ()))
    _check_role(context, request["RoleArn"])
    _check_resources(request.get("ResourceConfig"))
    _check_stopping(request)
    interruption_times_s(request)
    _location(request["OutputDataConfig"]["S3OutputPath"])
    if "CheckpointConfig" in request:
        _location(request["CheckpointConfig"]["S3Uri"])
        _check_checkpoint_path(request["CheckpointConfig"].get("LocalPath"))
    _check_channels(context, request)


def _check_checkpoint_path(path: str | None) -> None:
    """A job's checkpoints must not lie over what the platform or the image puts somewhere."""
    if not path:
        return
    parts = PurePosixPath(path).parts
    own = parts[:3] == ("/", "opt", "ml")
    taken = own and (len(parts) < 4 or parts[3] in _PLATFORM_FOLDERS)
    if ".." in parts or len(parts) < 3 or taken or (not own and parts[1] not in _FREE_FOLDERS):
        raise faults.invalid(f"CheckpointConfig.LocalPath {path} cannot hold checkpoints.")


def _check_metric_definitions(definitions: list[dict[str, str]]) -> None:
    for definition in definitions:
        try:
            groups = re.compile(definition["Regex"]).groups
        except re.error as error:
            raise faults.invalid(
                f"Invalid regex {definition['Regex']!r} of metric {definition['Name']!r}: {error}"
            ) from None
        if groups < 1:
            raise faults.invalid(
                f"The regex {definition['Regex']!r} of metric {definition['Name']!r} must have a"
                " capturing group for the value of the metric."
            )


def _check_role(context: Context, role_arn: str) -> None:
    """Where identities are checked, the role must exist; elsewhere any well-formed one will do."""
    if not context.platform.settings.verify_signatures:
        return
    parsed = Arn.parse(role_arn)
    if parsed is None or parsed.account != context.account:
        raise faults.invalid("Cross-account pass role is not allowed.")
    name = parsed.resource.rpartition("/")[2]
    if context.platform.identity.role(context.account, name) is None:
        raise faults.invalid(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows"
            " principal 'sagemaker.amazonaws.com' to assume the role."
        )


def instance_groups(resources: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Return the (name, instance type, count) of each group of a ResourceConfig."""
    groups = resources.get("InstanceGroups")
    if groups:
        return [(g["InstanceGroupName"], g["InstanceType"], g["InstanceCount"]) for g in groups]
    return [("homogeneousCluster", resources["InstanceType"], resources["InstanceCount"])]


def _check_resources(resources: dict[str, Any] | None) -> None:
    if not resources:
        raise faults.invalid("ResourceConfig is required to create a training job.")
    for member in ("TrainingPlanArn", "InstancePreferences", "InstancePlacementConfig"):
        if resources.get(member):
            raise faults.unsupported(f"ResourceConfig.{member}")
    if resources.get("InstanceGroups"):
        if "InstanceType" in resources or "InstanceCount" in resources:
            raise faults.invalid(
                "InstanceType and InstanceCount cannot be specified together with InstanceGroups."
            )
    elif "InstanceType" not in resources or "InstanceCount" not in resources:
        raise faults.invalid(
            "ResourceConfig must specify InstanceType and InstanceCount, or InstanceGroups."
        )
    groups = instance_groups(resources)
    names = [name for name, _, _ in groups]
    if len(set(names)) != len(names):
        raise faults.invalid("InstanceGroupName must be unique within InstanceGroups.")
    for _, instance_type, count in groups:
        if count < 1:
            raise faults.invalid("InstanceCount must be at least 1.")
        if instance_of(instance_type) is None:
            raise faults.unsupported(f"Instance type {instance_type}")
    total = sum(count for _, _, count in groups)
    if total > INSTANCE_LIMIT:
        raise faults.over_limit(groups[0][1], INSTANCE_LIMIT, 0, total)


def interruption_times_s(request: dict[str, Any]) -> list[float]:
    """Return after how many seconds of training each attempt of a spot job is interrupted.

    Raises:
        ApiError: the variable of the job's Environment that says so is not a list of numbers.
    """
    text = request.get("Environment", {}).get(INTERRUPTION_VARIABLE, "")
    if not text or not request.get("EnableManagedSpotTraining"):
        return []
    if not _TIMES.fullmatch(text):
        raise faults.invalid(f"{INTERRUPTION_VARIABLE} must be seconds, separated by commas.")
    return [float(part) for part in text.split(",")]


def _check_stopping(request: dict[str, Any]) -> None:
    condition = request.get("StoppingCondition", {})
    runtime_s = condition.get("MaxRuntimeInSeconds")
    if runtime_s is not None and runtime_s > MAX_RUNTIME_LIMIT_S:
        raise faults.over_runtime(runtime_s, MAX_RUNTIME_LIMIT_S)
    wait_s = condition.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait_s is not None:
            raise faults.invalid(
                "MaxWaitTimeInSeconds cannot be specified unless EnableManagedSpotTraining is true."
            )
        return
    if wait_s is None or wait_s < (runtime_s or 0):
        raise faults.invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to"
            " MaxRuntimeInSeconds"
        )


def _check_channels(context: Context, request: dict[str, Any]) -> None:
    channels = request.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    for name in names:
        if names.count(name) > 1:
            raise faults.invalid(f"Channel names must be unique: {name} is given more than once.")
        if name.strip(".") == "":
            raise faults.invalid(f"Invalid channel name: {name}")
    groups = {name for name, _, _ in instance_groups(request["ResourceConfig"])}
    for channel in channels:
        _check_channel(context, request, channel, groups)


def _check_channel(
    context: Context, request: dict[str, Any], channel: dict[str, Any], groups: set[str]
) -> None:
    name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource")
    if source is None:
        given = ", ".join(channel["DataSource"]) or "nothing"
        raise faults.unsupported(f"The data source of channel {name} ({given})")
    mode = channel.get("InputMode") or request["AlgorithmSpecification"]["TrainingInputMode"]
    for problem in _contradictions(source, mode):
        raise faults.invalid(f"Channel {name}: {problem}")
    unknown = set(source.get("InstanceGroupNames", ())) - groups
    if unknown:
        raise faults.invalid(
            f"Channel {name}: InstanceGroupNames names no instance group: {sorted(unknown)}"
        )
    bucket, prefix = _location(source["S3Uri"])
    objects = context.platform.objects
    record = objects.bucket(bucket)
    if record is None or next(objects.listing.current(record, prefix), None) is None:
        raise faults.no_data(source["S3Uri"], context.region, request["RoleArn"], bucket)


def _contradictions(source: dict[str, Any], mode: str) -> Iterator[str]:
    kind = source["S3DataType"]
    if kind == "Converse":
        yield "S3DataType Converse is not supported by this server."
    if kind == "AugmentedManifestFile":
        if mode != "Pipe":
            yield "AugmentedManifestFile can only be used with the input mode Pipe."
        if not source.get("AttributeNames"):
            yield "AttributeNames is required for S3DataType AugmentedManifestFile."
    elif source.get("AttributeNames"):
        yield "AttributeNames can only be used with S3DataType AugmentedManifestFile."
    if mode == "FastFile" and kind != "S3Prefix":
        yield "the input mode FastFile needs S3DataType S3Prefix."
    if source.get("ModelAccessConfig") or source.get("HubAccessConfig"):
        yield "ModelAccessConfig and HubAccessConfig are not supported by this server."


def _location(text: str) -> tuple[str, str]:
    try:
        return parse_s3_uri(text)
    except InvalidLocation:
        raise faults.invalid(f"The S3 URI {text!r} does not name a bucket.") from None
