"""What can be wrong with a request to the log store."""

from __future__ import annotations

from sagebrush.base.errors import SagebrushError


class LogStoreError(SagebrushError):
    """Root of the log store's errors."""


class GroupNotFound(LogStoreError):
    """The log group does not exist."""


class GroupExists(LogStoreError):
    """A log group of that name exists already."""


class StreamNotFound(LogStoreError):
    """The log stream does not exist."""


class StreamExists(LogStoreError):
    """A log stream of that name exists already in the group."""
