"""Search: expressions on documents, and training jobs found by them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker import searching

from .conftest import KMEANS, Server

_JOB: dict[str, Any] = {
    "TrainingJobName": "job-a",
    "CreationTime": 1_700_000_000.0,
    "EnableNetworkIsolation": False,
    "HyperParameters": {"eta": "0.5", "a.b": "x"},
    "ResourceConfig": {"InstanceCount": 2},
    "Tags": [{"Key": "team", "Value": "blue"}],
    "FinalMetricDataList": [{"MetricName": "validation:rmse", "Value": 0.25}],
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/one"}}},
        {"ChannelName": "test", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/two"}}},
    ],
}


def _filter(name: str, operator: str | None = None, value: str | None = None) -> dict[str, Any]:
    given = {"Name": name, "Operator": operator, "Value": value}
    return {"Filters": [{key: item for key, item in given.items() if item is not None}]}


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("TrainingJobName", "Equals", "job-a", True),
        ("TrainingJobName", None, "job-a", True),
        ("TrainingJobName", "NotEquals", "job-a", False),
        ("TrainingJobName", "Contains", "OB-", True),
        ("TrainingJobName", "In", "x, job-a", True),
        ("TrainingJobName", "In", "x,y", False),
        ("ResourceConfig.InstanceCount", "GreaterThan", "1", True),
        ("ResourceConfig.InstanceCount", "LessThanOrEqualTo", "1", False),
        ("ResourceConfig.InstanceCount", "Equals", "2", True),
        ("EnableNetworkIsolation", "Equals", "false", True),
        ("HyperParameters.eta", "LessThan", "0.6", True),
        ("HyperParameters.eta", "Equals", "0.50", True),
        ("HyperParameters.a.b", "Equals", "x", True),
        ("Metrics.validation:rmse", "LessThan", "0.3", True),
        ("Tags.team", "Equals", "blue", True),
        ("Tags.team", "Exists", None, True),
        ("Tags.other", "NotExists", None, True),
        ("FailureReason", "Exists", None, False),
        ("FailureReason", "NotEquals", "x", True),
        ("CreationTime", "GreaterThan", "2023-11-14T00:00:00", True),
        ("CreationTime", "GreaterThan", "2023-11-14T23:00:00Z", False),
        ("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "two", True),
    ],
)
def test_filter(name: str, operator: str | None, value: str | None, expected: bool) -> None:
    assert searching.matches(_filter(name, operator, value), _JOB) is expected


def test_nested_filter_needs_one_item_with_all() -> None:
    def nested(uri: str) -> dict[str, Any]:
        filters = [
            {"Name": "InputDataConfig.ChannelName", "Operator": "Equals", "Value": "train"},
            {
                "Name": "InputDataConfig.DataSource.S3DataSource.S3Uri",
                "Operator": "Contains",
                "Value": uri,
            },
        ]
        return {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}

    assert searching.matches(nested("one"), _JOB)
    assert not searching.matches(nested("two"), _JOB)


@pytest.mark.parametrize(("operator", "expected"), [("And", False), ("Or", True), (None, False)])
def test_boolean_operator(operator: str | None, expected: bool) -> None:
    expression: dict[str, Any] = {
        "SubExpressions": [
            _filter("TrainingJobName", "Equals", "job-a"),
            _filter("TrainingJobName", "Equals", "job-b"),
        ]
    }
    if operator:
        expression["Operator"] = operator
    assert searching.matches(expression, _JOB) is expected


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ({}, "at least one filter"),
        ({"SubExpressions": [{}]}, "at least one filter"),
        (
            {
                "Filters": [
                    {"Name": "A", "Operator": "Contains", "Value": "x"},
                    {"Name": "B", "Operator": "Contains", "Value": "x"},
                ]
            },
            "usage limit of 1 exceeded",
        ),
    ],
)
def test_refused_expression(expression: dict[str, Any], problem: str) -> None:
    with pytest.raises(ApiError, match=problem):
        searching.check_expression(expression)


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 3), st.sampled_from("ab")), max_size=12),
    st.integers(1, 5),
    st.booleans(),
)
def test_pages_show_everything_once_in_order(
    values: list[Any],
    limit: int,
    descending: bool,
) -> None:
    documents = [
        {"Arn": f"arn-{number:02}"} | ({} if value is None else {"V": value})
        for number, value in enumerate(values)
    ]
    whole, following = searching.page(
        documents, "Arn", "V", descending=descending, token=None, limit=100
    )
    assert following is None
    assert sorted(d["Arn"] for d in whole) == [d["Arn"] for d in documents]
    shown: list[dict[str, Any]] = []
    token = None
    while True:
        part, token = searching.page(
            documents, "Arn", "V", descending=descending, token=token, limit=limit
        )
        shown += part
        if token is None:
            break
    assert shown == whole
    present = [d["V"] for d in whole if "V" in d]
    numbers = [value for value in present if isinstance(value, int)]
    assert numbers == sorted(numbers, reverse=descending)


def test_search_training_jobs(server: Server) -> None:
    defined = {
        "TrainingImage": KMEANS,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
    }
    for name, loss in (("one", 1), ("two", 2), ("three", 3)):
        server.train(
            name,
            f"echo loss={loss}",
            AlgorithmSpecification=defined,
            Tags=[{"Key": "size", "Value": name}],
        )
    answer = server.call(
        "Search",
        Resource="TrainingJob",
        SearchExpression=_filter("Metrics.loss", "GreaterThanOrEqualTo", "2"),
        SortBy="Metrics.loss",
        MaxResults=1,
    )
    assert [r["TrainingJob"]["TrainingJobName"] for r in answer["Results"]] == ["three"]
    assert answer["TotalHits"] == {"Value": 2, "Relation": "EqualTo"}
    following = server.call(
        "Search",
        Resource="TrainingJob",
        SearchExpression=_filter("Metrics.loss", "GreaterThanOrEqualTo", "2"),
        SortBy="Metrics.loss",
        NextToken=answer["NextToken"],
    )
    (result,) = following["Results"]
    assert result["TrainingJob"]["TrainingJobName"] == "two"
    assert result["TrainingJob"]["Tags"] == [{"Key": "size", "Value": "two"}]
    assert "NextToken" not in following


def test_search_other_type_is_refused(server: Server) -> None:
    with pytest.raises(ApiError, match="Experiment"):
        server.call("Search", Resource="Experiment")
