"""Message queues: kept in rows, received at least once, in order where the queue says so."""

from sagebrush.engines.queues.errors import (
    NoSuchMessageError,
    NoSuchQueueError,
    NotInFlightError,
    QueueError,
    QueueExistsError,
    ReceiptError,
    StaleReceiptError,
    VisibilityLimitError,
)
from sagebrush.engines.queues.records import (
    Counts,
    Message,
    NewMessage,
    Queue,
    QueueSettings,
    Sent,
)
from sagebrush.engines.queues.store import Queues

__all__ = [
    "Counts",
    "Message",
    "NewMessage",
    "NoSuchMessageError",
    "NoSuchQueueError",
    "NotInFlightError",
    "Queue",
    "QueueError",
    "QueueExistsError",
    "QueueSettings",
    "Queues",
    "ReceiptError",
    "Sent",
    "StaleReceiptError",
    "VisibilityLimitError",
]
