"""What every account has from the start: AWS's managed policies and the usual SageMaker roles.

The policies carry the names and ARNs of AWS's own and grant what those grant to a program that
works with machine learning here; they are shorter where AWS lists services that do not exist here.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_SAGEMAKER_ROLE_POLICIES = (
    "AmazonSageMakerFullAccess",
    "AmazonS3FullAccess",
    "AmazonBedrockFullAccess",
)
DEFAULT_ROLE = "SageMakerRole"
# Names that the documentation, the console, example notebooks and users give to execution roles.
_USUAL_ROLES = re.compile(
    r"(?P<console>AmazonSageMaker-ExecutionRole)(-\d{8}T\d{6})?|.*SageMaker.*", re.IGNORECASE
)

SAGEMAKER_TRUST = orjson.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {
                    "Service": [
                        "sagemaker.amazonaws.com",
                        "scheduler.amazonaws.com",
                        "bedrock.amazonaws.com",
                    ]
                },
                "Action": "sts:AssumeRole",
            }
        ],
    }
).decode()


def usual_role(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the path and the policy ARNs of a usual SageMaker role, None for any other name."""
    match = _USUAL_ROLES.fullmatch(name)
    if match is None:
        return None
    path = "/service-role/" if match["console"] else "/"
    return path, tuple(f"arn:aws:iam::aws:policy/{policy}" for policy in _SAGEMAKER_ROLE_POLICIES)


