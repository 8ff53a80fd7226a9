"""The algorithms' answers in every form, from every form of request, against sums done here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import xgboost
from botocore.exceptions import ClientError
from tests.unit.algorithms.formats import record_oracle

ROWS = np.array([[1.0, 2.0, -0.5], [0.0, 0.25, 4.0]], np.float32)
CENTERS = ((0.0, 0.0, 0.0), (0.0, 0.0, 4.0))
WEIGHTS, BIAS = [0.5, -1.0, 2.0], 0.75


def plain(rows: np.ndarray) -> str:
    return "\n".join(",".join(f"{value:g}" for value in row) for row in rows)


def jsonlines(make: Callable[[list[float]], Any]) -> bytes:
    return "\n".join(json.dumps(make(row)) for row in ROWS.tolist()).encode()


def instances(make: Callable[[list[float]], Any]) -> bytes:
    return json.dumps({"instances": [make(row) for row in ROWS.tolist()]}).encode()


def sparse(row: list[float]) -> dict[str, Any]:
    keys = [index for index, value in enumerate(row) if value]
    values = [row[index] for index in keys]
    return {"data": {"features": {"keys": keys, "shape": [len(row)], "values": values}}}


def libsvm() -> str:
    return "\n".join(
        " ".join(f"{index}:{value:g}" for index, value in enumerate(row) if value)
        for row in ROWS.tolist()
    )


RECORDS = record_oracle.stream(*(record_oracle.dense(row) for row in ROWS))
SPARSE_RECORDS = record_oracle.stream(
    *(record_oracle.sparse(np.flatnonzero(row), row[row != 0], 3) for row in ROWS)
)
# The requests of 1.8 of the first-party algorithms' contract: name, content type, body.
FIRST_PARTY = {
    "csv": ("text/csv", plain(ROWS)),
    "csv-label-size": ("text/csv;label_size=0", plain(ROWS)),
    "json-features": ("application/json", instances(lambda row: {"features": row})),
    "json-data-features": (
        "application/json",
        instances(lambda row: {"data": {"features": {"values": row}}}),
    ),
    "json-data": ("application/json", instances(lambda row: {"data": row})),
    "json-sparse": ("application/json", instances(sparse)),
    "jsonlines": ("application/jsonlines", jsonlines(lambda row: {"features": row})),
    "jsonlines-sparse": ("application/jsonlines", jsonlines(sparse)),
    "recordio": ("application/x-recordio-protobuf", RECORDS),
    "recordio-sparse": ("application/x-recordio-protobuf", SPARSE_RECORDS),
}
XGBOOST = {
    "csv": ("text/csv", plain(ROWS)),
    "libsvm": ("text/libsvm", libsvm()),
    "x-libsvm": ("text/x-libsvm", libsvm()),
    "recordio": ("application/x-recordio-protobuf", RECORDS),
}
JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
RECORDIO = "application/x-recordio-protobuf"


class Served(NamedTuple):
    """An endpoint, and the columns of its answer to ROWS."""

    endpoint: str
    expected: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def served(shared_hosting: Any) -> dict[str, Served]:
    hosting = shared_hosting
    distances = np.linalg.norm(ROWS[:, None] - np.array(CENTERS)[None], axis=2)
    hosting.model("kmeans", hosting.kmeans(*CENTERS))
    hosting.model("regressor", hosting.linear(WEIGHTS, BIAS, "regressor"), "linear-learner")
    hosting.model("binary", hosting.linear(WEIGHTS, BIAS, "binary_classifier"), "linear-learner")
    random = np.random.default_rng(5)
    X = random.normal(size=(200, 3)).astype(np.float32)
    # Zeros are missing in libsvm, so that the trees must know both.
    X[random.random(X.shape) < 0.2] = 0
    booster = xgboost.train(
        {"max_depth": 3, "nthread": 1}, xgboost.DMatrix(X, X @ np.array(WEIGHTS)), 5
    )
    hosting.model("xgboost", hosting.boosted(booster), "xgboost")
    for name in ("kmeans", "regressor", "binary", "xgboost"):
        hosting.endpoint(name)
    margins = ROWS @ np.array(WEIGHTS) + BIAS
    probabilities = 1 / (1 + np.exp(-margins))
    return {
        "kmeans": Served(
            "kmeans",
            {
                "closest_cluster": distances.argmin(axis=1),
                "distance_to_cluster": distances.min(axis=1),
            },
        ),
        "regressor": Served("regressor", {"score": margins}),
        "binary": Served(
            "binary", {"score": probabilities, "predicted_label": probabilities >= 0.5}
        ),
        "xgboost": Served("xgboost", {"score": booster.predict(xgboost.DMatrix(ROWS))}),
        "xgboost-sparse": Served(
            "xgboost", {"score": booster.predict(xgboost.DMatrix(ROWS, missing=0.0))}
        ),
    }


def columns_of(body: bytes, media: str, names: list[str]) -> dict[str, list[float]]:
    """Read an answer with nothing of the server's own code."""
    if media == JSON:
        rows = json.loads(body)["predictions"]
    elif media == LINES:
        rows = [json.loads(line) for line in body.splitlines()]
    elif media == CSV:
        cells = [line.split(",") for line in body.decode().split()]
        return {name: [float(row[index]) for row in cells] for index, name in enumerate(names)}
    else:
        return columns_of_records(body, names)
    assert all(set(row) == set(names) for row in rows)
    return {name: [row[name] for row in rows] for name in names}


