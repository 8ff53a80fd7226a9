"""Delays between attempts, phase by phase."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.engines.topics import Subscription, SubscriptionSettings, Topic, TopicSettings
from sagebrush.services.sns.delivery_policies import (
    check_subscription_policy,
    check_topic_policy,
    delays_s,
    effective,
)

BACKOFFS = ("arithmetic", "exponential", "geometric", "linear")


def topic(**policy: Any) -> Topic:
    attributes = {"DeliveryPolicy": orjson.dumps({"http": policy}).decode()} if policy else {}
    return Topic(1, "1", "us-east-1", "t", 0.0, TopicSettings(), attributes, {})


def subscription(**policy: Any) -> Subscription:
    attributes = {"DeliveryPolicy": orjson.dumps(policy).decode()} if policy else {}
    settings = SubscriptionSettings()
    return Subscription(1, "k", 1, "1", "http", "http://localhost/", None, settings, attributes)


def test_the_default_is_three_times_after_twenty_seconds() -> None:
    assert delays_s(topic(), subscription()) == [20.0] * 3


def test_phases() -> None:
    retries = {
        "numRetries": 10,
        "numNoDelayRetries": 2,
        "numMinDelayRetries": 2,
        "numMaxDelayRetries": 2,
        "minDelayTarget": 1,
        "maxDelayTarget": 7,
    }
    expected = [0.0, 0.0, 1.0, 1.0, 1.0, 3.0, 5.0, 7.0, 7.0, 7.0]
    assert delays_s(topic(), subscription(healthyRetryPolicy=retries)) == expected


@given(st.sampled_from(BACKOFFS), st.integers(1, 60), st.integers(1, 60), st.integers(0, 20))
def test_backoffs_rise_from_the_least_to_the_most(
    function: str, one: int, other: int, count: int
) -> None:
    low, high = sorted((one, other))
    retries = {
        "numRetries": count,
        "minDelayTarget": low,
        "maxDelayTarget": high,
        "backoffFunction": function,
    }
    check_subscription_policy({"healthyRetryPolicy": retries})
    delays = delays_s(topic(), subscription(healthyRetryPolicy=retries))
    assert len(delays) == count
    assert delays == sorted(delays)
    if count:
        assert delays[0] == low
    if count > 1:
        assert delays[-1] == pytest.approx(high)


def test_retries_take_an_hour_at_most() -> None:
    retries = {"numRetries": 100, "minDelayTarget": 600, "maxDelayTarget": 600}
    assert delays_s(topic(), subscription(healthyRetryPolicy=retries)) == [600.0] * 6


def test_the_topics_policy_is_the_default_or_the_law() -> None:
    once = {"numRetries": 1}
    assert delays_s(topic(defaultHealthyRetryPolicy=once), subscription()) == [20.0]
    own = subscription(healthyRetryPolicy={"numRetries": 2})
    assert len(delays_s(topic(defaultHealthyRetryPolicy=once), own)) == 2
    strict = topic(defaultHealthyRetryPolicy=once, disableSubscriptionOverrides=True)
    assert len(delays_s(strict, own)) == 1


def test_the_content_type_may_be_chosen() -> None:
    own = subscription(requestPolicy={"headerContentType": "application/json"})
    assert effective(topic(), own)["requestPolicy"]["headerContentType"] == "application/json"


@pytest.mark.parametrize(
    "retries",
    [
        [],
        {"numRetries": -1},
        {"numRetries": True},
        {"numRetries": "3"},
        {"minDelayTarget": 0},
        {"minDelayTarget": 30},
        {"backoffFunction": "steep"},
        {"numRetries": 1, "numNoDelayRetries": 2},
        {"no": 1},
    ],
)
def test_policies_that_cannot_be(retries: Any) -> None:
    with pytest.raises(ApiError):
        check_subscription_policy({"healthyRetryPolicy": retries})
    with pytest.raises(ApiError):
        check_topic_policy({"http": {"defaultHealthyRetryPolicy": retries}})
