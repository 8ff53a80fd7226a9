"""Checkpoints and managed spot training."""

from __future__ import annotations

import pytest

from sagebrush.services.sagemaker.jobs import checkpoints

from .conftest import Server

_SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
}


@pytest.fixture(autouse=True)
def _short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_INTERVAL_S", 0.02)


def test_restored_before_start_and_sent_at_the_end(server: Server) -> None:
    bucket = server.bucket(c__old="1", c__x__old="2")
    server.train(
        "resumed",
        "cd $1/checkpoints; cat old x/old; echo more >> old; echo 3 > new; rm x/old",
        CheckpointConfig={"S3Uri": f"s3://{bucket}/c"},
    )
    assert server.log("resumed") == {"algo-1": ["12"]}
    assert server.keys(bucket) == ["c/new", "c/old"]
    assert server.read(bucket, "c/old") == b"1more\n"


def test_sent_and_removed_while_running(server: Server) -> None:
    bucket = server.bucket(c__other="not the job's")
    server.create(
        "running",
        "cd $1/checkpoints; echo a > a; while [ ! -e ../go ]; do sleep 0.01; done; rm a; "
        "while [ ! -e ../end ]; do sleep 0.01; done",
        CheckpointConfig={"S3Uri": f"s3://{bucket}/c/"},
    )
    server.until(lambda: "c/a" in server.keys(bucket))
    root = server.root("running")
    (root / "go").touch()
    server.until(lambda: "c/a" not in server.keys(bucket))
    (root / "end").touch()
    assert server.wait("running")["TrainingJobStatus"] == "Completed"
    assert server.keys(bucket) == ["c/other"]


def test_unchanged_file_is_sent_once(server: Server) -> None:
    bucket = server.bucket()
    objects = server.platform.objects
    server.create(
        "once",
        "echo 1 > $1/checkpoints/a; while [ ! -e $1/go ]; do sleep 0.01; done",
        CheckpointConfig={"S3Uri": f"s3://{bucket}/c"},
    )
    server.until(lambda: "c/a" in server.keys(bucket))
    first = objects.get(bucket, "c/a")
    server.put(bucket, "c/a", "changed by someone else")
    (server.root("once") / "go").touch()
    server.wait("once")
    assert first.size == 2
    assert server.read(bucket, "c/a") == b"changed by someone else"


def test_later_additions_to_s3_stay(server: Server) -> None:
    bucket = server.bucket()
    server.create(
        "later",
        "while [ ! -e $1/go ]; do sleep 0.01; done; ls $1/checkpoints",
        CheckpointConfig={"S3Uri": f"s3://{bucket}/c"},
    )
    server.wait("later", "Training")
    server.put(bucket, "c/added", "x")
    (server.root("later") / "go").touch()
    server.wait("later")
    assert server.log("later") == {"algo-1": []}
    assert server.keys(bucket) == ["c/added"]


def test_own_local_path(server: Server) -> None:
    bucket = server.bucket()
    job = server.train(
        "elsewhere",
        "echo 1 > /tmp/ck/a",
        CheckpointConfig={"S3Uri": f"s3://{bucket}/c", "LocalPath": "/tmp/ck"},
    )
    if job["TrainingJobStatus"] == "Failed":
        pytest.skip("no sandbox here: a path is visible only below /opt/ml")
    assert server.keys(bucket, "c/") == ["c/a"]


def test_links_are_not_followed(server: Server) -> None:
    bucket = server.bucket()
    server.train(
        "links",
        "ln -s /etc/passwd $1/checkpoints/p; ln -s /etc $1/checkpoints/d",
        CheckpointConfig={"S3Uri": f"s3://{bucket}/c"},
    )
    assert server.keys(bucket, "c/") == []


def test_missing_bucket_fails_the_job(server: Server) -> None:
    job = server.train("nowhere", "exit 0", CheckpointConfig={"S3Uri": "s3://no-such-bucket/c"})
    assert job["FailureReason"].startswith("ClientError: Checkpoint sync failed:NoSuchBucket")


def test_spot_interruption_resumes_from_the_checkpoint(server: Server) -> None:
    bucket = server.bucket()
    job = server.train(
        "spot",
        "cd $1/checkpoints; if [ -e half ]; then echo resumed; echo w > $1/model/w; exit 0; fi; "
        "trap 'echo 1 > half; exit 0' TERM; while :; do sleep 0.01; done",
        CheckpointConfig={"S3Uri": f"s3://{bucket}/c"},
        Environment={"SAGEBRUSH_SPOT_INTERRUPTION_SECONDS": "0.3"},
        **_SPOT,
    )
    assert job["TrainingJobStatus"] == "Completed"
    statuses = [item["Status"] for item in job["SecondaryStatusTransitions"]]
    again = ["Starting", "Downloading", "Training"]
    assert statuses == [*again, "Interrupted", *again, "Uploading", "Completed"]
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"] + 1
    assert server.log("spot") == {"algo-1": ["resumed"]}


def test_spot_ends_after_its_wait_time(server: Server) -> None:
    job = server.train(
        "impatient",
        "exec sleep 60",
        **_SPOT
        | {"StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}}
        | {"Environment": {"SAGEBRUSH_SPOT_INTERRUPTION_SECONDS": "0.5"}},
    )
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")


def test_spot_only_interrupts_spot(server: Server) -> None:
    job = server.train(
        "firm", "sleep 0.2", Environment={"SAGEBRUSH_SPOT_INTERRUPTION_SECONDS": "0.05"}
    )
    assert job["TrainingJobStatus"] == "Completed"
    assert "Interrupted" not in [item["Status"] for item in job["SecondaryStatusTransitions"]]
