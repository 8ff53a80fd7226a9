"""Delivery policies: when a notice that did not arrive over HTTP is tried again.

Members, ranges, defaults and phases: "Amazon SNS message delivery retries", Amazon SNS Developer
Guide.
"""

from __future__ import annotations

import math
from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.engines.topics import Subscription, Topic
from sagebrush.services.sns.lookups import invalid

DEFAULT_RETRIES: dict[str, Any] = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
_DEFAULT_REQUEST = {"headerContentType": "text/plain; charset=UTF-8"}
_BACKOFFS = ("arithmetic", "exponential", "geometric", "linear")
_RANGES = {
    "minDelayTarget": (1, 3_600),
    "maxDelayTarget": (1, 3_600),
    "numRetries": (0, 100),
    "numMaxDelayRetries": (0, 100),
    "numNoDelayRetries": (0, 100),
    "numMinDelayRetries": (0, 100),
}
# Retries of one notice may take an hour, whatever a policy says.
_MAXIMUM_RETRY_S = 3_600.0


def check_topic_policy(document: dict[str, Any]) -> None:
    """Refuse what is no delivery policy of a topic; raises ApiError InvalidParameter."""
    http = document.get("http", {})
    if document.keys() - {"http"} or not isinstance(http, dict):
        raise _refuse("Unexpected JSON member: only http is allowed")
    members = {"defaultHealthyRetryPolicy", "defaultThrottlePolicy", "defaultRequestPolicy"}
    if unknown := http.keys() - members - {"disableSubscriptionOverrides"}:
        raise _refuse(f"Unexpected JSON member: {min(unknown)}")
    _check_retries(http.get("defaultHealthyRetryPolicy"))


def check_subscription_policy(document: dict[str, Any]) -> None:
    """Refuse what is no delivery policy of a subscription; raises ApiError InvalidParameter."""
    members = {"healthyRetryPolicy", "throttlePolicy", "requestPolicy", "sicklyRetryPolicy"}
    if unknown := document.keys() - members - {"guaranteed"}:
        raise _refuse(f"Unexpected JSON member: {min(unknown)}")
    _check_retries(document.get("healthyRetryPolicy"))


def _check_retries(given: Any) -> None:
    if given is None:
        return
    if not isinstance(given, dict):
        raise _refuse("healthyRetryPolicy must be an object")
    whole = DEFAULT_RETRIES | given
    for name, value in given.items():
        if name == "backoffFunction":
            if value not in _BACKOFFS:
                raise _refuse(f"{name} must be one of {', '.join(_BACKOFFS)}")
        elif name not in _RANGES:
            raise _refuse(f"Unexpected JSON member: {name}")
        else:
            low, high = _RANGES[name]
            if type(value) is not int or not low <= value <= high:
                raise _refuse(f"{name} must be between {low} and {high}")
    if whole["maxDelayTarget"] < whole["minDelayTarget"]:
        raise _refuse("maxDelayTarget must be greater than or equal to minDelayTarget")
    phases = ("numMaxDelayRetries", "numNoDelayRetries", "numMinDelayRetries")
    if sum(whole[name] for name in phases) > whole["numRetries"]:
        raise _refuse("numRetries must be at least the sum of the retries of the phases")


def effective(topic: Topic, subscription: Subscription | None = None) -> dict[str, Any]:
    """Return the delivery policy in force, in the shape of `EffectiveDeliveryPolicy`."""
    http = orjson.loads(topic.attributes.get("DeliveryPolicy", "{}")).get("http", {})
    retries = DEFAULT_RETRIES | (http.get("defaultHealthyRetryPolicy") or {})
    request = _DEFAULT_REQUEST | (http.get("defaultRequestPolicy") or {})
    overrides = bool(http.get("disableSubscriptionOverrides", False))
    if subscription is None:
        return {
            "http": {
                "defaultHealthyRetryPolicy": retries,
                "disableSubscriptionOverrides": overrides,
                "defaultRequestPolicy": request,
            }
        }
    own: dict[str, Any] = {}
    if not overrides:
        own = orjson.loads(subscription.attributes.get("DeliveryPolicy", "{}"))
    return {
        "healthyRetryPolicy": retries | (own.get("healthyRetryPolicy") or {}),
        "requestPolicy": request | (own.get("requestPolicy") or {}),
    }


def delays_s(topic: Topic, subscription: Subscription) -> list[float]:
    """Return how long to wait before each retry: at once, slowly, ever more slowly, at last."""
    policy = effective(topic, subscription)["healthyRetryPolicy"]
    low, high = float(policy["minDelayTarget"]), float(policy["maxDelayTarget"])
    first, second = policy["numNoDelayRetries"], policy["numMinDelayRetries"]
    last = policy["numMaxDelayRetries"]
    between = policy["numRetries"] - first - second - last
    delays = [0.0] * first + [low] * second
    delays += [_backoff(policy["backoffFunction"], low, high, n, between) for n in range(between)]
    delays += [high] * last
    total = 0.0
    for number, delay in enumerate(delays):
        total += delay
        if total > _MAXIMUM_RETRY_S:
            return delays[:number]
    return delays


def _backoff(function: str, low: float, high: float, number: int, count: int) -> float:
    """Return the delay of retry `number` of `count` that go from `low` to `high`."""
    if count < 2 or high == low:
        return low
    part = number / (count - 1)
    if function == "linear":
        return low + (high - low) * part
    if function == "arithmetic":
        # Each delay grows by one step more than the one before.
        return low + (high - low) * (number * (number + 1)) / ((count - 1) * count)
    if function == "geometric":
        return low * math.pow(high / low, part)
    return low + (high - low) * (math.pow(2, number) - 1) / (math.pow(2, count - 1) - 1)


def _refuse(reason: str) -> ApiError:
    return invalid(f"DeliveryPolicy: {reason}")
