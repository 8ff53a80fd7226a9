"""GetMetricData and metric mathematics, through boto3."""

from __future__ import annotations

import time
from typing import Any

import pytest


@pytest.fixture
def start() -> int:
    """Ten whole minutes ago."""
    return int(time.time()) // 60 * 60 - 600


@pytest.fixture
def cloudwatch(client: Any, start: int) -> Any:
    """Return a client; metric a is 1, 2, 3, 4 and metric b is 10 and 30, at minutes 0 and 2."""
    cloudwatch = client("cloudwatch")
    a = [{"MetricName": "a", "Timestamp": start + 60 * n, "Value": n + 1.0} for n in range(4)]
    b = [{"MetricName": "b", "Timestamp": start + 120 * n, "Value": 10.0 + 20 * n} for n in (0, 1)]
    cloudwatch.put_metric_data(Namespace="NS", MetricData=a + b)
    return cloudwatch


def metric(name: str, **more: Any) -> dict[str, Any]:
    stat = {"Metric": {"Namespace": "NS", "MetricName": name}, "Period": 60, "Stat": "Sum"}
    return {"Id": name, "MetricStat": stat | more, "ReturnData": False}


def query(cloudwatch: Any, start: int, *queries: dict[str, Any], **more: Any) -> Any:
    given = {"StartTime": start, "EndTime": start + 240, "ScanBy": "TimestampAscending"}
    return cloudwatch.get_metric_data(MetricDataQueries=list(queries), **(given | more))


def evaluate(cloudwatch: Any, start: int, expression: str) -> dict[int, float]:
    """Return the minutes and values of an expression over the metrics a and b."""
    given = {"Id": "e", "Expression": expression}
    (result,) = query(cloudwatch, start, metric("a"), metric("b"), given)["MetricDataResults"]
    minutes = [(moment.timestamp() - start) / 60 for moment in result["Timestamps"]]
    return dict(zip(map(int, minutes), result["Values"], strict=True))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a", {0: 1, 1: 2, 2: 3, 3: 4}),
        ("a * 2 + 1", {0: 3, 1: 5, 2: 7, 3: 9}),
        ("2 - a", {0: 1, 1: 0, 2: -1, 3: -2}),
        ("-a ^ 2", {0: -1, 1: -4, 2: -9, 3: -16}),
        ("(a + b) / 2", {0: 5.5, 2: 16.5}),
        ("a / (a - 1)", {1: 2, 2: 1.5, 3: 4 / 3}),
        ("a > 2", {0: 0, 1: 0, 2: 1, 3: 1}),
        ("a > 1 AND a < 4", {0: 0, 1: 1, 2: 1, 3: 0}),
        ("SUM([a, b])", {0: 11, 1: 2, 2: 33, 3: 4}),
        ("AVG(METRICS())", {0: 5.5, 1: 2, 2: 16.5, 3: 4}),
        ("MAX(METRICS('b'))", {0: 10, 2: 30}),
        ("a / SUM(a)", {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}),
        ("a - MIN(a) + MAX(a)", {0: 4, 1: 5, 2: 6, 3: 7}),
        ("FILL(b, 0)", {0: 10, 1: 0, 2: 30, 3: 0}),
        ("FILL(b, REPEAT)", {0: 10, 1: 10, 2: 30, 3: 30}),
        ("FILL(b, LINEAR)", {0: 10, 1: 20, 2: 30}),
        ("RATE(a)", {1: 1 / 60, 2: 1 / 60, 3: 1 / 60}),
        ("DIFF(b)", {2: 20}),
        ("RUNNING_SUM(a)", {0: 1, 1: 3, 2: 6, 3: 10}),
        ("IF(a > 2, a, b)", {0: 10, 2: 3, 3: 4}),
        ("IF(SUM(a) > 5, a)", {0: 1, 1: 2, 2: 3, 3: 4}),
        ("FLOOR(a / 2)", {0: 0, 1: 1, 2: 1, 3: 2}),
        ("ABS(a - 3)", {0: 2, 1: 1, 2: 0, 3: 1}),
        ("a * 0 + TIME_SERIES(7)", {0: 7, 1: 7, 2: 7, 3: 7}),
        ("PERIOD(a) * a", {0: 60, 1: 120, 2: 180, 3: 240}),
        ("FIRST(SORT(METRICS(), MAX, DESC))", {0: 10, 2: 30}),
    ],
)
def test_expressions(
    cloudwatch: Any, start: int, expression: str, expected: dict[int, float]
) -> None:
    assert evaluate(cloudwatch, start, expression) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("SEARCH('{NS} a', 'Sum', 60)", "does not support the function SEARCH"),
        ("a +", "missing operand"),
        ("a b", "unexpected"),
        ("SUM(a)", "must return a time series"),
        ("unknown", "no query with the id unknown"),
        ("e", "refers to itself"),
        ("[a, b] + [a]", "two arrays"),
        ("FILL(a, MAYBE)", "FILL takes"),
        ("a + 'x'", "does not work on strings"),
        ("(" * 60 + "a" + ")" * 60, "nested too deeply"),
        ("+".join(["a"] * 300), "too long"),
        ("a ; b", "unexpected"),
    ],
)
def test_wrong_expressions_are_refused(
    cloudwatch: Any, refusal: Any, start: int, expression: str, reason: str
) -> None:
    given = {"Id": "e", "Expression": expression}
    code, message = refusal(
        cloudwatch.get_metric_data,
        MetricDataQueries=[metric("a"), metric("b"), given],
        StartTime=start,
        EndTime=start + 240,
    )
    assert code in ("ValidationError", "ValidationException")
    assert message.startswith("Error in expression 'e': ")
    assert reason in message


