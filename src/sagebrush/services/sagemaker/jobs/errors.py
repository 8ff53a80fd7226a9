"""What ends a job badly, as opposed to what refuses a request."""

from __future__ import annotations

from sagebrush.base.errors import SagebrushError


class JobFailure(SagebrushError):
    """The job cannot go on; the message is its FailureReason, class prefix included."""


def download_failure(detail: str) -> JobFailure:
    """The job's input cannot be had: the user's mistake, in AWS's words."""
    return JobFailure(f"ClientError: Data download failed:{detail}")
