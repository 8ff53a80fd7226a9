"""Topics: what is published to one goes to everyone who subscribed to it."""

from sagebrush.engines.topics.errors import (
    FilterError,
    NoSuchSubscriptionError,
    NoSuchTopicError,
    TopicError,
    UndeliverableError,
)
from sagebrush.engines.topics.records import (
    Notice,
    Published,
    Subscription,
    SubscriptionSettings,
    Topic,
    TopicSettings,
)
from sagebrush.engines.topics.store import Topics

__all__ = [
    "FilterError",
    "NoSuchSubscriptionError",
    "NoSuchTopicError",
    "Notice",
    "Published",
    "Subscription",
    "SubscriptionSettings",
    "Topic",
    "TopicError",
    "TopicSettings",
    "Topics",
    "UndeliverableError",
]
