"""Topics, subscriptions and publishing, through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def sns(client: Any) -> Any:
    return client("sns")


@pytest.fixture
def sqs(client: Any) -> Any:
    return client("sqs")


@pytest.fixture
def topic(sns: Any) -> str:
    made: str = sns.create_topic(Name="t")["TopicArn"]
    return made


def new_queue(sqs: Any, name: str, **attributes: str) -> tuple[str, str]:
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, asked["Attributes"]["QueueArn"]


@pytest.fixture
def queue(sqs: Any) -> tuple[str, str]:
    """URL and ARN of a queue."""
    return new_queue(sqs, "q")


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    """Return what is in a queue, and take it out."""
    found: list[dict[str, Any]] = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    ).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_create_find_list_delete(sns: Any, account: str, refusal: Any) -> None:
    arn = sns.create_topic(Name="jobs", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    assert arn == f"arn:aws:sns:us-east-1:{account}:jobs"
    assert sns.create_topic(Name="jobs")["TopicArn"] == arn
    same = {"Name": "jobs", "Tags": [{"Key": "a", "Value": "c"}]}
    assert "different tags" in refusal(sns.create_topic, **same)[1]
    changed = {"Name": "jobs", "Attributes": {"DisplayName": "Jobs"}}
    assert "different attributes" in refusal(sns.create_topic, **changed)[1]
    assert sns.list_topics()["Topics"] == [{"TopicArn": arn}]
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    assert refusal(sns.get_topic_attributes, TopicArn=arn) == ("NotFound", "Topic does not exist")
    assert sns.list_topics()["Topics"] == []


def test_topics_come_in_pages(sns: Any) -> None:
    arns = [sns.create_topic(Name=f"t{number:03}")["TopicArn"] for number in range(101)]
    pages = list(sns.get_paginator("list_topics").paginate())
    assert [one["TopicArn"] for page in pages for one in page["Topics"]] == arns
    assert len(pages) == 2


@pytest.mark.parametrize(
    ("request_members", "word"),
    [
        ({"Name": "a b"}, "Topic Name"),
        ({"Name": ""}, "Topic Name"),
        ({"Name": "x" * 257}, "Topic Name"),
        ({"Name": "t.fifo"}, "Topic Name"),
        ({"Name": "t", "Attributes": {"FifoTopic": "true"}}, "Topic Name"),
        ({"Name": "t", "Attributes": {"NoSuch": "x"}}, "AttributeName"),
        ({"Name": "t", "Attributes": {"SignatureVersion": "3"}}, "SignatureVersion"),
        ({"Name": "t", "Attributes": {"Policy": "{"}}, "Policy"),
        ({"Name": "t", "Attributes": {"ContentBasedDeduplication": "true"}}, "FIFO"),
        ({"Name": "t", "Attributes": {"DeliveryPolicy": '{"https": {}}'}}, "DeliveryPolicy"),
    ],
)
def test_topics_that_cannot_be(
    sns: Any, refusal: Any, request_members: dict[str, Any], word: str
) -> None:
    code, message = refusal(sns.create_topic, **request_members)
    assert code == "InvalidParameter"
    assert word in message


@pytest.mark.parametrize("arn", ["t", "arn:aws:sqs:us-east-1:1:t", "arn:aws:sns:eu-west-1:1:t"])
def test_arns_that_cannot_be(sns: Any, refusal: Any, arn: str) -> None:
    assert refusal(sns.publish, TopicArn=arn, Message="a")[0] == "InvalidParameter"


def test_another_account_has_topics_of_its_own(client: Any, topic: str, refusal: Any) -> None:
    stranger = client("sns", aws_access_key_id="999999999999")
    assert refusal(stranger.publish, TopicArn=topic, Message="a")[0] == "AuthorizationError"


def test_topic_attributes(sns: Any, topic: str, account: str, refusal: Any) -> None:
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["Owner"], found["SubscriptionsConfirmed"]) == (account, "0")
    retries = json.loads(found["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]
    assert (retries["numRetries"], retries["minDelayTarget"]) == (3, 20)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="T")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "T"
    given = {"TopicArn": topic, "AttributeName": "FifoTopic", "AttributeValue": "true"}
    assert refusal(sns.set_topic_attributes, **given)[0] == "InvalidParameter"


def test_tags_and_permissions(sns: Any, topic: str, refusal: Any) -> None:
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}])
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "b", "Value": "2"}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["a"])
    tags = sns.list_tags_for_resource(ResourceArn=topic)["Tags"]
    assert tags == [{"Key": "b", "Value": "2"}]
    missing = refusal(sns.list_tags_for_resource, ResourceArn=f"{topic}x")
    assert missing == ("ResourceNotFound", "Resource does not exist")
    label = {"TopicArn": topic, "Label": "share"}
    sns.add_permission(**label, AWSAccountId=["123456789012"], ActionName=["Publish"])
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    assert [one["Sid"] for one in policy["Statement"]] == ["__default_statement_ID", "share"]
    sns.remove_permission(**label)
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    assert len(policy["Statement"]) == 1


def test_subscribe_list_change_unsubscribe(
    sns: Any, topic: str, queue: tuple[str, str], account: str, refusal: Any
) -> None:
    request = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue[1]}
    arn = sns.subscribe(**request)["SubscriptionArn"]
    assert arn.startswith(f"{topic}:")
    assert sns.subscribe(**request)["SubscriptionArn"] == arn
    other = request | {"Attributes": {"RawMessageDelivery": "true"}}
    assert "different attributes" in refusal(sns.subscribe, **other)[1]
    (shown,) = sns.list_subscriptions()["Subscriptions"]
    assert shown == {
        "SubscriptionArn": arn,
        "Owner": account,
        "Protocol": "sqs",
        "Endpoint": queue[1],
        "TopicArn": topic,
    }
    change = {"SubscriptionArn": arn, "AttributeName": "FilterPolicy"}
    sns.set_subscription_attributes(**change, AttributeValue='{"k": ["v"]}')
    found = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (found["FilterPolicy"], found["FilterPolicyScope"]) == (
        '{"k": ["v"]}',
        "MessageAttributes",
    )
    assert found["PendingConfirmation"] == "false"
    code, message = refusal(sns.set_subscription_attributes, **change, AttributeValue='{"k": []}')
    assert (code, "FilterPolicy" in message) == ("InvalidParameter", True)
    sns.set_subscription_attributes(**change, AttributeValue="")
    assert "FilterPolicy" not in sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    sns.unsubscribe(SubscriptionArn=arn)
    sns.unsubscribe(SubscriptionArn=arn)
    assert refusal(sns.get_subscription_attributes, SubscriptionArn=arn)[0] == "NotFound"
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


@pytest.mark.parametrize(
    ("protocol", "endpoint", "attributes", "word"),
    [
        ("lambda", "arn:aws:lambda:us-east-1:1:function:f", {}, "lambda"),
        ("sms", "+1", {}, "sms"),
        ("firehose", "x", {}, "firehose"),
        ("pigeon", "x", {}, "pigeon"),
        ("http", "https://example.com", {}, "Endpoint"),
        ("http", "http://", {}, "URL"),
        ("http", "http://a b/", {}, "URL"),
        ("sqs", "q", {}, "SQS endpoint ARN"),
        ("sqs", "arn:aws:sqs:us-east-1:1:q.fifo", {}, "FIFO"),
        ("email", "nobody", {}, "Email"),
        ("http", "http://localhost/", {"RawMessageDelivery": "maybe"}, "RawMessageDelivery"),
        ("http", "http://localhost/", {"FilterPolicyScope": "Body"}, "FilterPolicyScope"),
        ("http", "http://localhost/", {"FilterPolicy": "["}, "FilterPolicy"),
        ("http", "http://localhost/", {"FilterPolicy": '{"a": {"b": ["c"]}}'}, "FilterPolicy"),
        ("http", "http://localhost/", {"RedrivePolicy": "{}x"}, "RedrivePolicy"),
        (
            *("http", "http://localhost/"),
            {"RedrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:none"}'},
            "RedrivePolicy",
        ),
        (
            *("http", "http://localhost/"),
            {"DeliveryPolicy": '{"healthyRetryPolicy": {"numRetries": 101}}'},
            "DeliveryPolicy",
        ),
        ("http", "http://localhost/", {"NoSuch": "x"}, "AttributeName"),
    ],
)
def test_subscriptions_that_cannot_be(
    sns: Any,
    topic: str,
    refusal: Any,
    protocol: str,
    endpoint: str,
    attributes: dict[str, str],
    word: str,
) -> None:
    code, message = refusal(
        sns.subscribe,
        TopicArn=topic,
        Protocol=protocol,
        Endpoint=endpoint,
        Attributes=attributes,
    )
    assert code == "InvalidParameter"
    assert word in message


def test_mail_stays_pending(sns: Any, topic: str, refusal: Any) -> None:
    request = {"TopicArn": topic, "Protocol": "email", "Endpoint": "a@example.com"}
    assert sns.subscribe(**request)["SubscriptionArn"] == "pending confirmation"
    (shown,) = sns.list_subscriptions()["Subscriptions"]
    assert shown["SubscriptionArn"] == "PendingConfirmation"
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["SubscriptionsPending"], found["SubscriptionsConfirmed"]) == ("1", "0")
    sns.publish(TopicArn=topic, Message="a")
    assert refusal(sns.confirm_subscription, TopicArn=topic, Token="x")[0] == "InvalidParameter"


def test_envelopes_and_raw_messages(sns: Any, sqs: Any, topic: str, queue: tuple[str, str]) -> None:
    raw_url, raw_arn = new_queue(sqs, "raw")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[1])
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw_arn, Attributes=raw)
    attributes = {
        "text": {"DataType": "String", "StringValue": "v"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\xff"},
    }
    sent = sns.publish(TopicArn=topic, Message="né", MessageAttributes=attributes)
    (message,) = received(sqs, queue[0])
    assert "MessageAttributes" not in message
    document = json.loads(message["Body"])
    assert "Subject" not in document
    assert document["MessageId"] == sent["MessageId"]
    assert (document["Type"], document["TopicArn"], document["Message"]) == (
        *("Notification", topic),
        "né",
    )
    assert document["MessageAttributes"] == {
        "text": {"Type": "String", "Value": "v"},
        "bytes": {"Type": "Binary", "Value": "/w=="},
    }
    (message,) = received(sqs, raw_url)
    assert (message["Body"], message["MessageAttributes"]) == ("né", attributes)


def test_filters(sns: Any, sqs: Any, topic: str, queue: tuple[str, str]) -> None:
    policy = {"FilterPolicy": '{"n": [{"numeric": [">", 1]}]}', "RawMessageDelivery": "true"}
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[1], Attributes=policy)
    for number in ("1", "2"):
        attributes = {"n": {"DataType": "Number", "StringValue": number}}
        sns.publish(TopicArn=topic, Message=number, MessageAttributes=attributes)
    assert [one["Body"] for one in received(sqs, queue[0])] == ["2"]
    sns.set_subscription_attributes(
        SubscriptionArn=arn["SubscriptionArn"],
        AttributeName="FilterPolicyScope",
        AttributeValue="MessageBody",
    )
    for body in ('{"n": 1}', '{"n": 2}', "n"):
        sns.publish(TopicArn=topic, Message=body)
    assert [one["Body"] for one in received(sqs, queue[0])] == ['{"n": 2}']


def test_a_body_for_each_protocol(
    sns: Any, sqs: Any, topic: str, queue: tuple[str, str], refusal: Any
) -> None:
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[1], Attributes=raw)
    request = {"TopicArn": topic, "MessageStructure": "json"}
    sns.publish(**request, Message='{"default": "d", "sqs": "for queues"}')
    sns.publish(**request, Message='{"default": "d"}')
    assert [one["Body"] for one in received(sqs, queue[0])] == ["for queues", "d"]
    for message in ("x", "[]", '{"sqs": "x"}'):
        assert refusal(sns.publish, **request, Message=message)[0] == "InvalidParameter"


@pytest.mark.parametrize(
    ("request_members", "code"),
    [
        ({"Message": ""}, "InvalidParameter"),
        ({"Message": "x" * 262_145}, "InvalidParameter"),
        ({"Message": "a", "Subject": "x" * 101}, "InvalidParameter"),
        ({"Message": "a", "Subject": "two\nlines"}, "InvalidParameter"),
        ({"Message": "a", "MessageDeduplicationId": "x"}, "InvalidParameter"),
        (
            {"Message": "a", "MessageAttributes": {"n": {"DataType": "Text"}}},
            "ParameterValueInvalid",
        ),
        (
            {
                "Message": "a",
                "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "x"}},
            },
            "ParameterValueInvalid",
        ),
        (
            {"Message": "a", "MessageAttributes": {"n": {"DataType": "String"}}},
            "ParameterValueInvalid",
        ),
    ],
)
def test_messages_that_cannot_be(
    sns: Any, topic: str, refusal: Any, request_members: dict[str, Any], code: str
) -> None:
    assert refusal(sns.publish, TopicArn=topic, **request_members)[0] == code


def test_publishing_needs_a_topic(sns: Any, refusal: Any) -> None:
    assert refusal(sns.publish, Message="a")[0] == "InvalidParameter"
    assert refusal(sns.publish, Message="a", PhoneNumber="+1")[0] == "InvalidParameter"


def test_batches(sns: Any, sqs: Any, topic: str, queue: tuple[str, str], refusal: Any) -> None:
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[1], Attributes=raw)

    def entry(identifier: str, message: str = "m") -> dict[str, str]:
        return {"Id": identifier, "Message": message}

    answer = sns.publish_batch(
        TopicArn=topic, PublishBatchRequestEntries=[entry("good"), entry("bad", "")]
    )
    assert [one["Id"] for one in answer["Successful"]] == ["good"]
    assert [one["Id"] for one in answer["Failed"]] == ["bad"]
    assert [one["Body"] for one in received(sqs, queue[0])] == ["m"]
    for entries, code in (
        ([], "EmptyBatchRequest"),
        ([entry(str(number)) for number in range(11)], "TooManyEntriesInBatchRequest"),
        ([entry("a"), entry("a")], "BatchEntryIdsNotDistinct"),
        ([entry("a b")], "InvalidBatchEntryId"),
        ([entry("a", "x" * 200_000), entry("b", "x" * 200_000)], "BatchRequestTooLong"),
    ):
        request = {"TopicArn": topic, "PublishBatchRequestEntries": entries}
        assert refusal(sns.publish_batch, **request)[0] == code


def test_fifo(sns: Any, sqs: Any, refusal: Any) -> None:
    fifo = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    topic = sns.create_topic(Name="t.fifo", Attributes=fifo)["TopicArn"]
    url, arn = new_queue(sqs, "q.fifo", FifoQueue="true")
    plain_url, plain_arn = new_queue(sqs, "plain")
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=plain_arn)
    numbers = [
        sns.publish(TopicArn=topic, Message=body, MessageGroupId="g")["SequenceNumber"]
        for body in ("a", "b", "a", "c")
    ]
    assert numbers[2] == numbers[0] < numbers[1] < numbers[3]
    assert [one["Body"] for one in received(sqs, url)] == ["a", "b", "c"]
    (first, *_) = received(sqs, plain_url)
    document = json.loads(first["Body"])
    assert document["SequenceNumber"] == numbers[0]
    assert "Signature" not in document
    assert refusal(sns.publish, TopicArn=topic, Message="a")[0] == "InvalidParameter"
    http = {"TopicArn": topic, "Protocol": "http", "Endpoint": "http://localhost/"}
    assert refusal(sns.subscribe, **http)[0] == "InvalidParameter"


def test_a_queue_that_is_gone_sends_to_the_dead_letters(
    sns: Any, sqs: Any, topic: str, queue: tuple[str, str]
) -> None:
    dead_url, dead_arn = new_queue(sqs, "dead")
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[1], Attributes=redrive)
    sqs.delete_queue(QueueUrl=queue[0])
    sns.publish(TopicArn=topic, Message="a")
    (message,) = received(sqs, dead_url)
    assert json.loads(message["Body"])["Message"] == "a"
    assert "there is no queue" in message["MessageAttributes"]["ErrorMessage"]["StringValue"]
