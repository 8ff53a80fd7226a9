"""Which kinds of resource exist here, for the operations that take any ARN or resource type.

A resource file joins with one line: the ARN's resource type and the table that holds it.
"""

from __future__ import annotations

from sagebrush.base.arns import Arn
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults

# ARN resource type -> table with the columns account, region, name.
TABLES = {
    "endpoint": "sagemaker_endpoints",
    "endpoint-config": "sagemaker_endpoint_configs",
    "hyper-parameter-tuning-job": "sagemaker_tuning_jobs",
    "inference-component": "sagemaker_inference_components",
    "inference-experiment": "sagemaker_inference_experiments",
    "model": "sagemaker_models",
    "training-job": "sagemaker_training_jobs",
    "transform-job": "sagemaker_transform_jobs",
}


def require_resource(context: Context, arn: str) -> None:
    """Check that `arn` names a resource of the caller's account and region that exists.

    Raises:
        ApiError: ValidationException or AccessDeniedException, as AWS answers.
    """
    parsed = Arn.parse(arn)
    kind, _, name = parsed.resource.partition("/") if parsed else ("", "", "")
    if parsed is None or parsed.service != "sagemaker" or kind not in TABLES:
        raise faults.invalid(f"Invalid or unsupported resource ARN: {arn}")
    if (parsed.account, parsed.region) != (context.account, context.region):
        raise faults.invalid(f"The resource {arn} belongs to another account or region.")
    # An ARN may have a name in lower case, of a resource whose names differ by more than case.
    case = " COLLATE NOCASE" if kind == "hyper-parameter-tuning-job" else ""
    row = context.db.one(
        f"SELECT 1 FROM {TABLES[kind]} WHERE account = ? AND region = ? AND name = ?{case}",
        (parsed.account, parsed.region, name),
    )
    if row is None:
        raise faults.invalid(f"Could not find resource with ARN {arn}.")
