"""From a queue's URL, name or ARN to the queue."""

from __future__ import annotations

from urllib.parse import urlsplit

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.engines.queues import NoSuchQueueError, Queue
from sagebrush.services.platform import Context


def find_queue(context: Context, url: str) -> Queue:
    """Return the queue of a URL, whose last two parts are the account and the name.

    Raises:
        ApiError: InvalidAddress, QueueDoesNotExist.
    """
    parts = urlsplit(url).path.strip("/").split("/")
    if len(parts) < 2 or not parts[-2].isdigit():
        raise ApiError("InvalidAddress", f"The address {url} is not valid for this endpoint.")
    return named_queue(context, parts[-2], parts[-1])


def named_queue(context: Context, account: str, name: str) -> Queue:
    """Return a queue of this region by name.

    Raises:
        ApiError: QueueDoesNotExist; AccessDenied where it is another account's.
    """
    if account != context.account:
        raise ApiError("AccessDenied", "Access to the resource is denied.", status=403)
    try:
        return context.platform.queues.find(account, context.region, name)
    except NoSuchQueueError:
        raise missing_queue() from None


def missing_queue() -> ApiError:
    """Return the error for a queue that does not exist."""
    return ApiError("QueueDoesNotExist", "The specified queue does not exist.")


def queue_of_arn(context: Context, text: str) -> Queue | None:
    """Return the queue of an ARN in this request's account and region; None if there is none."""
    arn = Arn.parse(text)
    if arn is None or (arn.service, arn.region, arn.account) != (
        "sqs",
        context.region,
        context.account,
    ):
        return None
    try:
        return context.platform.queues.find(arn.account, arn.region, arn.resource)
    except NoSuchQueueError:
        return None


def queue_url(context: Context, queue: Queue) -> str:
    """Return the URL of a queue at the address that the client used."""
    return f"{context.endpoint}/{queue.account}/{queue.name}"


def queue_arn(context: Context, queue: Queue) -> str:
    """Return the ARN of a queue."""
    return context.arn("sqs", queue.name)
