"""What SageMaker's policies can name: the resources of a request and its condition keys.

Source: "Actions, resources, and condition keys for Amazon SageMaker", Service Authorization
Reference. A key whose member a request does not have is not there, as on AWS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagebrush.services.platform import Context

_FORMS = {
    "TrainingJobName": "training-job/{}",
    "TransformJobName": "transform-job/{}",
    "HyperParameterTuningJobName": "hyper-parameter-tuning-job/{}",
    "InferenceComponentName": "inference-component/{}",
    "EndpointConfigName": "endpoint-config/{}",
    "EndpointName": "endpoint/{}",
    "ModelName": "model/{}",
}
# Operations that need the permission for more than one resource, or for another than the first.
_OF_ENDPOINTS = ("EndpointName", "EndpointConfigName")
_NAMED = {
    "CreateEndpoint": _OF_ENDPOINTS,
    "UpdateEndpoint": _OF_ENDPOINTS,
    "CreateInferenceComponent": ("InferenceComponentName", "EndpointName"),
    "InvokeEndpoint": ("EndpointName",),
    "InvokeEndpointAsync": ("EndpointName",),
    "InvokeEndpointWithResponseStream": ("EndpointName",),
}
_VARIANTS = ("ProductionVariants", "ShadowProductionVariants")
_KEYS = {
    "sagemaker:AcceleratorTypes": [f"{each}.AcceleratorType" for each in _VARIANTS],
    "sagemaker:InstanceTypes": [
        *(f"{each}.InstanceType" for each in _VARIANTS),
        "TransformResources.InstanceType",
        "ResourceConfig.InstanceType",
        "ResourceConfig.InstanceGroups.InstanceType",
    ],
    "sagemaker:InterContainerTrafficEncryption": ["EnableInterContainerTrafficEncryption"],
    "sagemaker:MaxRuntimeInSeconds": ["StoppingCondition.MaxRuntimeInSeconds"],
    "sagemaker:NetworkIsolation": ["EnableNetworkIsolation"],
    "sagemaker:OutputKmsKey": ["OutputDataConfig.KmsKeyId", "TransformOutput.KmsKeyId"],
    "sagemaker:ServerlessMaxConcurrency": [
        f"{each}.ServerlessConfig.MaxConcurrency" for each in _VARIANTS
    ],
    "sagemaker:ServerlessMemorySize": [
        f"{each}.ServerlessConfig.MemorySizeInMB" for each in _VARIANTS
    ],
    # "Security with multi-container endpoints" names this key, and its policies name the next one
    # for the same: so either may name a container.
    "sagemaker:TargetContainerHostname": ["TargetContainerHostname"],
    "sagemaker:TargetModel": ["TargetModel", "TargetContainerHostname"],
    "sagemaker:VolumeKmsKey": [
        "KmsKeyId",
        "ResourceConfig.VolumeKmsKeyId",
        "TransformResources.VolumeKmsKeyId",
    ],
    "sagemaker:VpcSecurityGroupIds": ["VpcConfig.SecurityGroupIds"],
    "sagemaker:VpcSubnets": ["VpcConfig.Subnets"],
    "aws:TagKeys": ["Tags.Key", "TagKeys"],
}
_MODELS = {
    "CreateEndpointConfig": [f"{each}.ModelName" for each in _VARIANTS],
    "CreateTransformJob": ["ModelName"],
}


def sagemaker_resources(
    context: Context, operation: str, parameters: dict[str, Any]
) -> tuple[str, ...]:
    """Return the ARNs that an operation needs the permission for; none when it names none."""
    members = _NAMED.get(operation)
    if members is None:
        members = next(((member,) for member in _FORMS if member in parameters), ())
    named = [(_FORMS[member], parameters[member]) for member in members if member in parameters]
    if not named and "InferenceExperiment" in operation and "Name" in parameters:
        named = [("inference-experiment/{}", parameters["Name"])]
    # Names are as they were given, but lower case in ARNs.
    return tuple(context.arn("sagemaker", form.format(name).lower()) for form, name in named)


def sagemaker_keys(
    context: Context, operation: str, parameters: dict[str, Any]
) -> dict[str, list[str]]:
    """Return the condition keys that the request itself has values for."""
    keys = {key: _values(parameters, paths) for key, paths in _KEYS.items()}
    models = _values(parameters, _MODELS.get(operation, []))
    keys["sagemaker:ModelArn"] = [
        context.arn("sagemaker", f"model/{name.lower()}") for name in models
    ]
    for tag in parameters.get("Tags", ()):
        keys[f"aws:RequestTag/{tag['Key']}"] = [tag["Value"]]
    return {key: values for key, values in keys.items() if values}


def sagemaker_tag_keys(context: Context, arn: str) -> dict[str, list[str]]:
    """Return the condition keys of the tags that a resource has."""
    from sagebrush.services.sagemaker.tagging import tags_of  # only where policies are checked

    keys = {}
    for tag in tags_of(context.db, arn):
        for prefix in ("aws", "sagemaker"):
            keys[f"{prefix}:ResourceTag/{tag['Key']}"] = [tag["Value"]]
    return keys


def _values(parameters: dict[str, Any], paths: list[str]) -> list[str]:
    found = (value for path in paths for value in _along(parameters, path.split(".")))
    return list(dict.fromkeys(_text(value) for value in found))


def _along(value: Any, names: list[str]) -> Iterator[Any]:
    """Yield what lies along a path of members, through every item of a list."""
    if isinstance(value, list):
        for item in value:
            yield from _along(item, names)
    elif not names:
        yield value
    elif names[0] in value:
        yield from _along(value[names[0]], names[1:])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
