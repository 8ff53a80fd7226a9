"""Managed and inline policies, their versions, and simulation."""

from __future__ import annotations

import json
from typing import Any

import pytest

AWS_POLICY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def document(effect: str = "Allow", action: str = "s3:*", resource: str = "*") -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def iam(client: Any) -> Any:
    return client("iam")


def test_create_get_and_delete(iam: Any, refusal: Any, account: str) -> None:
    made = iam.create_policy(PolicyName="p", Path="/x/", PolicyDocument=document())["Policy"]
    arn = made["Arn"]
    assert arn == f"arn:aws:iam::{account}:policy/x/p"
    assert (made["DefaultVersionId"], made["AttachmentCount"]) == ("v1", 0)
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert version["Document"] == json.loads(document())
    assert refusal(iam.create_policy, PolicyName="p", PolicyDocument=document())[0] == (
        "EntityAlreadyExists"
    )
    iam.create_user(UserName="bob")
    iam.attach_user_policy(UserName="bob", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert [user["UserName"] for user in entities["PolicyUsers"]] == ["bob"]
    assert refusal(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"
    iam.detach_user_policy(UserName="bob", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    assert refusal(iam.get_policy, PolicyArn=arn)[0] == "NoSuchEntity"


def test_versions(iam: Any, refusal: Any) -> None:
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document())["Policy"]["Arn"]
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document("Deny"))
    limit = refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=document())
    assert limit[0] == "LimitExceeded"
    pages = iam.get_paginator("list_policy_versions").paginate(
        PolicyArn=arn, PaginationConfig={"PageSize": 2}
    )
    listed = [version["VersionId"] for page in pages for version in page["Versions"]]
    assert listed == ["v5", "v4", "v3", "v2", "v1"]
    assert refusal(iam.delete_policy_version, PolicyArn=arn, VersionId="v1")[0] == "DeleteConflict"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v4")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v4"
    assert refusal(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"


def test_awss_policies_can_be_attached_and_not_changed(iam: Any, refusal: Any) -> None:
    iam.create_user(UserName="bob")
    iam.attach_user_policy(UserName="bob", PolicyArn=AWS_POLICY)
    attached = iam.list_attached_user_policies(UserName="bob")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": AWS_POLICY}]
    assert refusal(iam.delete_policy, PolicyArn=AWS_POLICY)[0] == "AccessDenied"
    tags = [{"Key": "a", "Value": "b"}]
    assert refusal(iam.tag_policy, PolicyArn=AWS_POLICY, Tags=tags)[0] == "AccessDenied"
    missing = AWS_POLICY + "X"
    code, message = refusal(iam.attach_user_policy, UserName="bob", PolicyArn=missing)
    assert (code, message) == (
        "NoSuchEntity",
        f"Policy {missing} does not exist or is not attachable.",
    )


def test_list_policies_by_scope(iam: Any) -> None:
    iam.create_policy(PolicyName="mine", PolicyDocument=document())

    def names(**request: Any) -> list[str]:
        pages = iam.get_paginator("list_policies").paginate(
            PaginationConfig={"PageSize": 5}, **request
        )
        return [policy["PolicyName"] for page in pages for policy in page["Policies"]]

    assert names(Scope="Local") == ["mine"]
    assert "AdministratorAccess" in names(Scope="AWS")
    assert set(names()) == {"mine", *names(Scope="AWS")}
    assert names(Scope="Local", OnlyAttached=True) == []


@pytest.mark.parametrize("kind", ["user", "group", "role"])
def test_inline_policies(iam: Any, refusal: Any, kind: str) -> None:
    name = {f"{kind.capitalize()}Name": "x"}
    if kind == "role":
        trust = document(action="sts:AssumeRole").replace('"Resource"', '"Principal"')
        iam.create_role(**name, AssumeRolePolicyDocument=trust)
    else:
        getattr(iam, f"create_{kind}")(**name)
    put = getattr(iam, f"put_{kind}_policy")
    get = getattr(iam, f"get_{kind}_policy")
    put(**name, PolicyName="p", PolicyDocument=document())
    put(**name, PolicyName="p", PolicyDocument=document("Deny"))
    assert get(**name, PolicyName="p")["PolicyDocument"] == json.loads(document("Deny"))
    assert getattr(iam, f"list_{kind}_policies")(**name)["PolicyNames"] == ["p"]
    getattr(iam, f"delete_{kind}_policy")(**name, PolicyName="p")
    code, message = refusal(get, **name, PolicyName="p")
    assert (code, message) == ("NoSuchEntity", f"The {kind} policy with name p cannot be found.")
    assert refusal(put, **name, PolicyName="p", PolicyDocument="{}")[0] == "MalformedPolicyDocument"


def test_inline_policies_have_a_size_together(iam: Any, refusal: Any) -> None:
    iam.create_user(UserName="bob")
    long = document(resource="arn:aws:s3:::" + "x" * 1500)
    iam.put_user_policy(UserName="bob", PolicyName="a", PolicyDocument=long)
    more = refusal(iam.put_user_policy, UserName="bob", PolicyName="b", PolicyDocument=long)
    assert more[0] == "LimitExceeded"


def test_simulate_principal_policy(iam: Any, refusal: Any, account: str) -> None:
    iam.create_user(UserName="bob")
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=document(action="s3:Get*"))
    source = f"arn:aws:iam::{account}:user/bob"
    asked = {"PolicySourceArn": source, "ActionNames": ["s3:GetObject", "s3:PutObject"]}
    results = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert [r["EvalDecision"] for r in results] == ["allowed", "implicitDeny"]
    assert results[0]["MatchedStatements"][0]["SourcePolicyId"] == "user_bob_p"
    more = document("Deny", "s3:GetObject", "arn:aws:s3:::secret/*")
    results = iam.simulate_principal_policy(
        **asked,
        PolicyInputList=[more],
        ResourceArns=["arn:aws:s3:::secret/x", "arn:aws:s3:::open/x"],
    )["EvaluationResults"]
    assert [r["EvalDecision"] for r in results] == [
        "explicitDeny",
        "allowed",
        "implicitDeny",
        "implicitDeny",
    ]
    assert refusal(iam.simulate_principal_policy, **asked | {"PolicySourceArn": "x" * 20})[0] == (
        "InvalidInput"
    )
    gone = asked | {"PolicySourceArn": source + "by"}
    assert refusal(iam.simulate_principal_policy, **gone)[0] == "NoSuchEntity"


