"""Roles, instance profiles and what the SageMaker SDKs ask about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture
def iam(client: Any) -> Any:
    return client("iam")


def test_create_get_update_delete(iam: Any, refusal: Any, account: str) -> None:
    iam.create_role(RoleName="r", Path="/p/", AssumeRolePolicyDocument=TRUST, Description="d")
    role = iam.get_role(RoleName="r")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/p/r"
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert (role["Description"], role["MaxSessionDuration"]) == ("d", 3600)
    iam.update_role(RoleName="r", MaxSessionDuration=7200)
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=TRUST.replace("sagemaker", "lambda"))
    role = iam.get_role(RoleName="r")["Role"]
    assert role["MaxSessionDuration"] == 7200
    assert "lambda" in str(role["AssumeRolePolicyDocument"])
    taken = refusal(iam.create_role, RoleName="r", AssumeRolePolicyDocument=TRUST)
    assert taken == ("EntityAlreadyExists", "Role with name r already exists.")
    iam.delete_role(RoleName="r")
    assert refusal(iam.get_role, RoleName="r") == (
        "NoSuchEntity",
        "The role with name r cannot be found.",
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("SageMakerRole", "/"),
        ("AmazonSageMaker-ExecutionRole", "/service-role/"),
        ("AmazonSageMaker-ExecutionRole-20240102T030405", "/service-role/"),
    ],
)
def test_usual_roles_trust_sagemaker(iam: Any, account: str, name: str, path: str) -> None:
    role = iam.get_role(RoleName=name)["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role{path}{name}"
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert "sagemaker.amazonaws.com" in statement["Principal"]["Service"]


def test_the_default_role_is_listed_and_can_be_taken_away(iam: Any, refusal: Any) -> None:
    assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["SageMakerRole"]
    attached = iam.list_attached_role_policies(RoleName="SageMakerRole")["AttachedPolicies"]
    assert refusal(iam.delete_role, RoleName="SageMakerRole")[0] == "DeleteConflict"
    for policy in attached:
        iam.detach_role_policy(RoleName="SageMakerRole", PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName="SageMakerRole")
    assert refusal(iam.get_role, RoleName="SageMakerRole")[0] == "NoSuchEntity"
    iam.create_role(RoleName="SageMakerRole", AssumeRolePolicyDocument=TRUST)


def test_the_default_role_passes_the_checks_of_sdk_v3(iam: Any) -> None:
    arn = iam.get_role(RoleName="SageMakerRole")["Role"]["Arn"]
    asked = [
        "cloudwatch:PutMetricData",
        "ec2:CreateNetworkInterface",
        "ec2:DescribeVpcs",
        "ecr:GetAuthorizationToken",
        "glue:GetTable",
        "bedrock:CreateEvaluationJob",
        "iam:CreateUser",
    ]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn, ActionNames=asked, PaginationConfig={"PageSize": 3}
    )
    decisions = {
        result["EvalActionName"]: result["EvalDecision"]
        for page in pages
        for result in page["EvaluationResults"]
    }
    assert decisions.pop("iam:CreateUser") == "implicitDeny"
    assert decisions == dict.fromkeys(asked[:-1], "allowed")


def test_instance_profiles(iam: Any, refusal: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.create_role(RoleName="s", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="p")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    more = refusal(iam.add_role_to_instance_profile, InstanceProfileName="p", RoleName="s")
    assert more[0] == "LimitExceeded"
    profile = iam.get_instance_profile(InstanceProfileName="p")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["r"]
    held = iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"]
    assert [p["InstanceProfileName"] for p in held] == ["p"]
    assert refusal(iam.delete_role, RoleName="r")[0] == "DeleteConflict"
    assert refusal(iam.delete_instance_profile, InstanceProfileName="p")[0] == "DeleteConflict"
    iam.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")
    iam.delete_instance_profile(InstanceProfileName="p")
    iam.delete_role(RoleName="r")


def test_trust_policies_are_checked(iam: Any, refusal: Any) -> None:
    for text in ("{", '{"Version":"2012-10-17","Statement":[]}', TRUST.replace("Principal", "X")):
        code, _ = refusal(iam.create_role, RoleName="r", AssumeRolePolicyDocument=text)
        assert code == "MalformedPolicyDocument"