def columns_of_records(body: bytes, names: list[str]) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = {name: [] for name in names}
    while body:
        size = int.from_bytes(body[4:8], "little")
        record = record_oracle.Record.FromString(body[8 : 8 + size])
        assert set(record.label) == set(names)
        for name in names:
            (value,) = record.label[name].float32_tensor.values
            columns[name].append(value)
        body = body[8 + size + -size % 4 :]
    return columns


CASES = [
    *((name, form) for name in ("kmeans", "regressor", "binary") for form in FIRST_PARTY),
    *(("xgboost", form) for form in XGBOOST),
]


@pytest.mark.parametrize("accept", [JSON, LINES, CSV, RECORDIO])
@pytest.mark.parametrize(("model", "form"), CASES)
def test_every_form_of_request_has_every_form_of_answer(
    shared_hosting: Any, served: dict[str, Served], model: str, form: str, accept: str
) -> None:
    content_type, body = (XGBOOST if model == "xgboost" else FIRST_PARTY)[form]
    answer = shared_hosting.invoke(
        served[model].endpoint, body, ContentType=content_type, Accept=accept
    )
    assert answer["ContentType"].partition(";")[0] == accept
    expected = served["xgboost-sparse" if "libsvm" in form else model].expected
    columns = columns_of(answer["Body"], accept, list(expected))
    for name, values in expected.items():
        np.testing.assert_allclose(columns[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "default"), [("kmeans", JSON), ("regressor", JSON), ("xgboost", CSV)]
)
@pytest.mark.parametrize("accept", [None, "*/*"])
def test_an_open_accept_gets_the_algorithms_own(
    shared_hosting: Any, served: dict[str, Served], model: str, default: str, accept: str | None
) -> None:
    fields = {} if accept is None else {"Accept": accept}
    answer = shared_hosting.runtime.invoke_endpoint(
        EndpointName=served[model].endpoint, ContentType="text/csv", Body=plain(ROWS), **fields
    )
    assert answer["ContentType"].partition(";")[0] == default
    columns = columns_of(answer["Body"].read(), default, list(served[model].expected))
    assert len(columns[next(iter(columns))]) == len(ROWS)


def test_uid_and_metadata_of_records_come_back(
    shared_hosting: Any, served: dict[str, Served]
) -> None:
    record = record_oracle.dense(ROWS[0], uid="row-7", metadata='{"a":1}')
    answer = shared_hosting.invoke(
        "kmeans", record_oracle.stream(record), ContentType=RECORDIO, Accept=RECORDIO
    )
    size = int.from_bytes(answer["Body"][4:8], "little")
    told = record_oracle.Record.FromString(answer["Body"][8 : 8 + size])
    assert (told.uid, told.metadata) == ("row-7", '{"a":1}')


@pytest.mark.parametrize(
    ("model", "fields", "status", "words"),
    [
        ("kmeans", {"ContentType": "image/png"}, 415, "image/png"),
        ("kmeans", {"Accept": "image/png"}, 406, "image/png"),
        ("kmeans", {"Body": "1,2"}, 400, "2 features, the model expects 3"),
        ("regressor", {"Body": "1,2,x"}, 400, "x"),
        ("regressor", {"ContentType": JSON, "Body": "{"}, 400, ""),
        ("xgboost", {"ContentType": JSON, "Body": "{}"}, 415, "is not an accepted ContentType"),
        ("xgboost", {"Accept": "text/html"}, 406, "text/html"),
    ],
)
def test_a_refusal_of_the_model_is_a_model_error(
    shared_hosting: Any,
    served: dict[str, Served],
    model: str,
    fields: dict[str, str],
    status: int,
    words: str,
) -> None:
    runtime = shared_hosting.runtime
    request = {"ContentType": "text/csv", "Body": "1,2,3"} | fields
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName=served[model].endpoint, **request)
    told = caught.value.response
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert told["OriginalStatusCode"] == status
    assert words in told["OriginalMessage"]
    assert told["LogStreamArn"] == (
        f"arn:aws:logs:us-east-1:{shared_hosting.account}:log-group:/aws/sagemaker/Endpoints/"
        + served[model].endpoint
    )
    message = told["Error"]["Message"]
    assert message.startswith(f"Received client error ({status}) from primary with message ")
    assert told["OriginalMessage"] in message


def test_custom_attributes_and_an_inference_id_are_no_hindrance(
    shared_hosting: Any, served: dict[str, Served]
) -> None:
    answer = shared_hosting.invoke(
        "kmeans", plain(ROWS), CustomAttributes="trace=1", InferenceId="id-1"
    )
    assert len(json.loads(answer["Body"])["predictions"]) == len(ROWS)


def test_a_body_of_some_megabytes(shared_hosting: Any, served: dict[str, Served]) -> None:
    rows = np.tile(ROWS, (100_000, 1))
    answer = shared_hosting.invoke("kmeans", plain(rows), Accept=CSV)
    assert answer["Body"].count(b"\n") == len(rows) - 1


def test_an_answer_is_streamed(hosting: Any) -> None:
    hosting.model("streamed", hosting.kmeans((1.0, 0.0)))
    hosting.endpoint("streamed")
    rows = b"\n".join(b"%d,0" % number for number in range(20_000))
    answer = hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName="streamed", Body=rows, ContentType="text/csv", Accept="application/json"
    )
    assert answer["InvokedProductionVariant"] == "variant-0"
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    predictions = json.loads(b"".join(parts))["predictions"]
    assert [one["distance_to_cluster"] for one in predictions[:3]] == [1.0, 0.0, 1.0]
    assert len(predictions) == 20_000
    with pytest.raises(ClientError) as caught:
        hosting.runtime.invoke_endpoint_with_response_stream(
            EndpointName="streamed", Body=b"a,b", ContentType="text/csv"
        )
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 400
