"""Tags of resources."""

from __future__ import annotations

import pytest

from sagebrush.base.errors import ApiError

from .conftest import Server


def _arn(server: Server, **tags: str) -> str:
    given = [{"Key": key, "Value": value} for key, value in tags.items()]
    server.program = "exit 0"
    answer = server.call("CreateTrainingJob", **server.request("tagged", Tags=given))
    server.wait("tagged")
    return str(answer["TrainingJobArn"])


def test_add_replaces_and_lists_in_order(server: Server) -> None:
    arn = _arn(server, a="1", b="2")
    answer = server.call(
        "AddTags",
        ResourceArn=arn,
        Tags=[{"Key": "a", "Value": "3"}, {"Key": "c", "Value": ""}],
    )
    expected = [{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]
    assert answer["Tags"] == expected
    assert server.call("ListTags", ResourceArn=arn) == {"Tags": expected}


def test_delete(server: Server) -> None:
    arn = _arn(server, a="1", b="2")
    server.call("DeleteTags", ResourceArn=arn, TagKeys=["a", "unknown"])
    assert server.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_fifty_at_most(server: Server) -> None:
    arn = _arn(server, **{f"k{number}": "" for number in range(50)})
    with pytest.raises(ApiError, match="maximum number of tags"):
        server.call("AddTags", ResourceArn=arn, Tags=[{"Key": "one-more", "Value": ""}])
    assert len(server.call("ListTags", ResourceArn=arn)["Tags"]) == 50


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ([{"Key": "aws:x", "Value": ""}], "aws: prefixed"),
        ([{"Key": "x", "Value": "1"}, {"Key": "x", "Value": "2"}], "Duplicate"),
    ],
)
def test_refused_tags(server: Server, tags: list[dict[str, str]], problem: str) -> None:
    arn = _arn(server)
    with pytest.raises(ApiError, match=problem):
        server.call("AddTags", ResourceArn=arn, Tags=tags)
    assert server.call("ListTags", ResourceArn=arn)["Tags"] == []


@pytest.mark.parametrize("name", ["training-job/other", "pipeline/x", "training-job"])
def test_unknown_resource(server: Server, name: str) -> None:
    arn = f"arn:aws:sagemaker:{server.region}:111122223333:{name}"
    with pytest.raises(ApiError) as error:
        server.call("ListTags", ResourceArn=arn)
    assert error.value.code == "ValidationException"
