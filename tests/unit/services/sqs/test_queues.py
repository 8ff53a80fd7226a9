"""Queues and their attributes, through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def sqs(client: Any) -> Any:
    return client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    made: str = sqs.create_queue(QueueName="q")["QueueUrl"]
    return made


def attributes(sqs: Any, url: str, *names: str) -> dict[str, str]:
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"])
    found: dict[str, str] = asked["Attributes"]
    return found


def test_create_find_list_delete(sqs: Any, account: str, refusal: Any) -> None:
    url = sqs.create_queue(QueueName="jobs-b")["QueueUrl"]
    assert url.endswith(f"/{account}/jobs-b")
    other = sqs.create_queue(QueueName="jobs-a", tags={"k": "v"})["QueueUrl"]
    assert sqs.get_queue_url(QueueName="jobs-b")["QueueUrl"] == url
    assert sqs.list_queues()["QueueUrls"] == [other, url]
    assert sqs.list_queues(QueueNamePrefix="jobs-b")["QueueUrls"] == [url]
    first = sqs.list_queues(MaxResults=1)
    assert first["QueueUrls"] == [other]
    assert sqs.list_queues(MaxResults=1, NextToken=first["NextToken"])["QueueUrls"] == [url]
    sqs.delete_queue(QueueUrl=url)
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    assert refusal(sqs.delete_queue, QueueUrl=url)[0] == missing
    assert refusal(sqs.get_queue_url, QueueName="jobs-b") == (
        missing,
        "The specified queue does not exist.",
    )
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="none")


def test_errors_come_under_both_names(sqs: Any) -> None:
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.get_queue_url(QueueName="none")
    answer = caught.value.response
    assert answer["Error"]["QueryErrorCode"] == "QueueDoesNotExist"
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    expected = "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert headers["x-amzn-query-error"] == expected


def test_another_account_has_queues_of_its_own(sqs: Any, url: str, client: Any) -> None:
    stranger = client("sqs", aws_access_key_id="999999999999")
    with pytest.raises(stranger.exceptions.ClientError) as caught:
        stranger.send_message(QueueUrl=url, MessageBody="a")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"


def test_creating_again_needs_the_same_attributes(sqs: Any, url: str, refusal: Any) -> None:
    assert sqs.create_queue(QueueName="q")["QueueUrl"] == url
    same = {"VisibilityTimeout": "30", "DelaySeconds": "0"}
    assert sqs.create_queue(QueueName="q", Attributes=same)["QueueUrl"] == url
    assert refusal(sqs.create_queue, QueueName="q", Attributes={"VisibilityTimeout": "31"}) == (
        "QueueAlreadyExists",
        (
            "A queue already exists with the same name and a different value for attribute"
            " VisibilityTimeout"
        ),
    )


def test_attributes(sqs: Any, url: str, account: str, refusal: Any) -> None:
    found = attributes(sqs, url)
    assert found["QueueArn"] == f"arn:aws:sqs:us-east-1:{account}:q"
    assert found["VisibilityTimeout"] == "30"
    assert "FifoQueue" not in found
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"VisibilityTimeout": "007", "Policy": '{"Statement":[]}'}
    )
    assert attributes(sqs, url, "VisibilityTimeout") == {"VisibilityTimeout": "7"}
    assert attributes(sqs, url, "Policy") == {"Policy": '{"Statement":[]}'}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert attributes(sqs, url, "Policy", "DelaySeconds") == {"DelaySeconds": "0"}
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url)
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    assert refusal(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["None"]) == (
        "InvalidAttributeName",
        "Unknown Attribute None.",
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": "-1"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": "x"}, "InvalidAttributeValue"),
        ({"MaximumMessageSize": "1023"}, "InvalidAttributeValue"),
        ({"MessageRetentionPeriod": "59"}, "InvalidAttributeValue"),
        ({"ReceiveMessageWaitTimeSeconds": "21"}, "InvalidAttributeValue"),
        ({"Policy": "{"}, "InvalidAttributeValue"),
        ({"QueueArn": "x"}, "InvalidAttributeName"),
        ({"NoSuch": "x"}, "InvalidAttributeName"),
        ({"ContentBasedDeduplication": "true"}, "InvalidAttributeName"),
        ({"RedrivePolicy": '{"maxReceiveCount": 1}'}, "InvalidParameterValue"),
        ({"FifoQueue": "true"}, "InvalidAttributeName"),
    ],
)
def test_attributes_that_cannot_be(
    sqs: Any, url: str, refusal: Any, given: dict[str, str], code: str
) -> None:
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes=given)[0] == code


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("", {}),
        ("a b", {}),
        ("x" * 81, {}),
        ("q.fifo", {}),
        ("q", {"FifoQueue": "true"}),
    ],
)
def test_names_that_cannot_be(sqs: Any, refusal: Any, name: str, given: dict[str, str]) -> None:
    refused = refusal(sqs.create_queue, QueueName=name, Attributes=given)
    assert refused[0] == "InvalidParameterValue"


@pytest.mark.parametrize("url", ["q", "http://localhost/q", ""])
def test_addresses_that_cannot_be(sqs: Any, refusal: Any, url: str) -> None:
    assert refusal(sqs.purge_queue, QueueUrl=url)[0] == "InvalidAddress"


def test_dead_letter_queues(sqs: Any, url: str, account: str, refusal: Any) -> None:
    def redrive(name: str, receives: object = 3) -> dict[str, str]:
        arn = f"arn:aws:sqs:us-east-1:{account}:{name}"
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": receives}
        return {"RedrivePolicy": json.dumps(policy)}

    missing = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes=redrive("dead"))
    assert "does not exist" in missing[1]
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})
    for wrong in (redrive("dead", 0), redrive("dead", "x"), redrive("dead.fifo")):
        code = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes=wrong)[0]
        assert code == "InvalidParameterValue"
    sqs.set_queue_attributes(QueueUrl=url, Attributes=redrive("dead", "3"))
    sources = sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]
    assert sources == [url]
    assert sqs.list_dead_letter_source_queues(QueueUrl=url)["queueUrls"] == []


def test_purge_once_a_minute(handlers: Any) -> None:
    url = handlers.call("sqs", "CreateQueue", QueueName="q")["QueueUrl"]
    handlers.call("sqs", "SendMessage", QueueUrl=url, MessageBody="a")
    handlers.call("sqs", "PurgeQueue", QueueUrl=url)
    assert handlers.call("sqs", "ReceiveMessage", QueueUrl=url) == {}
    assert handlers.refusal("sqs", "PurgeQueue", QueueUrl=url) == "PurgeQueueInProgress"
    handlers.clock.advance(60)
    handlers.call("sqs", "PurgeQueue", QueueUrl=url)


def test_tags(sqs: Any, url: str, refusal: Any) -> None:
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)
    sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "2"})
    sqs.tag_queue(QueueUrl=url, Tags={"b": "3"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": "3"}
    many = {str(number): "" for number in range(50)}
    assert refusal(sqs.tag_queue, QueueUrl=url, Tags=many)[0] == "InvalidParameterValue"


def test_permissions_are_statements_of_the_policy(sqs: Any, url: str, refusal: Any) -> None:
    label = {"QueueUrl": url, "Label": "share"}
    sqs.add_permission(**label, AWSAccountIds=["123456789012"], Actions=["SendMessage"])
    (statement,) = json.loads(attributes(sqs, url, "Policy")["Policy"])["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert statement["Action"] == ["SQS:SendMessage"]
    again = label | {"AWSAccountIds": ["1"], "Actions": ["SendMessage"]}
    assert refusal(sqs.add_permission, **again)[0] == "InvalidParameterValue"
    sqs.remove_permission(**label)
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    assert refusal(sqs.remove_permission, **label)[0] == "InvalidParameterValue"
