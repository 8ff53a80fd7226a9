"""One captured invocation as a line of JSON.

Source: the guide page "Capture data from real-time endpoint".
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson


class Invocation(NamedTuple):
    """What came and what went; `moment` is the invocation's in epoch seconds."""

    moment: float
    body: bytes
    content_type: str | None
    answer: bytes
    answer_content_type: str | None
    inference_id: str | None = None
    custom_attributes: str | None = None


def line_of(invocation: Invocation, config: Mapping[str, Any]) -> bytes:
    """Return the line, with its line feed, that a DataCaptureConfig wants of an invocation."""
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    both = "InputAndOutput" in modes
    captured: dict[str, Any] = {}
    if both or "Input" in modes:
        captured["endpointInput"] = _side("INPUT", invocation.body, invocation.content_type, config)
    if both or "Output" in modes:
        captured["endpointOutput"] = _side(
            "OUTPUT", invocation.answer, invocation.answer_content_type, config
        )
    document = {
        "captureData": captured,
        "eventMetadata": _metadata(invocation),
        "eventVersion": "0",
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _metadata(invocation: Invocation) -> dict[str, Any]:
    told: dict[str, Any] = {"eventId": str(uuid.uuid4())}
    if invocation.inference_id is not None:
        told["inferenceId"] = invocation.inference_id
    if invocation.custom_attributes is not None:
        told["customAttributes"] = [invocation.custom_attributes]
    return told | {"inferenceTime": _time_text(int(invocation.moment))}


@lru_cache(maxsize=4)
def _time_text(second: int) -> str:
    """Return the text of an epoch second; many invocations share one."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _side(
    mode: str, body: bytes, content_type: str | None, config: Mapping[str, Any]
) -> dict[str, Any]:
    encoding, data = _encoded(body, content_type, config.get("CaptureContentTypeHeader", {}))
    told = {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}
    return {name: value for name, value in told.items() if value is not None}


def _encoded(
    body: bytes, content_type: str | None, types: Mapping[str, list[str]]
) -> tuple[str, str]:
    """Return how a body is told, and the body told so; what is no text goes as base64."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    for encoding, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if media_type in (name.lower() for name in types.get(member, ())):
            try:
                return encoding, body.decode("utf-8")
            except UnicodeDecodeError:
                break
    return "BASE64", base64.b64encode(body).decode("ascii")
