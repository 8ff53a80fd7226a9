"""Models: created, described, listed, deleted, refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.base.errors import ApiError

ACCOUNT = "111122223333"
KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
KNN = "382416733822.dkr.ecr.us-east-1.amazonaws.com/knn:1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole"
OBJECT = {"S3Uri": "s3://b/m.tar.gz", "S3DataType": "S3Object", "CompressionType": "Gzip"}
ADDITIONAL = {"ChannelName": "draft", "S3DataSource": OBJECT}
Refusal = Callable[..., ApiError]


@pytest.fixture
def refusal(server: Any) -> Refusal:
    """Return a function that gives the error an operation ends in."""

    def of(operation: str, **request: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            server.call(operation, **request)
        return caught.value

    return of


def container(server: Any, **fields: Any) -> dict[str, Any]:
    bucket = server.bucket(**{"model.tar.gz": b"x"})
    return {"Image": KMEANS, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"} | fields


def create(server: Any, name: str, **fields: Any) -> str:
    request = {"PrimaryContainer": container(server), "ExecutionRoleArn": ROLE}
    return str(server.call("CreateModel", ModelName=name, **request | fields)["ModelArn"])


def test_create_model_describes_as_given(server: Any) -> None:
    given = container(server, Environment={"A": "1"}, ContainerHostname="host")
    arn = create(server, "Mixed-Case", PrimaryContainer=given, Tags=[{"Key": "k", "Value": "v"}])
    assert arn == f"arn:aws:sagemaker:{server.region}:{ACCOUNT}:model/mixed-case"
    told = server.call("DescribeModel", ModelName="Mixed-Case")
    assert told.pop("CreationTime") == pytest.approx(server.platform.clock.now(), abs=60)
    assert told == {
        "ModelName": "Mixed-Case",
        "ModelArn": arn,
        "PrimaryContainer": given,
        "ExecutionRoleArn": ROLE,
        "EnableNetworkIsolation": False,
    }
    assert server.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]


def test_create_model_of_one_container_in_a_list(server: Any) -> None:
    containers = [container(server)]
    server.call("CreateModel", ModelName="one", Containers=containers, ExecutionRoleArn=ROLE)
    assert server.call("DescribeModel", ModelName="one")["Containers"] == containers


def test_create_model_of_many_containers(server: Any) -> None:
    containers = [container(server, ContainerHostname=f"c{number}") for number in range(15)]
    mode = {"Mode": "Direct"}
    server.call(
        "CreateModel", ModelName="many", Containers=containers, InferenceExecutionConfig=mode
    )
    told = server.call("DescribeModel", ModelName="many")
    assert told["Containers"] == containers
    assert told["InferenceExecutionConfig"] == mode
    assert "PrimaryContainer" not in told


@pytest.mark.parametrize("image", ["knn", "linear-learner", "randomcutforest"])
def test_create_model_of_many_models_below_a_prefix(server: Any, image: str) -> None:
    # Nothing needs to lie there yet.
    given = {
        "Image": KNN.replace("knn", image),
        "Mode": "MultiModel",
        "ModelDataUrl": "s3://any-bucket/models/",
        "MultiModelConfig": {"ModelCacheSetting": "Disabled"},
    }
    server.call("CreateModel", ModelName=image, PrimaryContainer=given)
    assert server.call("DescribeModel", ModelName=image)["PrimaryContainer"] == given


def test_create_model_twice(server: Any, refusal: Refusal) -> None:
    arn = create(server, "twice")
    error = refusal("CreateModel", ModelName="twice", PrimaryContainer=container(server))
    assert error.code == "ValidationException"
    assert error.message == f'Cannot create already existing model "{arn}".'


def test_delete_model_frees_the_name_and_its_tags(server: Any, refusal: Refusal) -> None:
    arn = create(server, "gone", Tags=[{"Key": "k", "Value": "v"}])
    server.call("DeleteModel", ModelName="gone")
    for operation in ("DescribeModel", "DeleteModel"):
        error = refusal(operation, ModelName="gone")
        assert (error.code, error.message) == (
            "ValidationException",
            f'Could not find model "{arn}".',
        )
    create(server, "gone")
    assert server.call("ListTags", ResourceArn=arn)["Tags"] == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "PrimaryContainer or Containers is required"),
        ({"PrimaryContainer": {"Image": KMEANS}, "Containers": [{"Image": KMEANS}]}, "Only one of"),
        (
            {
                "Containers": [{"Image": KMEANS}] * 2,
                "InferenceExecutionConfig": {"Mode": "Direct"},
            },
            "ContainerHostname is required for every container of a model with",
        ),
        (
            {
                "Containers": [{"Image": KMEANS}],
                "InferenceExecutionConfig": {"Mode": "Direct"},
            },
            "Direct needs more than one container",
        ),
        (
            {"Containers": [{"Image": KMEANS, "ContainerHostname": "a"}, {"Image": KMEANS}]},
            "Mode Serial, or for none of them",
        ),
        (
            {"Containers": [{"Image": KMEANS, "ContainerHostname": "a"}] * 2},
            "ContainerHostname must be unique within a model; a is there more than once.",
        ),
        ({"Containers": [{"Image": KMEANS}] * 16}, "at most 15 containers, not 16"),
        ({"Containers": [{"Image": KMEANS}, {"Image": "busybox"}]}, "requested image: busybox"),
        (
            {"Containers": [{"Image": KNN, "Mode": "MultiModel", "ModelDataUrl": "s3://b/"}] * 2},
            "More than one container in MultiModel mode is not supported with inference pipeline.",
        ),
        (
            {"PrimaryContainer": {"Image": KNN, "Mode": "MultiModel"}},
            "ModelDataUrl is required in a container definition with Mode MultiModel.",
        ),
        (
            {"PrimaryContainer": {"Image": KNN, "Mode": "MultiModel", "ModelDataUrl": "https://a"}},
            "ModelDataUrl https://a is not the URL of an S3 prefix.",
        ),
        (
            {"PrimaryContainer": {"Image": KMEANS, "MultiModelConfig": {}}},
            "MultiModelConfig can only be specified with Mode MultiModel.",
        ),
        ({"PrimaryContainer": {}}, "Image is required"),
        ({"PrimaryContainer": {"Image": "busybox"}}, "Cannot find the requested image: busybox"),
        (
            {
                "PrimaryContainer": {
                    "Image": KMEANS,
                    "Mode": "MultiModel",
                    "ModelDataUrl": "s3://b/",
                }
            },
            "does not contain required com.amazonaws.sagemaker.capabilities.multi-models=true",
        ),
        ({"PrimaryContainer": {"ModelPackageName": "a"}}, "ModelPackageName is not supported"),
        (
            {"PrimaryContainer": {"Image": KMEANS, "AdditionalModelDataSources": [ADDITIONAL]}},
            "ContainerDefinition.AdditionalModelDataSources is not supported",
        ),
        (
            {
                "PrimaryContainer": {
                    "Image": KMEANS,
                    "ModelDataSource": {"S3DataSource": OBJECT | {"ETag": "a"}},
                }
            },
            "S3ModelDataSource.ETag is not supported",
        ),
        (
            {"PrimaryContainer": {"Image": KMEANS, "ModelDataUrl": "s3://none-such/m.tar.gz"}},
            "Could not find model data at s3://none-such/m.tar.gz.",
        ),
        (
            {
                "PrimaryContainer": {
                    "Image": KMEANS,
                    "ModelDataUrl": "s3://b/m.tar.gz",
                    "ModelDataSource": {
                        "S3DataSource": {
                            "S3Uri": "s3://b/m/",
                            "S3DataType": "S3Prefix",
                            "CompressionType": "None",
                        }
                    },
                }
            },
            "Only one of ModelDataUrl and ModelDataSource",
        ),
        (
            {
                "PrimaryContainer": {
                    "Image": KMEANS,
                    "ModelDataSource": {
                        "S3DataSource": {
                            "S3Uri": "s3://b/m/",
                            "S3DataType": "S3Prefix",
                            "CompressionType": "Gzip",
                        }
                    },
                }
            },
            "S3Prefix and CompressionType Gzip is not supported",
        ),
    ],
)
def test_create_model_refuses(
    server: Any, refusal: Refusal, fields: dict[str, Any], words: str
) -> None:
    error = refusal("CreateModel", ModelName="refused", **fields)
    assert error.code == "ValidationException"
    assert words in error.message
    assert server.call("ListModels")["Models"] == []


def names(server: Any, **request: Any) -> list[str]:
    return [model["ModelName"] for model in server.call("ListModels", **request)["Models"]]


def test_list_models_sorts_filters_and_pages(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(1_000, 2_000))
    clock = server.platform.clock
    monkeypatch.setattr(clock, "now", lambda: float(next(times)), raising=False)
    for name in ("b-1", "a-2", "c-1", "a-1", "B-2"):
        create(server, name)
    created = {
        model["ModelName"]: model["CreationTime"] for model in server.call("ListModels")["Models"]
    }
    newest_first = ["B-2", "a-1", "c-1", "a-2", "b-1"]
    assert names(server) == newest_first
    assert names(server, SortOrder="Ascending") == newest_first[::-1]
    assert names(server, SortBy="Name", SortOrder="Ascending") == sorted(newest_first)
    assert names(server, NameContains="B-") == ["B-2", "b-1"]
    assert names(server, CreationTimeAfter=created["c-1"]) == ["B-2", "a-1", "c-1"]
    assert names(server, CreationTimeBefore=created["a-2"]) == ["a-2", "b-1"]
    for by in ("Name", "CreationTime"):
        for order in ("Ascending", "Descending"):
            whole = names(server, SortBy=by, SortOrder=order)
            pages, token = [], None
            while True:
                request = {"SortBy": by, "SortOrder": order, "MaxResults": 2}
                page = server.call(
                    "ListModels", **request | ({"NextToken": token} if token else {})
                )
                pages.append([model["ModelName"] for model in page["Models"]])
                token = page.get("NextToken")
                if token is None:
                    break
            assert [len(page) for page in pages] == [2, 2, 1]
            assert [name for page in pages for name in page] == whole


@pytest.mark.parametrize(
    "position", [["a"], ["a", "b"], [1.0, 2.0], [[], {}], [None, "a"], {"a": 1}, [1.0, "a", "b"]]
)
def test_list_models_refuses_a_token_of_its_own_making(
    server: Any, refusal: Refusal, position: Any
) -> None:
    token = base64.urlsafe_b64encode(json.dumps(position).encode()).decode()
    assert refusal("ListModels", NextToken=token).code == "ValidationException"
    assert refusal("ListModels", NextToken="!").code == "ValidationException"


def test_accounts_and_regions_are_apart(server: Any) -> None:
    create(server, "here")
    here = server.region
    server.region = f"{here}-other"
    assert names(server) == []
    create(server, "here")
    server.region = here
    assert names(server) == ["here"]
