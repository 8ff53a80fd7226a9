"""Notices to a queue and to an HTTP endpoint, through unmodified boto3, over crashes."""

from __future__ import annotations

import http.server
import itertools
import json
import queue
import threading
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sagebrush.launch import PrivateServer

LIMIT_S = 20.0
_accounts = itertools.count(410_000_000_000)
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn"),
        "Type",
    ),
}


class Receiver:
    """An HTTP server that keeps what is posted to it and answers `statuses`, then 200."""

    def __init__(self, port: int = 0) -> None:
        self.posts: queue.Queue[tuple[dict[str, str], str]] = queue.Queue()
        self.statuses: list[int] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.posts.put((dict(self.headers.items()), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/notices"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def next(self) -> tuple[dict[str, str], Any]:
        """Return headers and document of the next post."""
        headers, body = self.posts.get(timeout=LIMIT_S)
        return headers, json.loads(body)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def notifying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that these tests may kill."""
    with PrivateServer(tmp_path_factory.mktemp("notices")) as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An endpoint of the test's own."""
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def client(notifying: PrivateServer) -> Callable[[str], Any]:
    """Return a function that gives a client in the test's own account."""
    return clients(notifying)


def clients(server: PrivateServer) -> Callable[[str], Any]:
    account = str(next(_accounts))
    return lambda service: boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key="any",
    )


def crash(server: PrivateServer) -> None:
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    server.start()


def new_queue(sqs: Any, name: str) -> tuple[str, str]:
    """Make a queue and return its URL and ARN."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, asked["Attributes"]["QueueArn"]


def received(sqs: Any, url: str) -> dict[str, Any]:
    """Return the next message of a queue."""
    answer = sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=int(LIMIT_S), MessageAttributeNames=["All"]
    )
    (message,) = answer["Messages"]
    return message


def assert_signed(document: dict[str, Any]) -> None:
    """Check a signature with the certificate that the document names."""
    with urllib.request.urlopen(document["SigningCertURL"]) as answer:
        certificate = x509.load_pem_x509_certificate(answer.read())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    names = [name for name in SIGNED[document["Type"]] if name in document]
    text = "".join(f"{name}\n{document[name]}\n" for name in names)
    algorithm = hashes.SHA256() if document["SignatureVersion"] == "2" else hashes.SHA1()
    key.verify(b64decode(document["Signature"]), text.encode(), padding.PKCS1v15(), algorithm)


def confirmed(sns: Any, topic: str, receiver: Receiver, **attributes: str) -> str:
    """Subscribe an endpoint, visit the link it is sent, and return the subscription's ARN."""
    arn: str = sns.subscribe(
        TopicArn=topic,
        Protocol="http",
        Endpoint=receiver.url,
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    _, asked = receiver.next()
    with urllib.request.urlopen(asked["SubscribeURL"]) as answer:
        assert arn in answer.read().decode()
    return arn


def test_a_queue_gets_the_notice(client: Any) -> None:
    sns, sqs = client("sns"), client("sqs")
    url, arn = new_queue(sqs, "notices")
    topic = sns.create_topic(Name="notices", Attributes={"SignatureVersion": "2"})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sent = sns.publish(TopicArn=topic, Message="done", Subject="Job")
    message = received(sqs, url)
    document = json.loads(message["Body"])
    assert document["MessageId"] == sent["MessageId"]
    assert (document["Message"], document["Subject"]) == ("done", "Job")
    assert_signed(document)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_an_endpoint_confirms_and_gets_the_notice(client: Any, receiver: Receiver) -> None:
    sns = client("sns")
    topic = sns.create_topic(Name="posted")["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    headers, asked = receiver.next()
    assert headers["x-amz-sns-message-type"] == asked["Type"] == "SubscriptionConfirmation"
    assert_signed(asked)
    sns.publish(TopicArn=topic, Message="too early")
    arn = sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="in time", Subject="S")
    headers, document = receiver.next()
    assert document["Message"] == "in time"
    assert headers["x-amz-sns-subscription-arn"] == arn
    assert_signed(document)
    with urllib.request.urlopen(document["UnsubscribeURL"]):
        assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_a_failure_is_tried_again_and_a_refusal_is_buried(client: Any, receiver: Receiver) -> None:
    sns, sqs = client("sns"), client("sqs")
    url, arn = new_queue(sqs, "dead")
    topic = sns.create_topic(Name="failing")["TopicArn"]
    retries = {"numRetries": 1, "numNoDelayRetries": 1}
    confirmed(
        sns,
        topic,
        receiver,
        DeliveryPolicy=json.dumps({"healthyRetryPolicy": retries}),
        RedrivePolicy=json.dumps({"deadLetterTargetArn": arn}),
    )
    receiver.statuses = [503, 200]
    sns.publish(TopicArn=topic, Message="twice")
    assert [receiver.next()[1]["Message"] for _ in range(2)] == ["twice", "twice"]
    receiver.statuses = [404]
    sns.publish(TopicArn=topic, Message="refused")
    buried = received(sqs, url)
    assert json.loads(buried["Body"])["Message"] == "refused"
    assert "404" in buried["MessageAttributes"]["ErrorMessage"]["StringValue"]
    receiver.statuses = [503, 503]
    sns.publish(TopicArn=topic, Message="in vain")
    assert json.loads(received(sqs, url)["Body"])["Message"] == "in vain"


def test_a_silent_endpoint_holds_nobody_up(client: Any, receiver: Receiver) -> None:
    import socket

    sns = client("sns")
    topic = sns.create_topic(Name="silent")["TopicArn"]
    confirmed(sns, topic, receiver)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        for number in range(40):
            sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{address}{number % 2}")
        sns.publish(TopicArn=topic, Message="heard")
        assert receiver.next()[1]["Message"] == "heard"


def test_killed_servers_lose_nothing(notifying: PrivateServer, client: Any) -> None:
    sns, sqs = client("sns"), client("sqs")
    url, arn = new_queue(sqs, "kept")
    topic = sns.create_topic(Name="kept")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    first = Receiver()
    policy = {"healthyRetryPolicy": {"numRetries": 20, "minDelayTarget": 1, "maxDelayTarget": 1}}
    confirmed(sns, topic, first, DeliveryPolicy=json.dumps(policy))
    first.close()
    sns.publish(TopicArn=topic, Message="kept")
    crash(notifying)
    second = Receiver(first.port)
    try:
        assert second.next()[1]["Message"] == "kept"
        assert json.loads(received(sqs, url)["Body"])["Message"] == "kept"
    finally:
        second.close()


def test_an_alarm_tells_the_queue(client: Any) -> None:
    sns, sqs, cloudwatch = client("sns"), client("sqs"), client("cloudwatch")
    url, arn = new_queue(sqs, "alarms")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    cloudwatch.put_metric_alarm(
        AlarmName="hot",
        Namespace="N",
        MetricName="M",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    cloudwatch.set_alarm_state(AlarmName="hot", StateValue="ALARM", StateReason="a test")
    document = json.loads(received(sqs, url)["Body"])
    assert json.loads(document["Message"])["NewStateValue"] == "ALARM"
    assert document["Subject"].startswith("ALARM: ")


def test_offline_servers_post_to_this_machine_only(tmp_path: Path, receiver: Receiver) -> None:
    with PrivateServer(tmp_path / "data", ("--offline",)) as server:
        client = clients(server)
        sns = client("sns")
        topic = sns.create_topic(Name="offline")["TopicArn"]
        confirmed(sns, topic, receiver)
        refused = sns.subscribe(
            TopicArn=topic,
            Protocol="http",
            Endpoint="http://192.0.2.1/",
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        sns.publish(TopicArn=topic, Message="here")
        assert receiver.next()[1]["Message"] == "here"
        pending = sns.get_subscription_attributes(SubscriptionArn=refused)["Attributes"]
        assert pending["PendingConfirmation"] == "true"
        log = (server.data / "server.log").read_text()
        assert "192.0.2.1 is not on this machine" in log
