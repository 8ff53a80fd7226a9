"""What the SQS folder holds. The queues themselves are an engine: SNS sends to them, too."""

from __future__ import annotations

from sagebrush.services.declaration import Service

_RESOURCES = ("queues", "queue_permissions", "queue_tags", "receiving", "redrive", "sending")

SERVICE = Service(
    name="sqs",
    modules=tuple(f"sagebrush.services.sqs.{resource}" for resource in _RESOURCES),
)