def test_only_queries_that_return_data_do_and_newest_first(cloudwatch: Any, start: int) -> None:
    returned = metric("b") | {"ReturnData": True, "Label": "${PROP('Stat')} up to ${MAX}"}
    answer = query(cloudwatch, start, metric("a"), returned, ScanBy="TimestampDescending")
    (result,) = answer["MetricDataResults"]
    assert (result["Id"], result["Label"]) == ("b", "Sum up to 30")
    assert result["Values"] == [30.0, 10.0]
    assert result["StatusCode"] == "Complete"


def test_array_results_are_lines_of_their_own(cloudwatch: Any, start: int) -> None:
    answer = query(
        cloudwatch, start, metric("a"), metric("b"), {"Id": "e", "Expression": "METRICS() * 2"}
    )
    assert [result["Values"] for result in answer["MetricDataResults"]] == [
        [2.0, 4.0, 6.0, 8.0],
        [20.0, 60.0],
    ]


def test_pages_hold_the_asked_number_of_points(cloudwatch: Any, start: int) -> None:
    a, b = (metric(name) | {"ReturnData": True} for name in "ab")
    found: dict[str, list[float]] = {"a": [], "b": []}
    token: dict[str, str] = {}
    for _ in range(10):
        page = query(cloudwatch, start, a, b, MaxDatapoints=3, **token)
        sizes = [len(result["Values"]) for result in page["MetricDataResults"]]
        assert sum(sizes) <= 3
        for result in page["MetricDataResults"]:
            found[result["Id"]] += result["Values"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == {"a": [1.0, 2.0, 3.0, 4.0], "b": [10.0, 30.0]}


@pytest.mark.parametrize(
    "queries",
    [
        [{"Id": "Upper", "Expression": "1"}],
        [metric("a"), metric("a")],
        [metric("a")],
        [{"Id": "a"}],
        [metric("a", Stat="median") | {"ReturnData": True}],
        [metric("a", Period=61) | {"ReturnData": True}],
        [],
    ],
)
def test_queries_that_break_a_rule_are_refused(
    cloudwatch: Any, refusal: Any, start: int, queries: list[dict[str, Any]]
) -> None:
    code, _ = refusal(
        cloudwatch.get_metric_data, MetricDataQueries=queries, StartTime=start, EndTime=start + 60
    )
    assert code in ("ValidationError", "ValidationException")
