"""What can be wrong with a request to the topics, or with a delivery."""

from __future__ import annotations

from sagebrush.base.errors import SagebrushError


class TopicError(SagebrushError):
    """Root of this engine's errors."""


class NoSuchTopicError(TopicError):
    """The topic does not exist."""


class NoSuchSubscriptionError(TopicError):
    """The subscription does not exist."""


class FilterError(TopicError):
    """A filter policy cannot be read; the message says why."""


class UndeliverableError(TopicError):
    """A notice did not arrive; the message says why. Tried again unless `is_final`."""

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final
