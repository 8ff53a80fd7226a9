"""Queues for dead letters, seen from their own side."""

from __future__ import annotations

from typing import Any

from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sqs.lookups import find_queue, queue_url

_MAXIMUM_PAGE = 1_000


def list_dead_letter_source_queues(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the URLs of the queues whose dead letters come to this one."""
    target = find_queue(context, request["QueueUrl"])
    limit = request.get("MaxResults", _MAXIMUM_PAGE)
    after = ""
    if "NextToken" in request:
        after = decode_token(request["NextToken"], "InvalidParameterValue", (str,))[0]
    sources = [
        queue
        for queue in context.platform.queues.page(
            context.account, context.region, after=after, limit=-1
        )
        if queue.settings.dead_letters_to == target.name
    ]
    answer: dict[str, Any] = {"queueUrls": [queue_url(context, one) for one in sources[:limit]]}
    if len(sources) > limit:
        answer["NextToken"] = encode_token([sources[limit - 1].name])
    return answer
