"""Permissions of queues: statements of the queue's policy, by label."""

from __future__ import annotations

import re
from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.engines.queues import Queue
from sagebrush.services.platform import Context
from sagebrush.services.sqs.lookups import find_queue, queue_arn
from sagebrush.services.sqs.queue_attributes import settings_of

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ACTIONS = frozenset(
    {
        *("*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes"),
        *("GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue", "ReceiveMessage"),
        "SendMessage",
    }
)


def add_permission(context: Context, request: dict[str, Any]) -> None:
    """Add a statement that lets accounts do actions."""
    queue = find_queue(context, request["QueueUrl"])
    label, policy = request["Label"], _policy(context, queue)
    if not _LABEL.fullmatch(label):
        raise _invalid(f"Value {label} for parameter Label is invalid.")
    if any(statement.get("Sid") == label for statement in policy["Statement"]):
        raise _invalid(f"Value {label} for parameter Label is invalid. Reason: Already exists.")
    for action in request["Actions"]:
        if action not in _ACTIONS:
            raise _invalid(
                f"Value SQS:{action} for parameter ActionName is invalid. Reason: Only the queue"
                " owner is allowed to invoke this action."
            )
    accounts = [f"arn:aws:iam::{account}:root" for account in request["AWSAccountIds"]]
    policy["Statement"].append(
        {
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": accounts if len(accounts) > 1 else accounts[0]},
            "Action": [f"SQS:{action}" for action in request["Actions"]],
            "Resource": queue_arn(context, queue),
        }
    )
    _keep(context, queue, policy)


def remove_permission(context: Context, request: dict[str, Any]) -> None:
    """Remove the statement of a label."""
    queue = find_queue(context, request["QueueUrl"])
    policy = _policy(context, queue)
    left = [one for one in policy["Statement"] if one.get("Sid") != request["Label"]]
    if len(left) == len(policy["Statement"]):
        raise _invalid(
            f"Value {request['Label']} for parameter Label is invalid. Reason: can't find label"
            " on existing policy."
        )
    _keep(context, queue, policy | {"Statement": left})


def _policy(context: Context, queue: Queue) -> dict[str, Any]:
    text = queue.attributes.get("Policy")
    if text is None:
        name = f"{queue_arn(context, queue)}/SQSDefaultPolicy"
        return {"Version": "2012-10-17", "Id": name, "Statement": []}
    policy: dict[str, Any] = orjson.loads(text)
    statements = policy.get("Statement", [])
    # A single statement may stand without its list.
    policy["Statement"] = [statements] if isinstance(statements, dict) else statements
    return policy


def _keep(context: Context, queue: Queue, policy: dict[str, Any]) -> None:
    attributes = {name: text for name, text in queue.attributes.items() if name != "Policy"}
    if policy["Statement"]:
        attributes["Policy"] = orjson.dumps(policy).decode()
    context.platform.queues.update(queue, settings_of(attributes), attributes)


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)