def _allow(*actions: str, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return statement


_SAGEMAKER_FULL = [
    _allow("sagemaker:*", "sagemaker-geospatial:*"),
    _allow(
        "application-autoscaling:*",
        "athena:*",
        "aws-marketplace:ViewSubscriptions",
        "cloudformation:GetTemplateSummary",
        "cloudwatch:DeleteAlarms",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "cloudwatch:GetMetricStatistics",
        "cloudwatch:ListMetrics",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:PutMetricData",
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:CreateVpcEndpoint",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
        "ec2:Describe*",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CreateRepository",
        "ecr:Describe*",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "ecr:StartImageScan",
        "glue:*",
        "groundtruthlabeling:*",
        "iam:GetRole",
        "iam:ListRoles",
        "kms:DescribeKey",
        "kms:ListAliases",
        "lambda:ListFunctions",
        "logs:*",
        "s3:GetBucketAcl",
        "s3:GetBucketCors",
        "s3:GetBucketLocation",
        "s3:ListAllMyBuckets",
        "s3:ListBucket",
        "s3:PutBucketCors",
        "secretsmanager:ListSecrets",
        "sns:ListTopics",
        "tag:GetResources",
    ),
    _allow(
        "s3:AbortMultipartUpload",
        "s3:CreateBucket",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:PutObject",
        resource=[
            "arn:aws:s3:::*SageMaker*",
            "arn:aws:s3:::*Sagemaker*",
            "arn:aws:s3:::*sagemaker*",
            "arn:aws:s3:::*aws-glue*",
        ],
    ),
    _allow(
        "lambda:InvokeFunction",
        resource=[f"arn:aws:lambda:*:*:function:*{n}*" for n in ("SageMaker", "sagemaker")],
    ),
    _allow(
        "iam:PassRole",
        resource="arn:aws:iam::*:role/*",
        StringEquals={
            "iam:PassedToService": [
                "glue.amazonaws.com",
                "robomaker.amazonaws.com",
                "sagemaker.amazonaws.com",
                "states.amazonaws.com",
            ]
        },
    ),
]

_READ_VERBS = ("Describe*", "Get*", "List*")
_STATEMENTS: dict[str, list[dict[str, Any]]] = {
    "AdministratorAccess": [_allow("*")],
    "PowerUserAccess": [
        {
            "Effect": "Allow",
            "NotAction": ["iam:*", "organizations:*", "account:*"],
            "Resource": "*",
        },
        _allow("iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles"),
    ],
    "ReadOnlyAccess": [
        _allow(
            *(
                f"{service}:{verb}"
                for service in [
                    "athena",
                    "cloudwatch",
                    "ecr",
                    "glue",
                    "iam",
                    "kms",
                    "lambda",
                    "logs",
                    "s3",
                    "sagemaker",
                    "sns",
                    "sqs",
                    "states",
                    "sts",
                ]
                for verb in _READ_VERBS
            ),
            "kms:Describe*",
            "logs:FilterLogEvents",
            "sagemaker:Search",
        )
    ],
    "IAMFullAccess": [_allow("iam:*", "organizations:Describe*", "organizations:List*")],
    "IAMReadOnlyAccess": [
        _allow(
            "iam:GenerateCredentialReport",
            "iam:Get*",
            "iam:List*",
            "iam:SimulateCustomPolicy",
            "iam:SimulatePrincipalPolicy",
        )
    ],
    "AmazonS3FullAccess": [_allow("s3:*", "s3-object-lambda:*")],
    "AmazonS3ReadOnlyAccess": [
        _allow("s3:Describe*", "s3:Get*", "s3:List*", "s3-object-lambda:Get*")
    ],
    "AmazonSageMakerFullAccess": _SAGEMAKER_FULL,
    "AmazonSageMakerReadOnly": [
        _allow(
            "sagemaker:BatchGet*",
            "sagemaker:Describe*",
            "sagemaker:Get*",
            "sagemaker:List*",
            "sagemaker:Search",
            "cloudwatch:DescribeAlarms",
            "logs:Describe*",
            "logs:GetLogEvents",
        )
    ],
    "AmazonBedrockFullAccess": [_allow("bedrock:*")],
    "AmazonAthenaFullAccess": [_allow("athena:*", "glue:*")],
    "AmazonEC2ContainerRegistryFullAccess": [_allow("ecr:*", "cloudtrail:LookupEvents")],
    "AmazonEC2ContainerRegistryReadOnly": [
        _allow("ecr:Get*", "ecr:Describe*", "ecr:List*", "ecr:BatchCheck*", "ecr:BatchGetImage")
    ],
    "AmazonEC2ContainerRegistryPowerUser": [
        _allow(
            "ecr:Get*",
            "ecr:Describe*",
            "ecr:List*",
            "ecr:BatchCheck*",
            "ecr:BatchGetImage",
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
            "ecr:PutImage",
        )
    ],
    "CloudWatchFullAccess": [_allow("cloudwatch:*", "logs:*", "sns:*", "autoscaling:Describe*")],
    "CloudWatchReadOnlyAccess": [
        _allow(
            "cloudwatch:Describe*",
            "cloudwatch:Get*",
            "cloudwatch:List*",
            "logs:Get*",
            "logs:List*",
            "logs:Describe*",
            "logs:FilterLogEvents",
            "logs:StartQuery",
            "logs:StartLiveTail",
        )
    ],
    "CloudWatchLogsFullAccess": [_allow("logs:*", "cloudwatch:GenerateQuery")],
    "CloudWatchLogsReadOnlyAccess": [
        _allow(
            "logs:Describe*",
            "logs:Get*",
            "logs:List*",
            "logs:FilterLogEvents",
            "logs:StartLiveTail",
            "logs:TestMetricFilter",
        )
    ],
    "AWSKeyManagementServicePowerUser": [
        _allow(
            "kms:CreateAlias",
            "kms:CreateKey",
            "kms:DeleteAlias",
            "kms:Describe*",
            "kms:GenerateRandom",
            "kms:Get*",
            "kms:List*",
            "kms:TagResource",
            "kms:UntagResource",
            "iam:ListGroups",
            "iam:ListRoles",
            "iam:ListUsers",
        )
    ],
    "AWSLambda_FullAccess": [_allow("lambda:*", "logs:Describe*", "iam:ListRoles")],
    "AWSStepFunctionsFullAccess": [_allow("states:*")],
    "service-role/AWSLambdaBasicExecutionRole": [
        _allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    ],
    "service-role/AWSGlueServiceRole": [
        _allow(
            "glue:*",
            "s3:GetBucketLocation",
            "s3:ListBucket",
            "s3:ListAllMyBuckets",
            "s3:GetBucketAcl",
            "cloudwatch:PutMetricData",
            "logs:*",
        )
    ],
}

# ARN -> (name, path, document)
MANAGED_POLICIES: dict[str, tuple[str, str, str]] = {
    f"arn:aws:iam::aws:policy/{key}": (
        key.rpartition("/")[2],
        f"/{key.rpartition('/')[0]}/" if "/" in key else "/",
        orjson.dumps({"Version": "2012-10-17", "Statement": statements}).decode(),
    )
    for key, statements in _STATEMENTS.items()
}
