"""What can be wrong with a request to the queues."""

from __future__ import annotations

from sagebrush.base.errors import SagebrushError


class QueueError(SagebrushError):
    """Root of this engine's errors."""


class NoSuchQueueError(QueueError):
    """The queue does not exist."""


class QueueExistsError(QueueError):
    """A queue of that name exists already."""


class ReceiptError(QueueError):
    """A receipt was not given out by this queue."""


class StaleReceiptError(QueueError):
    """The message has been received again since, or may be."""


class NoSuchMessageError(QueueError):
    """The message is deleted or has expired."""


class NotInFlightError(QueueError):
    """Nobody holds the message: it can be received."""


class VisibilityLimitError(QueueError):
    """The message would be held longer than anything may be."""
