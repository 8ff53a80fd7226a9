"""Permissions of topics: statements of the topic's policy, by label."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.engines.topics import Topic
from sagebrush.services.platform import Context
from sagebrush.services.sns.lookups import find_topic, invalid, topic_arn
from sagebrush.services.sns.topic_attributes import default_policy


def add_permission(context: Context, request: dict[str, Any]) -> None:
    """Add a statement that lets accounts do actions."""
    topic = find_topic(context, request["TopicArn"])
    policy = _policy(topic)
    if any(statement.get("Sid") == request["Label"] for statement in policy["Statement"]):
        raise invalid("Statement already exists")
    accounts = [f"arn:aws:iam::{account}:root" for account in request["AWSAccountId"]]
    actions = [f"SNS:{action}" for action in request["ActionName"]]
    policy["Statement"].append(
        {
            "Sid": request["Label"],
            "Effect": "Allow",
            "Principal": {"AWS": accounts if len(accounts) > 1 else accounts[0]},
            "Action": actions if len(actions) > 1 else actions[0],
            "Resource": topic_arn(topic),
        }
    )
    _keep(context, topic, policy)


def remove_permission(context: Context, request: dict[str, Any]) -> None:
    """Remove the statement of a label, if there is one."""
    topic = find_topic(context, request["TopicArn"])
    policy = _policy(topic)
    left = [one for one in policy["Statement"] if one.get("Sid") != request["Label"]]
    _keep(context, topic, policy | {"Statement": left})


def _policy(topic: Topic) -> dict[str, Any]:
    policy: dict[str, Any] = orjson.loads(topic.attributes.get("Policy") or default_policy(topic))
    statements = policy.get("Statement", [])
    # A single statement may stand without its list.
    policy["Statement"] = [statements] if isinstance(statements, dict) else statements
    return policy


def _keep(context: Context, topic: Topic, policy: dict[str, Any]) -> None:
    attributes = topic.attributes | {"Policy": orjson.dumps(policy).decode()}
    context.platform.topics.update(topic, topic.settings, attributes)
