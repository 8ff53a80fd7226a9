"""Repositories, their policies and the expiry of images."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sagebrush.services.ecr.expiry import Image, RuleError, expired, parse_rules

DAY_S = 86_400.0


@pytest.fixture
def ecr(client: Any) -> Any:
    return client("ecr")


def test_create_describe_delete(ecr: Any, refusal: Any, account: str) -> None:
    made = ecr.create_repository(
        repositoryName="team/app", tags=[{"Key": "a", "Value": "b"}], imageTagMutability="IMMUTABLE"
    )["repository"]
    assert made["repositoryArn"] == f"arn:aws:ecr:us-east-1:{account}:repository/team/app"
    assert made["repositoryUri"] == f"{account}.dkr.ecr.us-east-1.amazonaws.com/team/app"
    assert ecr.describe_repositories(repositoryNames=["team/app"])["repositories"] == [made]
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    taken = refusal(ecr.create_repository, repositoryName="team/app")
    assert taken[0] == "RepositoryAlreadyExistsException"
    ecr.delete_repository(repositoryName="team/app")
    assert refusal(ecr.delete_repository, repositoryName="team/app") == (
        "RepositoryNotFoundException",
        f"The repository with name 'team/app' does not exist in the registry with id '{account}'",
    )


def test_list_pages(ecr: Any) -> None:
    for name in ("one", "two", "three"):
        ecr.create_repository(repositoryName=name)
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
    names = [r["repositoryName"] for page in pages for r in page["repositories"]]
    assert names == ["one", "three", "two"]


def test_a_repository_with_images_goes_by_force(ecr: Any, refusal: Any) -> None:
    ecr.create_repository(repositoryName="app")
    text = json.dumps({"schemaVersion": 2, "manifests": []})
    ecr.put_image(repositoryName="app", imageManifest=text, imageTag="v1")
    assert refusal(ecr.delete_repository, repositoryName="app")[0] == "RepositoryNotEmptyException"
    ecr.delete_repository(repositoryName="app", force=True)


def test_authorization_token(ecr: Any, account: str) -> None:
    (data,) = ecr.get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    assert password
    assert data["proxyEndpoint"] == f"https://{account}.dkr.ecr.us-east-1.amazonaws.com"


def test_policies(ecr: Any, refusal: Any) -> None:
    ecr.create_repository(repositoryName="app")
    named = {"repositoryName": "app"}
    missing = "RepositoryPolicyNotFoundException"
    assert refusal(ecr.get_repository_policy, **named)[0] == missing
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ecr.set_repository_policy(**named, policyText=text)
    assert ecr.get_repository_policy(**named)["policyText"] == text
    broken = refusal(ecr.set_repository_policy, **named, policyText='{"Statement": []}')
    assert broken[0] == "InvalidParameterException"
    ecr.delete_repository_policy(**named)
    assert refusal(ecr.delete_repository_policy, **named)[0] == missing


def rule(priority: int, status: str, kind: str, number: int, **more: Any) -> dict[str, Any]:
    selection = {"tagStatus": status, "countType": kind, "countNumber": number} | more
    return {"rulePriority": priority, "selection": selection, "action": {"type": "expire"}}


def policy(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": list(rules)})


def test_lifecycle_policies(ecr: Any, refusal: Any) -> None:
    ecr.create_repository(repositoryName="app")
    text = policy(rule(1, "untagged", "sinceImagePushed", 14, countUnit="days"))
    ecr.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=text)
    assert ecr.get_lifecycle_policy(repositoryName="app")["lifecyclePolicyText"] == text
    broken = text.replace("untagged", "sometimes")
    code, _ = refusal(ecr.put_lifecycle_policy, repositoryName="app", lifecyclePolicyText=broken)
    assert code == "InvalidParameterException"
    ecr.delete_lifecycle_policy(repositoryName="app")
    code, _ = refusal(ecr.get_lifecycle_policy, repositoryName="app")
    assert code == "LifecyclePolicyNotFoundException"


IMAGES = [
    Image("old-untagged", 0 * DAY_S, []),
    Image("prod-1", 1 * DAY_S, ["prod-1"]),
    Image("prod-2", 2 * DAY_S, ["prod-2", "latest"]),
    Image("dev-1", 3 * DAY_S, ["dev-1"]),
    Image("new-untagged", 9 * DAY_S, []),
]


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        (
            [rule(1, "untagged", "sinceImagePushed", 5, countUnit="days")],
            {"old-untagged"},
        ),
        ([rule(1, "any", "imageCountMoreThan", 2)], {"old-untagged", "prod-1", "prod-2"}),
        ([rule(1, "tagged", "imageCountMoreThan", 1, tagPrefixList=["prod"])], {"prod-1"}),
        ([rule(1, "tagged", "imageCountMoreThan", 1, tagPatternList=["*-1"])], {"prod-1"}),
        (
            [rule(1, "tagged", "imageCountMoreThan", 1, tagPatternList=["prod*", "latest"])],
            set(),
        ),
        # The first rule keeps what the second would expire.
        (
            [
                rule(2, "any", "imageCountMoreThan", 1),
                rule(1, "tagged", "imageCountMoreThan", 9, tagPrefixList=["prod"]),
            ],
            {"old-untagged", "dev-1"},
        ),
    ],
)
def test_expiry(rules: list[dict[str, Any]], gone: set[str]) -> None:
    assert set(expired(parse_rules(policy(*rules)), IMAGES, 10 * DAY_S)) == gone


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        policy(),
        policy(rule(1, "any", "imageCountMoreThan", 1), rule(1, "any", "imageCountMoreThan", 2)),
        policy(rule(1, "tagged", "imageCountMoreThan", 1)),
        policy(rule(1, "tagged", "imageCountMoreThan", 1, tagPatternList=[5])),
        policy(rule(1, "any", "sinceImagePushed", 1)),
        policy(rule(1, "any", "imageCountMoreThan", 0)),
        policy(rule(1, "any", "sinceImagePulled", 1, countUnit="days")),
    ],
)
def test_broken_rules(text: str) -> None:
    with pytest.raises(RuleError):
        parse_rules(text)
