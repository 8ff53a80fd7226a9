"""Management requests kept in CloudTrail's event form, one JSON object a line, one file a day.

A line is one `write` on an append-only descriptor: it survives the death of the process, and
what no line holds was never answered. Data events (object reads, invocations, log and metric
puts) are left out, as a trail leaves them out unless told otherwise.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import orjson

from sagebrush.base.identifiers import request_id
from sagebrush.services.platform import Context
from sagebrush.wire.model import Operation, Shape

_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_SECRET_NAMES = frozenset(
    {"Password", "NewPassword", "OldPassword", "SecretAccessKey", "SecretString", "SessionToken",
     "Plaintext", "PlaintextKey", "CiphertextBlob", "PrivateKeyPlaintext", "AuthorizationToken"}
)  # fmt: skip
_READ_PREFIXES = ("Get", "List", "Describe", "Head", "Search", "Lookup", "BatchGet", "Simulate")
_MAXIMUM_BYTES = 100_000
_DATA_SERVICES = frozenset({"sagemaker-runtime", "sagemaker-featurestore-runtime"})
_DATA_OPERATIONS = frozenset(
    {
        *("GetObject", "HeadObject", "PutObject", "DeleteObject", "DeleteObjects", "CopyObject"),
        *("ListObjects", "ListObjectsV2", "ListObjectVersions", "UploadPart", "UploadPartCopy"),
        *("CreateMultipartUpload", "CompleteMultipartUpload", "AbortMultipartUpload"),
        *("ListParts", "PostObject", "OptionsObject", "GetObjectAttributes"),
        *("PutLogEvents", "GetLogEvents", "FilterLogEvents", "PutMetricData", "GetMetricData"),
        "GetMetricStatistics",
    }
)


def is_read_only(operation: str) -> bool:
    """Whether an operation's name says that it changes nothing."""
    return operation.startswith(_READ_PREFIXES)


def is_data_event(service: str, operation: str) -> bool:
    """Whether requests of an operation are left out."""
    return service in _DATA_SERVICES or operation in _DATA_OPERATIONS


class Trail:
    """Appends events to the day's file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._day = -1
        self._descriptor = -1
        self._secrets: dict[Operation, frozenset[str]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def record(
        self,
        context: Context,
        operation: Operation,
        parameters: dict[str, Any],
        user_agent: str,
        error: tuple[str, str] | None = None,
    ) -> None:
        """Write one event, unless the operation is a data event."""
        if is_data_event(context.service, operation.name):
            return
        event = _event(context, operation, user_agent)
        event["requestParameters"] = self._shown(operation, parameters)
        if error is not None:
            event["errorCode"], event["errorMessage"] = error
        line = orjson.dumps(event, default=_unserialisable, option=orjson.OPT_APPEND_NEWLINE)
        if len(line) > _MAXIMUM_BYTES:
            event["requestParameters"] = {"omitted": "larger than an event may be"}
            line = orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
        os.write(self._file(context.now), line)

    def close(self) -> None:
        """Close the day's file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _shown(self, operation: Operation, parameters: dict[str, Any]) -> dict[str, Any]:
        secrets = self._secrets.get(operation)
        if secrets is None:
            secrets = self._secrets[operation] = _secret_members(operation)
        return {
            name[:1].lower() + name[1:]: _HIDDEN if name in secrets else value
            for name, value in parameters.items()
        }

    def _file(self, now: float) -> int:
        day = int(now // 86400)
        if day != self._day:
            self.close()
            name = time.strftime("%Y-%m-%d.jsonl", time.gmtime(now))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._descriptor = os.open(self._folder / name, flags, 0o600)
            self._day = day
        return self._descriptor


def _event(context: Context, operation: Operation, user_agent: str) -> dict[str, Any]:
    principal = context.principal
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": principal.kind,
            "principalId": principal.user_id,
            "arn": principal.arn,
            "accountId": context.account,
            "accessKeyId": principal.access_key,
        },
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now)),
        "eventSource": f"{operation.service.info.endpoint_prefix.rpartition('.')[2]}.amazonaws.com",
        "eventName": operation.name,
        "awsRegion": context.region,
        "sourceIPAddress": context.client_address,
        "userAgent": user_agent,
        "requestID": context.request_id,
        "eventID": request_id(),
        "readOnly": is_read_only(operation.name),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": context.account,
        "eventCategory": "Management",
    }


def _secret_members(operation: Operation) -> frozenset[str]:
    """Return the top-level input members that are, or hold, something secret."""
    if operation.input is None:
        return frozenset()
    return frozenset(
        name
        for name, shape in operation.input.members.items()
        if name in _SECRET_NAMES or _is_secret(shape, set())
    )


def _is_secret(shape: Shape, seen: set[str]) -> bool:
    if shape.traits.get("sensitive"):
        return True
    if shape.name in seen:
        return False
    seen.add(shape.name)
    if shape.type == "structure":
        return any(
            name in _SECRET_NAMES or _is_secret(member, seen)
            for name, member in shape.members.items()
        )
    if shape.type == "list":
        return _is_secret(shape.element, seen)
    if shape.type == "map":
        return _is_secret(shape.value, seen)
    return False


def _unserialisable(value: object) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return f"<{type(value).__name__}>"
