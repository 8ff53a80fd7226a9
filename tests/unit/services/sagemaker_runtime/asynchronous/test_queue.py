"""The life of an asynchronous request: waiting, worked on, answered, failed, expired, dropped."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    Answer,
    NobodyListensError,
    ServerLostError,
    ServerTimeoutError,
    errors,
)
from sagebrush.services.sagemaker_runtime.refusals import check_kind

DEAD = ServerLostError("it died")


def test_a_request_is_a_row_and_then_an_object(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve(0)
        told = scene.ask(InferenceId="one", ContentType="text/csv", CustomAttributes="a=b")
        assert told == {
            "InferenceId": "one",
            "OutputLocation": "s3://b/out/one.out",
            "FailureLocation": "s3://b/bad/one-error.out",
        }
        await scene.pass_time(2.0)
        assert scene.waiting() == 1
        assert scene.keys() == []
        scene.serve(1)
        await scene.answered()
        assert scene.keys() == ["out/one.out"]
        assert scene.read("out/one.out") == b"7"
        (message,) = scene.messages
        head, _, body = message.partition(b"\r\n\r\n")
        assert body == b"1,2"
        for line in (b"content-type: text/csv", b"custom-attributes: a=b", b"inference-id: one"):
            assert line in head
        assert scene.timeouts == [900.0]
        assert scene.metrics("TimeInBacklog") == 2000.0
        assert scene.metrics("TotalProcessingTime") == 2000.0
        assert scene.metrics("InvocationsProcesssed") == 1.0
        assert scene.metrics("Invocation4XXErrors") == 0.0
        assert scene.metrics("InvocationFailures") == 0.0

    play(story)


def test_names_of_outputs(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve(0)
        told = scene.ask(InferenceId="x", Filename="y.json", S3OutputPathExtension="/a/b/")
        assert told["OutputLocation"] == "s3://b/out/a/b/y.json"
        assert told["FailureLocation"] == "s3://b/bad/x-error.out"
        scene.config = {"OutputConfig": {"S3OutputPath": "s3://b"}}
        scene.serve(0)
        told = scene.ask(InferenceId="x")
        assert told == {"InferenceId": "x", "OutputLocation": "s3://b/x.out"}
        assert len(scene.ask()["InferenceId"]) == 36

    play(story)


def test_first_come_first_served_as_far_as_there_is_room(play: Any) -> None:
    async def story(scene: Any) -> None:
        variant = scene.serve(2, ClientConfig={"MaxConcurrentInvocationsPerInstance": 2})
        scene.gate.clear()
        for number in range(10):
            scene.ask(Body=str(number).encode())
        await scene.until(lambda: len(scene.messages) == 4)
        await scene.pass_time(0.0)
        assert len(scene.messages) == 4
        assert all(instance.engaged == 2 for instance in variant.instances)
        scene.gate.set()
        await scene.answered()
        bodies = [message.rpartition(b"\r\n")[2] for message in scene.messages]
        assert bodies == [str(number).encode() for number in range(10)]
        assert [instance.sole.most_at_once for instance in variant.instances] == [2, 2]

    play(story)


def test_a_model_s_error_is_the_failure_object(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        scene.says = [Answer(415, {"content-type": "application/json"}, b'{"no": 1}')]
        told = scene.ask(InferenceId="one")
        await scene.answered()
        assert scene.keys() == ["bad/one-error.out"]
        assert scene.read("bad/one-error.out") == b'{"no": 1}'
        assert told["FailureLocation"].endswith("bad/one-error.out")
        assert scene.metrics("Invocation4XXErrors") == 1.0
        assert scene.metrics("InvocationFailures") == 1.0
        scene.says = [Answer(503, {}, b"busy")]
        scene.ask()
        await scene.answered()
        assert scene.metrics("Invocation5XXErrors") == 1.0
        assert scene.metrics("InvocationsProcesssed") == 2.0

    play(story)


@pytest.mark.parametrize(
    ("request_members", "says", "words", "metric"),
    [
        ({"InputLocation": "s3://b/none"}, None, "s3://b/none", "RequestDownloadFailures"),
        ({"InputLocation": "s3://nowhere/k"}, None, "nowhere", "RequestDownloadFailures"),
        ({}, ServerTimeoutError("too late"), "timed out", "Invocation5XXErrors"),
    ],
)
def test_failures_have_a_reason_and_a_metric(
    play: Any, request_members: Any, says: Any, words: str, metric: str
) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        if says is not None:
            scene.says = [says]
        scene.ask(InferenceId="one", **request_members)
        await scene.answered()
        assert words in scene.read("bad/one-error.out").decode()
        assert scene.metrics(metric) == 1.0
        assert scene.metrics("InvocationFailures") == 1.0

    play(story)


def test_a_bucket_that_is_gone_fails_the_upload(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.config["OutputConfig"]["S3OutputPath"] = "s3://gone/out"
        scene.serve()
        scene.ask(InferenceId="one")
        await scene.answered()
        assert b"s3://gone/out" in scene.read("bad/one-error.out")
        assert scene.metrics("ResponseUploadFailures") == 1.0
        scene.config["OutputConfig"]["S3FailurePath"] = "s3://gone/bad"
        scene.serve()
        scene.ask()
        await scene.answered()
        assert scene.metrics("InvocationFailures") == 2.0

    play(story)


def test_a_large_input_is_sent_from_its_file(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        data = bytes(range(256)) * 4096
        await scene.platform.objects.put_bytes("1", "r", "b", "large", data)
        scene.ask(InputLocation="s3://b/large")
        await scene.answered()
        head, _, body = scene.messages[0].partition(b"\r\n\r\n")
        assert body == data
        assert b"content-type: binary/octet-stream" in head

    play(story)


def test_the_content_type_is_the_object_s_unless_the_request_has_one(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        put = scene.platform.objects.put_bytes
        await put("1", "r", "b", "small", b"1", content_type="text/csv")
        scene.ask(InputLocation="s3://b/small")
        scene.ask(InputLocation="s3://b/small", ContentType="text/plain")
        await scene.answered()
        assert b"content-type: text/csv" in scene.messages[0]
        assert b"content-type: text/plain" in scene.messages[1]
        assert b"text/csv" not in scene.messages[1]

    play(story)


def test_a_request_is_asked_again_when_its_server_dies_but_not_for_ever(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        scene.says = [DEAD, NobodyListensError("starting"), Answer(200, {}, b"7")]
        scene.ask(InferenceId="one")
        await scene.answered()
        assert scene.keys() == ["out/one.out"]
        scene.says = [DEAD]
        scene.ask(InferenceId="two")
        await scene.answered()
        assert b"it died" in scene.read("bad/two-error.out")
        assert len(scene.messages) == 5

    play(story)


def test_a_server_that_was_taken_away_does_not_count(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        scene.gate.clear()
        scene.ask(InferenceId="one")
        for _ in range(3):
            before = len(scene.messages)
            await scene.until(lambda before=before: len(scene.messages) > before)
            scene.says = [DEAD, Answer(200, {}, b"7")]
            scene.serve()  # another fleet
            scene.gate.set()
            await scene.pass_time(0)
            scene.gate.clear()
            scene.says = [DEAD]
            if not scene.waiting():
                break
        scene.says = [Answer(200, {}, b"7")]
        scene.gate.set()
        await scene.answered()
        assert scene.keys() == ["out/one.out"]

    play(story)


def test_requests_expire_on_the_clock(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve(0)
        scene.ask(InferenceId="short", RequestTTLSeconds=60)
        scene.ask(InferenceId="long")
        await scene.pass_time(59)
        assert scene.waiting() == 2
        await scene.pass_time(1)
        await scene.until(lambda: scene.waiting() == 1)
        assert b"RequestTTLSeconds" in scene.read("bad/short-error.out")
        await scene.restart()
        scene.serve(0)
        await scene.pass_time(21_600 - 60)
        await scene.answered()
        assert scene.metrics("ExpiredRequests") == 2.0
        assert scene.messages == []

    play(story)


def test_what_is_worked_on_does_not_expire(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        scene.gate.clear()
        scene.ask(InferenceId="one", RequestTTLSeconds=60)
        await scene.until(lambda: len(scene.messages) == 1)
        await scene.pass_time(3600)
        scene.gate.set()
        await scene.answered()
        assert scene.keys() == ["out/one.out"]

    play(story)


def test_a_killed_server_s_requests_are_worked_on_again_and_answered_once(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve(1, ClientConfig={"MaxConcurrentInvocationsPerInstance": 1})
        scene.gate.clear()
        for number in range(3):
            scene.ask(InferenceId=str(number))
        await scene.until(lambda: len(scene.messages) == 1)
        scene.fleets.published["111122223333/us-east-1/e"] = []  # its servers are coming back
        await scene.restart()
        assert scene.waiting() == 3
        told = scene.ask(InferenceId="3")  # accepted before they are
        assert told["OutputLocation"] == "s3://b/out/3.out"
        scene.gate.set()
        scene.serve()
        await scene.answered()
        assert scene.keys() == [f"out/{number}.out" for number in range(4)]
        assert scene.metrics("InvocationsProcesssed") == 4.0

    play(story)


def test_a_deleted_endpoint_takes_its_queue_along(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        scene.gate.clear()
        scene.ask()
        scene.ask()
        await scene.until(lambda: len(scene.messages) == 2)
        scene.withdraw()
        assert scene.waiting() == 0
        with pytest.raises(ApiError, match="not found"):
            scene.ask()
        scene.gate.set()
        await scene.pass_time(1)
        assert scene.keys() == []
        await scene.restart()
        scene.serve(0)
        assert scene.waiting() == 0

    play(story)


def test_an_endpoint_of_the_same_name_does_not_inherit(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve(0, created=1.0)
        scene.ask(InferenceId="old")
        scene.serve(1, created=2.0)
        scene.ask(InferenceId="new")
        await scene.answered()
        assert scene.keys() == ["out/new.out"]

    play(story)


def test_an_updated_configuration_counts_from_the_next_request(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve(0)
        scene.ask(InferenceId="before")
        scene.config = {"OutputConfig": {"S3OutputPath": "s3://b/other"}}
        scene.serve(1)
        assert scene.ask(InferenceId="after")["OutputLocation"] == "s3://b/other/after.out"
        await scene.answered()
        assert scene.keys() == ["other/after.out", "out/before.out"]
        await scene.restart()
        assert scene.ask(InferenceId="x")["OutputLocation"] == "s3://b/other/x.out"

    play(story)


def test_topics_are_told(play: Any) -> None:
    async def story(scene: Any) -> None:
        good, told_good = scene.topic("good")
        bad, told_bad = scene.topic("bad")
        scene.config["OutputConfig"]["NotificationConfig"] = {
            "SuccessTopic": good,
            "ErrorTopic": bad,
            "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
        }
        scene.serve()
        scene.ask(InferenceId="one", ContentType="text/csv")
        await scene.answered()
        (notice,) = told_good
        assert base64.b64decode(notice["responseBody"]["content"]) == b"7"
        assert notice["invocationStatus"] == "Completed"
        # AWS's always have milliseconds, so that one form is enough to read them.
        whole_second = "2023-11-14T22:13:20.000Z"
        assert (notice["receivedTime"], notice["eventTime"]) == (whole_second, whole_second)
        assert notice["responseParameters"] == {
            "contentType": "text/csv",
            "outputLocation": "s3://b/out/one.out",
        }
        scene.says = [Answer(200, {}, b"x" * (128 * 1024 + 1))]
        scene.ask()
        await scene.answered()
        assert "content" not in told_good[1]["responseBody"]
        scene.says = [Answer(500, {}, b"oops")]
        scene.ask()
        await scene.answered()
        (notice,) = told_bad
        assert notice["invocationStatus"] == "Failed"
        assert 'Received server error (500) from primary with message "oops"' in json.dumps(
            notice
        ).replace("\\", "")
        assert "responseBody" not in notice

    play(story)


def test_a_topic_that_is_gone_is_counted_and_harms_nothing(play: Any) -> None:
    async def story(scene: Any) -> None:
        arn = "arn:aws:sns:us-east-1:111122223333:gone"
        scene.config["OutputConfig"]["NotificationConfig"] = {"SuccessTopic": arn}
        scene.serve()
        scene.ask(InferenceId="one")
        await scene.answered()
        assert scene.keys() == ["out/one.out"]
        assert scene.metrics("NotificationFailures") == 1.0

    play(story)


def test_backlogs_are_told_every_minute(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve(0)
        scene.ask()
        scene.ask()
        await scene.pass_time(60)

        def latest(name: str) -> float:
            return float(scene.buckets(name, {"EndpointName": "e"})[-1].maximum)

        assert latest("ApproximateBacklogSize") == 2.0
        assert latest("ApproximateBacklogSizePerInstance") == 2.0
        assert latest("HasBacklogWithoutCapacity") == 1.0
        assert latest("ApproximateAgeOfOldestRequest") == 60.0
        scene.gate.clear()
        scene.serve(4)
        await scene.pass_time(60)
        assert latest("ApproximateBacklogSizePerInstance") == 0.5
        assert latest("HasBacklogWithoutCapacity") == 0.0
        scene.gate.set()
        await scene.answered()
        await scene.pass_time(60)
        assert latest("ApproximateBacklogSize") == 0.0
        assert latest("ApproximateAgeOfOldestRequest") == 0.0

    play(story)


def test_an_endpoint_is_asynchronous_or_not(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        with pytest.raises(ApiError, match="of type Asynchronous does not support"):
            check_kind(scene.platform, "111122223333/us-east-1/e", "e")
        check_kind(scene.platform, "111122223333/us-east-1/other", "other")
        for refused in (
            {"Body": None},
            {"InputLocation": "s3://b/k", "Body": b"x"},
            {"Body": b"x" * 128_001},
            {"InputLocation": "https://example.com/k"},
        ):
            with pytest.raises(ApiError) as caught:
                scene.ask(**refused)
            assert caught.value.code == "ValidationError"

    play(story)


def test_a_request_that_kills_slowly_over_kept_connections_fails(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process answers pings first: the connection that it dies over was idle before."""
    monkeypatch.setattr(errors, "_IDLE_END_S", 0.0)

    async def story(scene: Any) -> None:
        scene.serve()
        scene.says = [NobodyListensError("the connection ended")]
        scene.ask(InferenceId="one")
        await scene.answered()
        assert scene.keys() == ["bad/one-error.out"]
        assert len(scene.messages) == 2

    play(story)


def test_a_request_that_kills_one_process_after_the_other_fails(play: Any) -> None:
    async def story(scene: Any) -> None:
        scene.serve()
        scene.replaces = 1
        scene.says = [NobodyListensError("the connection ended")]
        scene.ask(InferenceId="one")
        await scene.answered()
        assert scene.keys() == ["bad/one-error.out"]
        assert len(scene.messages) == 3

    play(story)
