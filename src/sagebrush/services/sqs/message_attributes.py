"""Message attributes: checked, kept as the queues engine keeps them, and their checksum.

The checksum is the one of "Calculating the MD5 message digest for message attributes", Amazon SQS
Developer Guide.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from typing import Any

from sagebrush.base.errors import ApiError

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_KINDS = ("String", "Number", "Binary")
_MAXIMUM_ATTRIBUTES = 10
_STRING_MARK, _BINARY_MARK = b"\x01", b"\x02"


def kept(given: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return attributes as they are kept: `{"type": ..., "value": ...}`, binary in base64.

    Raises:
        ApiError: InvalidParameterValue.
    """
    if len(given) > _MAXIMUM_ATTRIBUTES:
        raise _invalid(
            f"Number of message attributes [{len(given)}] exceeds the allowed maximum [10]."
        )
    return {name: _kept(name, value) for name, value in given.items()}


def _kept(name: str, value: dict[str, Any]) -> dict[str, str]:
    if not _NAME.fullmatch(name) or name.upper().startswith(("AWS.", "AMAZON.")):
        raise _invalid(f"The message attribute name '{name}' is invalid.")
    kind = value.get("DataType", "")
    base = kind.partition(".")[0]
    if base not in _KINDS or len(kind) > 256:
        raise _invalid(
            f"The type of message (user) attribute '{name}' is invalid. You must use only the"
            " following supported type prefixes: Binary, Number, String."
        )
    if base == "Binary":
        binary = value.get("BinaryValue")
        if not binary:
            raise _empty(name, kind)
        return {"type": kind, "value": b64encode(binary).decode()}
    text = value.get("StringValue")
    if not text:
        raise _empty(name, kind)
    if base == "Number" and not _NUMBER.fullmatch(text):
        raise _invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    return {"type": kind, "value": text}


def shown(attributes: dict[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Return kept attributes in the shape of the API."""
    return {
        name: {"DataType": one["type"], "BinaryValue": b64decode(one["value"])}
        if is_binary(one)
        else {"DataType": one["type"], "StringValue": one["value"]}
        for name, one in attributes.items()
    }


def is_binary(attribute: dict[str, str]) -> bool:
    """Whether a kept attribute's value is base64."""
    return attribute["type"].startswith("Binary")


def size_bytes(attributes: dict[str, dict[str, str]]) -> int:
    """Return what attributes count of a message's size: names, types and values."""
    return sum(
        len(name.encode()) + len(one["type"].encode()) + len(_raw(one))
        for name, one in attributes.items()
    )


def md5_of(attributes: dict[str, dict[str, str]]) -> str:
    """Return the checksum of kept attributes, in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        one = attributes[name]
        for part in (name.encode(), one["type"].encode()):
            digest.update(len(part).to_bytes(4, "big") + part)
        value = _raw(one)
        mark = _BINARY_MARK if is_binary(one) else _STRING_MARK
        digest.update(mark + len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()


def md5_of_text(text: str) -> str:
    """Return the checksum of a body, in hexadecimal."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _raw(attribute: dict[str, str]) -> bytes:
    value = attribute["value"]
    return b64decode(value) if is_binary(attribute) else value.encode()


def _empty(name: str, kind: str) -> ApiError:
    return _invalid(
        f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
    )


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)
