"""What is published reaches those who subscribed, confirmed and let it pass; nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.engines.topics.conftest import HERE, trouble

from sagebrush.engines.topics import NoSuchSubscriptionError, NoSuchTopicError, Notice


def test_everyone_gets_it_in_the_order_of_subscription(scene: Any) -> None:
    topic, other = scene.topic(), scene.topic("other")
    for endpoint in ("one", "two"):
        scene.subscribe(topic, endpoint)
    scene.subscribe(other, "elsewhere")
    scene.subscribe(topic, "not yet", token="secret")
    scene.publish("a")
    assert scene.got == [("one", "a"), ("two", "a")]


def test_a_topic_is_named_by_its_arn_too(scene: Any) -> None:
    scene.subscribe(scene.topic(), "one")
    arn = "arn:aws:sns:us-east-1:111122223333:t"
    scene.topics.publish(*HERE, arn, "a", "subject")
    assert scene.got == [("one", "a")]
    for wrong in ("no", arn.replace("us-east-1", "eu-west-1"), arn.replace("1111", "9999")):
        with pytest.raises(NoSuchTopicError):
            scene.topics.publish(*HERE, wrong, "a")


def test_confirmation(scene: Any) -> None:
    topic = scene.topic()
    made = scene.subscribe(topic, "one", token="secret")
    assert scene.topics.awaiting(topic, "wrong") is None
    found = scene.topics.awaiting(topic, "secret")
    assert found == made
    assert scene.topics.counts(topic) == (0, 1)
    scene.topics.confirm(found, {})
    assert scene.topics.awaiting(topic, "secret") is None
    assert scene.topics.counts(topic) == (1, 0)
    scene.publish("a")
    assert scene.got == [("one", "a")]


def test_filters(scene: Any) -> None:
    topic = scene.topic()
    scene.subscribe(topic, "by attribute", filter={"kind": ["x"]})
    scene.subscribe(topic, "by body", filter={"kind": ["x"]}, filters_body=True)
    scene.publish('{"kind": "x"}')
    scene.publish("{}", kind={"type": "String", "value": "x"})
    assert scene.got == [("by body", '{"kind": "x"}'), ("by attribute", "{}")]


def test_what_cannot_be_handed_over_is_buried_and_the_others_get_theirs(scene: Any) -> None:
    topic = scene.topic()
    scene.subscribe(topic, "broken")
    scene.subscribe(topic, "sound")
    scene.troubles["broken"] = [trouble(is_final=False)]
    scene.publish("a")
    assert scene.buried == [("broken", "broken")]
    assert ("sound", "a") in scene.got


def test_unsubscribed_and_deleted(scene: Any) -> None:
    topic = scene.topic()
    subscription = scene.subscribe(topic, "one")
    scene.subscribe(topic, "far", "remote")
    scene.publish("a")
    assert scene.pending == 1
    scene.topics.unsubscribe(subscription)
    with pytest.raises(NoSuchSubscriptionError):
        scene.topics.subscription(subscription.key)
    scene.topics.delete(topic)
    assert scene.pending == 0
    with pytest.raises(NoSuchTopicError):
        scene.publish("a")


def test_what_is_rolled_back_was_never_published(scene: Any) -> None:
    scene.subscribe(scene.topic(), "far", "remote")
    scene.db.execute("BEGIN")
    scene.publish("a")
    scene.db.execute("ROLLBACK")
    assert scene.pending == 0


def test_fifo_topics_number_and_drop_repetitions(scene: Any) -> None:
    topic = scene.topic(is_fifo=True)
    scene.subscribe(topic, "one")

    def send(body: str, group: str = "g", once: str | None = None) -> Any:
        notice = Notice(
            f"id {body}", body, scene.clock.now(), group_id=group, deduplication_id=once
        )
        return scene.topics.send(topic, notice)

    first = send("a")
    assert send("a") == first
    assert send("b").number == first.number + 1
    assert send("c", once="b's").number == first.number + 2
    assert send("d", once="b's").number == first.number + 2
    scene.restart()
    assert send("a") == first
    scene.clock.advance(300)
    assert send("a").number == first.number + 3
    assert [body for _, body in scene.got] == ["a", "b", "c", "a"]


def test_pages(scene: Any) -> None:
    topics = [scene.topic(name) for name in ("a", "b", "c")]
    assert [one.name for one in scene.topics.page(*HERE, after="a", limit=1)] == ["b"]
    made = [scene.subscribe(topic, "one") for topic in topics]
    found = scene.topics.subscriptions(*HERE, after=made[0].id)
    assert [topic.name for topic, _ in found] == ["b", "c"]
    assert [one for _, one in scene.topics.subscriptions(*HERE, topic=topics[0])] == made[:1]
    assert scene.topics.subscriptions("999999999999", HERE[1]) == []
