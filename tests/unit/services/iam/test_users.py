"""Users, their keys and groups, through boto3."""

from __future__ import annotations

from typing import Any

import pytest

POLICY = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
DOCUMENT = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
)


@pytest.fixture
def iam(client: Any) -> Any:
    return client("iam")


def test_create_get_update_delete(iam: Any, refusal: Any, account: str) -> None:
    made = iam.create_user(UserName="bob", Path="/team/", Tags=[{"Key": "k", "Value": "v"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{account}:user/team/bob"
    assert made["UserId"].startswith("AIDA")
    assert iam.get_user(UserName="bob")["User"] == made
    assert refusal(iam.create_user, UserName="BOB") == (
        "EntityAlreadyExists",
        "User with name BOB already exists.",
    )
    iam.update_user(UserName="bob", NewUserName="robert", NewPath="/")
    assert iam.get_user(UserName="robert")["User"]["Arn"] == f"arn:aws:iam::{account}:user/robert"
    assert refusal(iam.get_user, UserName="bob") == (
        "NoSuchEntity",
        "The user with name bob cannot be found.",
    )
    iam.delete_user(UserName="robert")
    assert iam.list_users()["Users"] == []


def test_list_pages_and_path_prefix(iam: Any) -> None:
    for number in range(5):
        iam.create_user(UserName=f"u{number}", Path="/odd/" if number % 2 else "/even/")
    paginator = iam.get_paginator("list_users")

    def names(**request: Any) -> list[str]:
        pages = paginator.paginate(PaginationConfig={"PageSize": 2}, **request)
        return [user["UserName"] for page in pages for user in page["Users"]]

    assert names() == ["u0", "u1", "u2", "u3", "u4"]
    assert names(PathPrefix="/odd/") == ["u1", "u3"]


def test_get_user_without_a_name_is_the_caller(iam: Any, client: Any, refusal: Any) -> None:
    code, message = refusal(iam.get_user)
    assert (code, "non-User credentials" in message) == ("ValidationError", True)
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    own = client(
        "iam",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    assert own.get_user()["User"]["UserName"] == "bob"


def test_access_keys(iam: Any, refusal: Any) -> None:
    iam.create_user(UserName="bob")
    first = iam.create_access_key(UserName="bob")["AccessKey"]
    assert first["AccessKeyId"].startswith("AKIA")
    assert len(first["SecretAccessKey"]) == 40
    iam.create_access_key(UserName="bob")
    assert refusal(iam.create_access_key, UserName="bob") == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )
    iam.update_access_key(UserName="bob", AccessKeyId=first["AccessKeyId"], Status="Inactive")
    listed = iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]
    assert {k["AccessKeyId"]: k["Status"] for k in listed}[first["AccessKeyId"]] == "Inactive"
    assert not any("SecretAccessKey" in key for key in listed)
    iam.delete_access_key(UserName="bob", AccessKeyId=first["AccessKeyId"])
    assert len(iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]) == 1
    code, _ = refusal(iam.delete_access_key, UserName="bob", AccessKeyId=first["AccessKeyId"])
    assert code == "NoSuchEntity"


def test_delete_needs_an_empty_user(iam: Any, refusal: Any) -> None:
    iam.create_user(UserName="bob")
    iam.create_group(GroupName="g")
    key = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    iam.attach_user_policy(UserName="bob", PolicyArn=POLICY)
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=DOCUMENT)
    iam.add_user_to_group(UserName="bob", GroupName="g")
    undo = {
        "access keys": lambda: iam.delete_access_key(UserName="bob", AccessKeyId=key),
        "from group": lambda: iam.remove_user_from_group(UserName="bob", GroupName="g"),
        "detach all policies": lambda: iam.detach_user_policy(UserName="bob", PolicyArn=POLICY),
        "delete policies": lambda: iam.delete_user_policy(UserName="bob", PolicyName="p"),
    }
    for what, step in undo.items():
        code, message = refusal(iam.delete_user, UserName="bob")
        assert (code, what in message) == ("DeleteConflict", True)
        step()
    iam.delete_user(UserName="bob")


def test_groups(iam: Any, refusal: Any) -> None:
    iam.create_group(GroupName="g")
    iam.create_user(UserName="bob")
    iam.add_user_to_group(UserName="bob", GroupName="g")
    assert [u["UserName"] for u in iam.get_group(GroupName="g")["Users"]] == ["bob"]
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="bob")["Groups"]] == ["g"]
    assert refusal(iam.delete_group, GroupName="g")[0] == "DeleteConflict"
    iam.update_group(GroupName="g", NewGroupName="h")
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="bob")["Groups"]] == ["h"]
    iam.remove_user_from_group(UserName="bob", GroupName="h")
    assert refusal(iam.remove_user_from_group, UserName="bob", GroupName="h")[0] == "NoSuchEntity"
    iam.delete_group(GroupName="h")
    assert iam.list_groups()["Groups"] == []


def test_tags(iam: Any, refusal: Any) -> None:
    iam.create_user(UserName="bob", Tags=[{"Key": "Team", "Value": "a"}])
    iam.tag_user(UserName="bob", Tags=[{"Key": "team", "Value": "b"}, {"Key": "x", "Value": ""}])
    assert iam.list_user_tags(UserName="bob")["Tags"] == [
        {"Key": "team", "Value": "b"},
        {"Key": "x", "Value": ""},
    ]
    iam.untag_user(UserName="bob", TagKeys=["TEAM"])
    assert [tag["Key"] for tag in iam.list_user_tags(UserName="bob")["Tags"]] == ["x"]
    twice = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    assert refusal(iam.tag_user, UserName="bob", Tags=twice)[0] == "InvalidInput"
