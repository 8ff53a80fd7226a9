"""Members in HTTP headers: scalars, comma-separated lists, JSON values in base64."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sagebrush.wire.dialects import Refused, decode_base64, encode_base64, float_text
from sagebrush.wire.model import Shape
from sagebrush.wire.scalars import ScalarError, scalar_reader
from sagebrush.wire.timestamps import text_formatter


def header_reader(shape: Shape) -> Callable[[str], Any]:
    """Return the function from header text to a value; it raises `ScalarError`."""
    if shape.is_json_header:
        return _read_json_value
    if shape.type == "list":
        read = scalar_reader(shape.element)
        if shape.element.type == "timestamp":
            return lambda text: [read(item) for item in _split_dates(text)]
        return lambda text: [read(item) for item in split_list(text)]
    return scalar_reader(shape)


def header_writer(shape: Shape) -> Callable[[Any], str]:
    """Return the function from a value to header text."""
    if shape.is_json_header:
        return lambda value: encode_base64(json.dumps(value, separators=(",", ":")).encode())
    if shape.type == "list":
        write = header_writer(shape.element)
        if shape.element.type == "string":
            return lambda values: ",".join(_quoted(value) for value in values)
        return lambda values: ",".join(write(value) for value in values)
    if shape.type == "boolean":
        return lambda value: "true" if value else "false"
    if shape.type == "timestamp":
        return text_formatter(shape.traits.get("timestampFormat", "rfc822"))
    if shape.type in ("float", "double"):
        return lambda value: str(float_text(float(value)))
    if shape.type == "blob":
        return encode_base64
    return str


def split_list(text: str) -> list[str]:
    """Return the items of a comma-separated list, whose items may be in double quotes."""
    if '"' not in text:
        return [item.strip() for item in text.split(",")]
    items, item, index, quoted = [], "", 0, False
    while index < len(text):
        character = text[index]
        if quoted and character == "\\" and index + 1 < len(text):
            index += 1
            item += text[index]
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            items.append(item.strip())
            item = ""
        else:
            item += character
        index += 1
    items.append(item.strip())
    return items


def _split_dates(text: str) -> list[str]:
    """HTTP dates hold a comma themselves: every second one separates."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) % 2:
        return parts
    return [f"{parts[i]}, {parts[i + 1]}" for i in range(0, len(parts), 2)]


def _quoted(value: str) -> str:
    if '"' in value or "," in value:
        return '"' + value.replace('"', '\\"') + '"'
    return value


def _read_json_value(text: str) -> Any:
    try:
        return json.loads(decode_base64(text))
    except (Refused, ValueError, RecursionError):
        raise ScalarError("the value is no JSON in base64") from None
