"""The operations on training jobs, with jobs that really run."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.pages import encode_token
from sagebrush.services.sagemaker import job_runs
from sagebrush.services.sagemaker.instances import Instance
from sagebrush.services.sagemaker.jobs import hosts

from .conftest import Server


def _channel(uri: str, name: str = "train", **more: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri} | more.pop("source", {})
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


def _members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_create_runs_to_completed(server: Server) -> None:
    request = server.request("job")
    bucket = request["OutputDataConfig"]["S3OutputPath"].split("/")[2]
    server.program = "echo hello; echo weights > $1/model/w; echo note > $1/output/data/n"
    answer = server.call("CreateTrainingJob", **request)
    assert answer["TrainingJobArn"].endswith(":training-job/job")
    job = server.wait("job")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    statuses = [item["Status"] for item in job["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(t["StartTime"] <= t["EndTime"] for t in job["SecondaryStatusTransitions"])
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bucket}/out/job/output/model.tar.gz"
    assert _members(server.read(bucket, "out/job/output/model.tar.gz")) == {"w": b"weights\n"}
    assert _members(server.read(bucket, "out/job/output/output.tar.gz")) == {"n": b"note\n"}
    assert server.log("job") == {"algo-1": ["hello"]}
    assert job["TrainingTimeInSeconds"] >= 1
    assert "FailureReason" not in job


def test_create_same_name_is_in_use(server: Server) -> None:
    server.train("twice", "exit 0")
    with pytest.raises(ApiError) as error:
        server.call("CreateTrainingJob", **server.request("twice"))
    assert error.value.code == "ResourceInUse"
    assert "must be unique" in error.value.message


def test_describe_unknown_is_validation_error(server: Server) -> None:
    with pytest.raises(ApiError, match="Requested resource not found") as error:
        server.call("DescribeTrainingJob", TrainingJobName="nobody")
    assert error.value.code == "ValidationException"


def test_describe_tells_request_and_defaults(server: Server) -> None:
    data = server.bucket(train__a="1")
    job = server.train(
        "defaults",
        "exit 0",
        InputDataConfig=[_channel(f"s3://{data}/train/")],
        VpcConfig={"Subnets": ["s-1"], "SecurityGroupIds": ["g-1"]},
        Tags=[{"Key": "k", "Value": "v"}],
    )
    assert job["VpcConfig"] == {"Subnets": ["s-1"], "SecurityGroupIds": ["g-1"]}
    assert "Tags" not in job
    assert job["EnableManagedSpotTraining"] is False
    assert job["InputDataConfig"][0]["CompressionType"] == "None"
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    names = [d["Name"] for d in job["AlgorithmSpecification"]["MetricDefinitions"]]
    assert "test:msd" in names


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "printf 'ClientError: bad k' > $1/output/failure; exit 2",
            "ClientError: bad k, exit code: 2",
        ),
        ("printf 'broken' > $1/output/failure; exit 1", "AlgorithmError: broken, exit code: 1"),
        ("exit 3", "AlgorithmError: , exit code: 3"),
        ("kill -9 $$", "AlgorithmError: , exit code: 137"),
    ],
)
def test_failure_reason(server: Server, script: str, reason: str) -> None:
    job = server.train("fails", script)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == reason


def test_failure_reason_is_cut_to_its_limit(server: Server) -> None:
    job = server.train("long", "head -c 5000 /dev/zero | tr '\\0' x > $1/output/failure; exit 1")
    assert len(job["FailureReason"]) == 1024
    assert job["FailureReason"].endswith("xxx, exit code: 1")


def test_job_beyond_its_memory(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    if not server.run(server.platform.supervisor.facilities()).limiter.startswith("cgroup"):
        pytest.skip("no control groups here: a job is refused memory but not told apart")
    monkeypatch.setattr(hosts, "instance_of", lambda _: Instance(2, 64 << 20))
    job = server.train("large", "head -c 300m /dev/zero | tail -c 200m > /dev/null")
    assert job["FailureReason"] == (
        "ClientError: Please use an instance type with more memory, or reduce the size of training"
        " data processed on an instance., exit code: 137"
    )


def test_failed_job_leaves_no_model_but_its_output(server: Server) -> None:
    bucket = server.bucket()
    server.train(
        "partial",
        "echo w > $1/model/w; echo no > $1/output/failure; exit 1",
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}"},
    )
    assert server.keys(bucket) == ["partial/output/output.tar.gz"]


def test_uncompressed_output(server: Server) -> None:
    bucket = server.bucket()
    job = server.train(
        "plain",
        "mkdir $1/model/a; echo w > $1/model/a/w; ln -s /etc/passwd $1/model/p",
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/o/", "CompressionType": "NONE"},
    )
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bucket}/o/plain/output/model/"
    assert server.keys(bucket) == ["o/plain/output/model/a/w"]


def test_output_bucket_missing_fails_the_job(server: Server) -> None:
    job = server.train("lost", "exit 0", OutputDataConfig={"S3OutputPath": "s3://no-such-bucket"})
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:NoSuchBucket")


def test_stop_keeps_the_artefact(server: Server) -> None:
    bucket = server.bucket()
    server.create(
        "stopped",
        "trap 'echo w > $1/model/w; exit 0' TERM; echo up; while :; do sleep 0.01; done",
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}"},
    )
    server.wait("stopped", "Training")
    server.until(lambda: any(server.log("stopped").values()))
    server.call("StopTrainingJob", TrainingJobName="stopped")
    assert server.call("DescribeTrainingJob", TrainingJobName="stopped")["TrainingJobStatus"] in (
        "Stopping",
        "Stopped",
    )
    job = server.wait("stopped")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert _members(server.read(bucket, "stopped/output/model.tar.gz")) == {"w": b"w\n"}
    with pytest.raises(ApiError, match="in status Stopped"):
        server.call("StopTrainingJob", TrainingJobName="stopped")


def test_max_runtime_keeps_the_artefact(server: Server) -> None:
    bucket = server.bucket()
    job = server.train(
        "late",
        "echo w > $1/model/w; sleep 60 & wait",
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}"},
        StoppingCondition={"MaxRuntimeInSeconds": 1},
    )
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "late/output/model.tar.gz" in server.keys(bucket)


def test_list_filters_sorts_and_pages(server: Server) -> None:
    for name in ("b-1", "a-2", "c-1"):
        server.train(name, "exit 0" if name != "a-2" else "exit 1")

    def names(**request: Any) -> list[str]:
        answer = server.call("ListTrainingJobs", **request)
        return [job["TrainingJobName"] for job in answer["TrainingJobSummaries"]]

    assert names() == ["c-1", "a-2", "b-1"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["a-2", "b-1", "c-1"]
    assert names(StatusEquals="Failed") == ["a-2"]
    assert names(NameContains="-1", SortOrder="Ascending") == ["b-1", "c-1"]
    created = server.call("DescribeTrainingJob", TrainingJobName="a-2")["CreationTime"]
    assert names(CreationTimeAfter=created) == ["c-1"]
    assert names(CreationTimeBefore=created) == ["b-1"]
    assert names(WarmPoolStatusEquals="Available") == []
    first = server.call("ListTrainingJobs", MaxResults=2, SortBy="Status")
    second = server.call(
        "ListTrainingJobs", MaxResults=2, SortBy="Status", NextToken=first["NextToken"]
    )
    shown = first["TrainingJobSummaries"] + second["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in shown] == ["a-2", "c-1", "b-1"]
    assert "NextToken" not in second


def test_list_page_skips_nothing_filtered(server: Server) -> None:
    for number in range(4):
        server.train(f"even-{number}" if number % 2 == 0 else f"odd-{number}", "exit 0")
    page = server.call("ListTrainingJobs", NameContains="even", MaxResults=1)
    assert [job["TrainingJobName"] for job in page["TrainingJobSummaries"]] == ["even-2"]
    page = server.call(
        "ListTrainingJobs", NameContains="even", MaxResults=1, NextToken=page["NextToken"]
    )
    assert [job["TrainingJobName"] for job in page["TrainingJobSummaries"]] == ["even-0"]
    assert "NextToken" not in page


@pytest.mark.parametrize("token", ["what", "W10=", encode_token([{}, 1]), encode_token([1])])
def test_list_with_foreign_token_is_refused(server: Server, token: str) -> None:
    with pytest.raises(ApiError, match="pagination token"):
        server.call("ListTrainingJobs", NextToken=token)


def test_delete_frees_the_name_and_the_tags(server: Server) -> None:
    server.train("gone", "exit 0", Tags=[{"Key": "a", "Value": "1"}])
    server.call("DeleteTrainingJob", TrainingJobName="gone")
    with pytest.raises(ApiError, match="not found"):
        server.call("DescribeTrainingJob", TrainingJobName="gone")
    answer = server.call("CreateTrainingJob", **server.request("gone"))
    assert server.call("ListTags", ResourceArn=answer["TrainingJobArn"]) == {"Tags": []}
    server.wait("gone")


def test_delete_running_is_in_use(server: Server) -> None:
    server.create("busy", "sleep 60 & wait")
    with pytest.raises(ApiError) as error:
        server.call("DeleteTrainingJob", TrainingJobName="busy")
    assert error.value.code == "ResourceInUse"
    server.call("StopTrainingJob", TrainingJobName="busy")
    server.wait("busy")


def test_first_describe_waits_for_the_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runs, "_HOLD_S", 20.0)
    server.create("short", "sleep 0.2")
    job = server.call("DescribeTrainingJob", TrainingJobName="short")
    assert job["TrainingJobStatus"] == "Completed"


def test_only_the_first_describe_waits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runs, "_HOLD_S", 0.2)
    server.create("held", "sleep 60 & wait")
    job = server.call("DescribeTrainingJob", TrainingJobName="held")
    assert job["TrainingJobStatus"] == "InProgress"
    monkeypatch.setattr(job_runs, "_HOLD_S", 1e6)
    server.call("DescribeTrainingJob", TrainingJobName="held")  # would not come back
    server.call("StopTrainingJob", TrainingJobName="held")
    server.wait("held")


def test_old_job_is_described_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runs, "_HOLD_S", 1e6)
    monkeypatch.setattr(job_runs, "_YOUNG_S", -1.0)
    server.create("old", "sleep 60 & wait")
    job = server.call("DescribeTrainingJob", TrainingJobName="old")
    assert job["TrainingJobStatus"] == "InProgress"
    server.call("StopTrainingJob", TrainingJobName="old")
    server.wait("old")


def test_update_changes_profiler_of_running_job_only(server: Server) -> None:
    server.create("updated", "sleep 60 & wait", ProfilerConfig={"S3OutputPath": "s3://p/q"})
    server.call(
        "UpdateTrainingJob",
        TrainingJobName="updated",
        ProfilerConfig={"ProfilingIntervalInMilliseconds": 500},
    )
    job = server.call("DescribeTrainingJob", TrainingJobName="updated")
    assert job["ProfilerConfig"] == {
        "S3OutputPath": "s3://p/q",
        "ProfilingIntervalInMilliseconds": 500,
    }
    server.call("StopTrainingJob", TrainingJobName="updated")
    server.wait("updated")
    with pytest.raises(ApiError, match="in status Stopped"):
        server.call("UpdateTrainingJob", TrainingJobName="updated", ProfilerConfig={})


def test_accounts_and_regions_do_not_see_each_other(server: Server) -> None:
    server.train("mine", "exit 0")
    server.region = server.region + "-other"
    assert server.call("ListTrainingJobs") == {"TrainingJobSummaries": []}
    with pytest.raises(ApiError, match="not found"):
        server.call("StopTrainingJob", TrainingJobName="mine")
