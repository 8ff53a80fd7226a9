"""The error hierarchy of the whole product.

`ApiError` is what a client did wrong or what AWS would refuse: it reaches the client as AWS's own
error. Everything else is a defect or a broken machine and reaches the client as the protocol's
internal failure, and the log with its request id.
"""

from __future__ import annotations

from typing import Any


class SagebrushError(Exception):
    """Root of every error raised on purpose in this package."""


class ApiError(SagebrushError):
    """An error answered to the client as AWS answers it.

    `code` is the shape name or error code of the service model (`ValidationException`,
    `NoSuchBucket`); `status` overrides the HTTP status, which otherwise comes from the model;
    `members` are further fields of the error shape, in wire names.
    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, **members: Any
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


class ConfigurationError(SagebrushError):
    """The user's settings cannot work; the message says what to change."""


class StateError(SagebrushError):
    """Stored state contradicts itself or cannot be read."""
