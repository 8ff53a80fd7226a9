"""The AWS API: one folder per service, one file per resource, one function per operation.

`SERVICES` is the static list the gateway reads: the name of the service in AWS's models and the
module that declares it. Nothing is imported until a request needs it.
"""

from __future__ import annotations

SERVICES: dict[str, str] = {
    "s3": "sagebrush.services.s3.service",
    "sts": "sagebrush.services.sts.service",
    "iam": "sagebrush.services.iam.service",
    "logs": "sagebrush.services.logs.service",
    "cloudwatch": "sagebrush.services.cloudwatch.service",
    "kms": "sagebrush.services.kms.service",
    "ecr": "sagebrush.services.ecr.service",
    "sqs": "sagebrush.services.sqs.service",
    "sns": "sagebrush.services.sns.service",
    "sagemaker": "sagebrush.services.sagemaker.service",
    "sagemaker-runtime": "sagebrush.services.sagemaker_runtime.service",
    "application-autoscaling": "sagebrush.services.application_autoscaling.service",
}
