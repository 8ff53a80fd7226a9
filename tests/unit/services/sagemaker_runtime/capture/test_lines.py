"""Captured lines: as the guide page "Capture data from real-time endpoint" shows them."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.services.sagemaker_runtime.capture.lines import Invocation, line_of

TYPES = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]}


def config(*modes: str, types: dict[str, list[str]] | None = TYPES) -> dict[str, Any]:
    """Return a DataCaptureConfig."""
    told: dict[str, Any] = {"CaptureOptions": [{"CaptureMode": mode} for mode in modes]}
    return told if types is None else told | {"CaptureContentTypeHeader": types}


INVOCATION = Invocation(
    1_644_859_549.75, b"132,25", "text/csv", b"0.0191", "text/csv; charset=utf-8"
)


def test_a_line_is_as_the_guide_shows_it() -> None:
    line = line_of(INVOCATION, config("Input", "Output"))
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    told = orjson.loads(line)
    assert uuid.UUID(told["eventMetadata"].pop("eventId"))
    assert told == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "132,25",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": "0.0191",
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"inferenceTime": "2022-02-14T17:25:49Z"},
        "eventVersion": "0",
    }


@pytest.mark.parametrize(
    ("modes", "sides"),
    [
        (["Input"], ["endpointInput"]),
        (["Output"], ["endpointOutput"]),
        (["InputAndOutput"], ["endpointInput", "endpointOutput"]),
    ],
)
def test_only_what_is_wanted_is_captured(modes: list[str], sides: list[str]) -> None:
    told = orjson.loads(line_of(INVOCATION, config(*modes)))
    assert list(told["captureData"]) == sides


def test_what_the_caller_named_stands_in_the_metadata() -> None:
    named = INVOCATION._replace(inference_id="mine", custom_attributes="trace=1,2")
    metadata = orjson.loads(line_of(named, config("Input")))["eventMetadata"]
    assert metadata["inferenceId"] == "mine"
    assert metadata["customAttributes"] == ["trace=1,2"]


@pytest.mark.parametrize(
    ("content_type", "types", "encoding"),
    [
        ("Text/CSV;charset=utf-8", TYPES, "CSV"),
        ("application/json", TYPES, "JSON"),
        ("application/jsonlines", TYPES, "BASE64"),
        (None, TYPES, "BASE64"),
        # botocore's model: without headers SageMaker encodes in base64.
        ("text/csv", None, "BASE64"),
    ],
)
def test_the_content_type_decides_the_encoding(
    content_type: str | None, types: dict[str, list[str]] | None, encoding: str
) -> None:
    asked = INVOCATION._replace(content_type=content_type)
    side = orjson.loads(line_of(asked, config("Input", types=types)))["captureData"][
        "endpointInput"
    ]
    assert side["encoding"] == encoding
    assert ("observedContentType" in side) == (content_type is not None)


@given(st.binary(max_size=200), st.sampled_from(["text/csv", "application/json", "image/png"]))
def test_every_body_can_be_had_back(body: bytes, content_type: str) -> None:
    asked = INVOCATION._replace(body=body, content_type=content_type)
    side = orjson.loads(line_of(asked, config("Input")))["captureData"]["endpointInput"]
    data = side["data"]
    got = base64.b64decode(data) if side["encoding"] == "BASE64" else data.encode()
    assert got == body
