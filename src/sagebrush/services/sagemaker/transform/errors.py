"""What ends the work on one file, as opposed to what ends the whole job (`jobs.errors`)."""

from __future__ import annotations

from sagebrush.base.errors import SagebrushError


class FileFailure(SagebrushError):
    """A file cannot be transformed.

    `kind` is the class in the job's FailureReason: ClientError (the data), AlgorithmError (the
    container) or InternalServerError. `detail` is more text for the log.
    """

    def __init__(self, kind: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.detail = detail


def bad_data(message: str) -> FileFailure:
    """The input is wrong."""
    return FileFailure("ClientError", message)


def too_large() -> FileFailure:
    """A record, or a file that is not split, exceeds the payload limit."""
    return bad_data("Too much data for max payload size")