def test_simulate_custom_policy_with_context(iam: Any) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})

    def simulate(**more: Any) -> dict[str, Any]:
        answer = iam.simulate_custom_policy(
            PolicyInputList=[text], ActionNames=["s3:GetObject"], **more
        )
        return dict(answer["EvaluationResults"][0])

    entry = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyType": "string"}
    known = simulate(ContextEntries=[entry | {"ContextKeyValues": ["us-east-1"]}])
    assert known["EvalDecision"] == "allowed"
    unknown = simulate()
    assert unknown["EvalDecision"] == "implicitDeny"
    assert unknown["MissingContextValues"] == ["aws:requestedregion"]


def test_account_authorization_details_hold_everything(iam: Any) -> None:
    iam.create_user(UserName="bob")
    iam.create_group(GroupName="g")
    iam.add_user_to_group(UserName="bob", GroupName="g")
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=document())
    iam.create_policy(PolicyName="mine", PolicyDocument=document())
    details = iam.get_account_authorization_details()
    (user,) = details["UserDetailList"]
    assert user["GroupList"] == ["g"]
    assert user["UserPolicyList"][0]["PolicyDocument"] == json.loads(document())
    assert [role["RoleName"] for role in details["RoleDetailList"]] == ["SageMakerRole"]
    assert [policy["PolicyName"] for policy in details["Policies"]] == ["mine"]
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["Groups"], summary["Policies"]) == (1, 1, 1)
