"""HTTP messages as plain values: what goes into the wire layer and what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Request:
    """One HTTP request.

    `path` is percent-encoded as received and without query; `query` is the raw query string
    without `?`; `headers` have lower-case names, repeated ones joined by a comma. `body` is bytes
    or, for operations with `Operation.streaming_input` and for event streams, whatever object
    the server reads bodies from: it is handed on untouched.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any = b""


@dataclass(slots=True)
class Response:
    """One HTTP response; `body` is bytes, or the streaming object the service answered."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = b""
