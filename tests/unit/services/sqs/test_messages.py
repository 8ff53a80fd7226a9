"""Messages, through boto3; what waits for the clock, through the handlers."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import pytest


@pytest.fixture
def sqs(client: Any) -> Any:
    return client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    made: str = sqs.create_queue(QueueName="q")["QueueUrl"]
    return made


@pytest.fixture
def fifo(sqs: Any) -> str:
    made: str = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    return made


def receive(sqs: Any, url: str, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, **request).get("Messages", [])
    return found


def test_send_receive_delete(sqs: Any, url: str) -> None:
    sent = sqs.send_message(QueueUrl=url, MessageBody="né")
    md5 = hashlib.md5("né".encode()).hexdigest()
    assert sent["MD5OfMessageBody"] == md5
    assert "SequenceNumber" not in sent
    (message,) = receive(sqs, url, MessageSystemAttributeNames=["All"])
    assert (message["Body"], message["MD5OfBody"]) == ("né", md5)
    assert message["MessageId"] == sent["MessageId"]
    system = message["Attributes"]
    assert system["ApproximateReceiveCount"] == "1"
    assert system["SenderId"].endswith(":sagebrush")
    assert system["SentTimestamp"] <= system["ApproximateFirstReceiveTimestamp"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    counts = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    assert set(counts.values()) == {"0"}


def test_message_attributes_and_their_checksum(sqs: Any, url: str) -> None:
    given = {
        "text": {"DataType": "String", "StringValue": "v"},
        "number": {"DataType": "Number.int", "StringValue": "-1.5e3"},
        "binary": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="a",
        MessageAttributes=given,
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}},
    )
    # Laid out as the developer guide says: lengths, names, types, a mark for the kind, values.
    laid_out = b"".join(
        b"".join(
            len(part).to_bytes(4, "big") + part if isinstance(part, bytes) else bytes([part])
            for part in parts
        )
        for parts in (
            (b"binary", b"Binary", 2, b"\x00\xff"),
            (b"number", b"Number.int", 1, b"-1.5e3"),
            (b"text", b"String", 1, b"v"),
        )
    )
    md5 = hashlib.md5(laid_out).hexdigest()
    assert sent["MD5OfMessageAttributes"] == md5
    assert len(sent["MD5OfMessageSystemAttributes"]) == 32
    (message,) = receive(
        sqs,
        url,
        MessageAttributeNames=["All"],
        AttributeNames=["AWSTraceHeader"],
        VisibilityTimeout=0,
    )
    assert message["MessageAttributes"] == given
    assert message["MD5OfMessageAttributes"] == md5
    assert message["Attributes"] == {"AWSTraceHeader": "Root=1"}
    (message,) = receive(sqs, url, MessageAttributeNames=["te.*", "number"], VisibilityTimeout=0)
    assert set(message["MessageAttributes"]) == {"text", "number"}
    (message,) = receive(sqs, url, MessageAttributeNames=["none"])
    assert not {"MessageAttributes", "MD5OfMessageAttributes", "Attributes"} & set(message)


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ({"DataType": "Text", "StringValue": "v"}, "a"),
        ({"DataType": "String", "StringValue": ""}, "a"),
        ({"DataType": "String"}, "a"),
        ({"DataType": "Number", "StringValue": "x"}, "a"),
        ({"DataType": "Binary", "StringValue": "x"}, "a"),
        ({"DataType": "String", "StringValue": "v"}, "AWS.a"),
        ({"DataType": "String", "StringValue": "v"}, "a b"),
    ],
)
def test_attributes_that_cannot_be(
    sqs: Any, url: str, refusal: Any, attribute: dict[str, Any], name: str
) -> None:
    request = {"MessageBody": "a", "MessageAttributes": {name: attribute}}
    assert refusal(sqs.send_message, QueueUrl=url, **request)[0] == "InvalidParameterValue"


def test_messages_that_cannot_be(sqs: Any, url: str, refusal: Any) -> None:
    def code(**request: Any) -> str:
        found: str = refusal(sqs.send_message, QueueUrl=url, **request)[0]
        return found

    assert code(MessageBody="") == "MissingParameter"
    assert code(MessageBody="\x00") == "InvalidMessageContents"
    assert code(MessageBody="x" * 1_048_577) == "InvalidParameterValue"
    assert code(MessageBody="a", DelaySeconds=901) == "InvalidParameterValue"
    assert code(MessageBody="a", MessageDeduplicationId="x") == "InvalidParameterValue"
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1_048_576)
    assert len(receive(sqs, url)[0]["Body"]) == 1_048_576


def test_batches(sqs: Any, url: str, refusal: Any) -> None:
    answer = sqs.send_message_batch(
        QueueUrl=url,
        Entries=[{"Id": "good", "MessageBody": "a"}, {"Id": "bad", "MessageBody": "\x00"}],
    )
    assert [one["Id"] for one in answer["Successful"]] == ["good"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == (
        *("bad", "InvalidMessageContents"),
        True,
    )
    (message,) = receive(sqs, url, MaxNumberOfMessages=10)
    receipt = message["ReceiptHandle"]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": receipt, "VisibilityTimeout": 60}]
    )
    assert changed["Successful"] == [{"Id": "1"}]
    deleted = sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[{"Id": "1", "ReceiptHandle": receipt}, {"Id": "2", "ReceiptHandle": "x"}],
    )
    assert deleted["Successful"] == [{"Id": "1"}]
    assert deleted["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"

    def code(entries: list[dict[str, Any]]) -> str:
        found: str = refusal(sqs.send_message_batch, QueueUrl=url, Entries=entries)[0]
        return found.removeprefix("AWS.SimpleQueueService.")

    def entry(identifier: str, body: str = "a") -> dict[str, str]:
        return {"Id": identifier, "MessageBody": body}

    assert code([]) == "EmptyBatchRequest"
    assert code([entry(str(number)) for number in range(11)]) == "TooManyEntriesInBatchRequest"
    assert code([entry("a"), entry("a")]) == "BatchEntryIdsNotDistinct"
    assert code([entry("a b")]) == "InvalidBatchEntryId"
    assert code([entry("a", "x" * 600_000), entry("b", "x" * 600_000)]) == "BatchRequestTooLong"
    assert receive(sqs, url) == []


@pytest.mark.parametrize(
    "request_members",
    [
        {"MaxNumberOfMessages": 0},
        {"MaxNumberOfMessages": 11},
        {"WaitTimeSeconds": 21},
        {"VisibilityTimeout": -1},
    ],
)
def test_receiving_out_of_range(
    sqs: Any, url: str, refusal: Any, request_members: dict[str, int]
) -> None:
    code = refusal(sqs.receive_message, QueueUrl=url, **request_members)[0]
    assert code == "InvalidParameterValue"


def test_long_polling_ends_with_the_message(sqs: Any, url: str, client: Any) -> None:
    got: list[str] = []

    def wait() -> None:
        got.extend(one["Body"] for one in receive(client("sqs"), url, WaitTimeSeconds=20))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    sqs.send_message(QueueUrl=url, MessageBody="a")
    waiting.join(10)
    assert got == ["a"]


def test_long_polling_ends_with_the_queue(sqs: Any, url: str, client: Any) -> None:
    codes: list[str] = []

    def wait() -> None:
        waiter = client("sqs")
        try:
            waiter.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        except waiter.exceptions.QueueDoesNotExist as error:
            codes.append(error.response["Error"]["Code"])

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.2)
    sqs.delete_queue(QueueUrl=url)
    waiting.join(10)
    assert codes == ["AWS.SimpleQueueService.NonExistentQueue"]


def test_fifo(sqs: Any, fifo: str, refusal: Any) -> None:
    numbers = []
    for number, group in enumerate("aab"):
        sent = sqs.send_message(
            QueueUrl=fifo,
            MessageBody=str(number),
            MessageGroupId=group,
            MessageDeduplicationId=str(number),
        )
        numbers.append(sent["SequenceNumber"])
    assert numbers == sorted(numbers)
    assert len(numbers[0]) == 20
    again = sqs.send_message(
        QueueUrl=fifo, MessageBody="x", MessageGroupId="a", MessageDeduplicationId="0"
    )
    assert again["SequenceNumber"] == numbers[0]
    (first,) = receive(sqs, fifo, AttributeNames=["All"])
    assert first["Attributes"]["MessageGroupId"] == "a"
    assert first["Attributes"]["SequenceNumber"] == numbers[0]
    assert [one["Body"] for one in receive(sqs, fifo, MaxNumberOfMessages=10)] == ["2"]
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=first["ReceiptHandle"])
    assert [one["Body"] for one in receive(sqs, fifo, MaxNumberOfMessages=10)] == ["1"]
    body = {"QueueUrl": fifo, "MessageBody": "a"}
    assert refusal(sqs.send_message, **body)[0] == "MissingParameter"
    code = refusal(sqs.send_message, **body, MessageGroupId="g")[0]
    assert code == "InvalidParameterValue"
    given = {"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 1}
    assert refusal(sqs.send_message, **body, **given)[0] == "InvalidParameterValue"


def test_dead_letters_name_their_source(handlers: Any) -> None:
    def call(operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = handlers.call("sqs", operation, **request)
        return answer

    dead = call("CreateQueue", QueueName="dead")["QueueUrl"]
    policy = (
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:dead", "maxReceiveCount": 1}'
    )
    url = call("CreateQueue", QueueName="q", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    call("SendMessage", QueueUrl=url, MessageBody="a")
    assert len(call("ReceiveMessage", QueueUrl=url)["Messages"]) == 1
    handlers.clock.advance(30)
    assert call("ReceiveMessage", QueueUrl=url) == {}
    (message,) = call("ReceiveMessage", QueueUrl=dead, AttributeNames=["All"])["Messages"]
    source = message["Attributes"]["DeadLetterQueueSourceArn"]
    assert source == "arn:aws:sqs:us-east-1:111122223333:q"


def test_visibility(handlers: Any) -> None:
    url = handlers.call("sqs", "CreateQueue", QueueName="q")["QueueUrl"]
    handlers.call("sqs", "SendMessage", QueueUrl=url, MessageBody="a")
    (message,) = handlers.call("sqs", "ReceiveMessage", QueueUrl=url)["Messages"]
    held = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}

    def code(**request: Any) -> str:
        found: str = handlers.refusal("sqs", "ChangeMessageVisibility", **(held | request))
        return found

    handlers.call("sqs", "ChangeMessageVisibility", **held, VisibilityTimeout=100)
    handlers.clock.advance(99)
    assert handlers.call("sqs", "ReceiveMessage", QueueUrl=url) == {}
    assert code(VisibilityTimeout=43_200) == "InvalidParameterValue"
    assert code(VisibilityTimeout=43_201) == "InvalidParameterValue"
    assert code(VisibilityTimeout=1, ReceiptHandle="x") == "ReceiptHandleIsInvalid"
    handlers.clock.advance(1)
    assert code(VisibilityTimeout=1) == "MessageNotInflight"
    handlers.call("sqs", "DeleteMessage", **held)
    assert code(VisibilityTimeout=1) == "InvalidParameterValue"
