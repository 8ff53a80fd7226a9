"""Transform jobs from request to output, with a container whose answers are known."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from typing import Any

import pytest

from sagebrush.algorithms.formats.recordio import frame
from sagebrush.services.sagemaker.transform.running import runner_of

Data = dict[str, Any]


def manifest(bucket: str, key: str) -> Data:
    return {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": f"s3://{bucket}/{key}"}}


def prefix(bucket: str, key: str) -> Data:
    return {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{key}"}}


def test_every_file_has_its_output_where_it_lay(transforms: Any) -> None:
    transforms.put("in/a.csv", "1,2\n3,4\n")
    transforms.put("in/deep/er/b.csv", "5\n6")
    transforms.put("in/empty.csv", "")
    job = transforms.run()
    assert job["TransformJobStatus"] == "Completed", job
    assert transforms.outputs() == {
        "a.csv.out": b"1,2!\n3,4!\n",
        "deep/er/b.csv.out": b"5!\n6!\n",
        "empty.csv.out": b"",
    }
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    assert "FailureReason" not in job


def test_one_object_and_the_beginning_of_a_name_are_prefixes(transforms: Any) -> None:
    transforms.put("in/part-1", "a")
    transforms.put("in/part-2", "b")
    transforms.run(DataSource=prefix(transforms.bucket, "in/part-1"))
    assert transforms.outputs() == {"part-1.out": b"a!\n"}
    transforms.run(DataSource=prefix(transforms.bucket, "in/par"))
    assert set(transforms.outputs()) == {"part-1.out", "part-2.out"}


def test_a_manifest_names_the_files(transforms: Any) -> None:
    for key in ("data/a.csv", "data/b/c.csv", "data/unnamed.csv"):
        transforms.put(key, key)
    location = f"s3://{transforms.bucket}/data/"
    transforms.put("list", json.dumps([{"prefix": location}, "b/c.csv", "a.csv"]))
    transforms.run(DataSource=manifest(transforms.bucket, "list"))
    assert transforms.outputs() == {
        "a.csv.out": b"data/a.csv!\n",
        "b/c.csv.out": b"data/b/c.csv!\n",
    }


def test_a_manifest_that_is_none_fails_the_job(transforms: Any) -> None:
    transforms.put("list", "[]")
    job = transforms.run(DataSource=manifest(transforms.bucket, "list"))
    assert job["TransformJobStatus"] == "Failed"
    assert "Unable to parse manifest" in job["FailureReason"]


@pytest.mark.parametrize("assemble", [None, "None", "Line"])
def test_answers_are_put_together_with_or_without_line_ends(
    transforms: Any, assemble: str | None
) -> None:
    transforms.put("in/a", "1\n2\n")
    transforms.run(AssembleWith=assemble, BatchStrategy="SingleRecord")
    end = b"\n" if assemble == "Line" else b""
    assert transforms.outputs() == {"a.out": b"1!" + end + b"2!" + end}


def test_a_file_that_is_not_split_is_one_request(transforms: Any) -> None:
    transforms.put("in/a", "1\n2")
    job = transforms.run(SplitType=None, BatchStrategy="SingleRecord", AssembleWith=None)
    assert transforms.outputs() == {"a.out": b"1!\n2!"}
    assert transforms.asked(job["TransformJobName"]) == [["3", "text/csv", "text/csv", "1"]]


def test_requests_are_as_large_as_they_may_be(transforms: Any) -> None:
    line = "x" * 99_999 + "\n"
    transforms.put("in/a", line * 25)
    job = transforms.run(MaxPayloadInMB=1)
    sizes = [int(each[0]) for each in transforms.asked(job["TransformJobName"])]
    assert sizes == [1_000_000, 1_000_000, 500_000]
    assert transforms.outputs()["a.out"] == ("x" * 99_999 + "!\n").encode() * 25


def test_records_above_the_limit_fail_their_file_only(transforms: Any) -> None:
    transforms.put("in/a", "x\n" * 10 + "x" * (1 << 20) + "x\n")
    transforms.put("in/b", "fine")
    job = transforms.run(MaxPayloadInMB=1)
    assert job["TransformJobStatus"] == "Failed"
    assert re.match(
        "ClientError: See job logs for more information. 1 of 2 input files .* the first is"
        f" {transforms.bucket}/in/a: Too much data for max payload size",
        job["FailureReason"],
    )
    assert transforms.outputs() == {"b.out": b"fine!\n"}
    (_, said) = transforms.lines(job["TransformJobName"])["data"]
    assert said.endswith(
        f"{transforms.bucket}/in/a: ClientError: Too much data for max payload size"
    )


def test_requests_run_at_once_and_outputs_keep_their_order(transforms: Any) -> None:
    transforms.model("slow", PAUSE="0.05")
    transforms.put("in/a", "".join(f"{number}\n" for number in range(24)))
    job = transforms.run(ModelName="slow", MaxConcurrentTransforms=8, BatchStrategy="SingleRecord")
    assert transforms.outputs()["a.out"] == b"".join(b"%d!\n" % number for number in range(24))
    at_once = [int(each[-1]) for each in transforms.asked(job["TransformJobName"])]
    assert 4 < max(at_once) <= 8


def test_files_share_the_requests_of_an_instance(transforms: Any) -> None:
    transforms.model("slow", PAUSE="0.05")
    for number in range(8):
        transforms.put(f"in/{number}", "x")
    job = transforms.run(ModelName="slow", MaxConcurrentTransforms=4)
    at_once = [int(each[-1]) for each in transforms.asked(job["TransformJobName"])]
    assert max(at_once) == 4
    assert len(transforms.outputs()) == 8


def test_instances_share_the_files(transforms: Any) -> None:
    for number in range(5):
        transforms.put(f"in/{number}", str(number))
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    job = transforms.run(TransformResources=resources)
    assert len(transforms.outputs()) == 5
    said = transforms.lines(job["TransformJobName"])["container"]
    begun = [place for place, line in enumerate(said) if line.startswith("model:")]
    assert len(begun) == 2
    asked = [line.startswith("asked") for line in said]
    assert sorted((sum(asked[: begun[1]]), sum(asked[begun[1] :]))) == [2, 3]


def test_an_instance_without_files_does_not_start(transforms: Any) -> None:
    transforms.put("in/a", "1")
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 3}
    job = transforms.run(TransformResources=resources)
    said = transforms.lines(job["TransformJobName"])["container"]
    assert len([line for line in said if line.startswith("model:")]) == 1


def test_the_container_knows_of_the_job_and_has_its_variables(transforms: Any) -> None:
    transforms.put("in/a", "1")
    transforms.model("talking", SAGEMAKER_OWN="model", SAGEMAKER_OTHER="model")
    job = transforms.run(
        ModelName="talking",
        MaxPayloadInMB=3,
        MaxConcurrentTransforms=2,
        BatchStrategy="MultiRecord",
        Environment={"SAGEMAKER_OWN": "job"},
    )
    first, second, *_ = transforms.lines(job["TransformJobName"])["container"]
    assert json.loads(first.replace("'", '"')) == {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "2",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "3",
        "SAGEMAKER_OTHER": "model",
        "SAGEMAKER_OWN": "job",
    }
    assert second == "model: ['weights']"


def test_the_container_advises_what_the_request_leaves_out(transforms: Any) -> None:
    advice = {"MaxConcurrentTransforms": 3, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2}
    transforms.model("advising", ADVICE=json.dumps(advice))
    transforms.put("in/a", "1\n2")
    told = "MaxConcurrentTransforms={}, MaxPayloadInMB={}, BatchStrategy={}"
    for changes, expected in (
        ({}, ("3", "2", "SINGLE_RECORD")),
        ({"MaxConcurrentTransforms": 0, "MaxPayloadInMB": 4}, ("3", "4", "SINGLE_RECORD")),
        ({"BatchStrategy": "MultiRecord"}, ("3", "2", "MULTI_RECORD")),
        ({"ModelName": "model"}, ("1", "6", "MULTI_RECORD")),
    ):
        job = transforms.run(**{"ModelName": "advising"} | changes)
        (said,) = transforms.lines(job["TransformJobName"])["data"]
        assert said.endswith(told.format(*expected))
        if not changes:
            assert "SAGEMAKER_MAX_PAYLOAD_IN_MB" not in str(transforms.lines(said))
            assert len(transforms.asked(job["TransformJobName"])) == 2


def test_gzip_is_taken_off_and_broken_gzip_fails_its_file(transforms: Any) -> None:
    packed = gzip.compress(b"1\n2\n" * 1000)
    transforms.put("in/a.gz", packed)
    transforms.put("in/b.gz", packed[:-20])
    transforms.put("in/c.gz", b"1,2")
    job = transforms.run(CompressionType="Gzip")
    assert transforms.outputs() == {"a.gz.out": b"1!\n2!\n" * 1000}
    assert "2 of 3 input files" in job["FailureReason"]
    assert "cannot be decompressed" in job["FailureReason"]


def test_binary_records_are_split(transforms: Any) -> None:
    transforms.put("in/a", frame(b"one") + frame(b"two"))
    transforms.run(SplitType="RecordIO", BatchStrategy="SingleRecord", AssembleWith=None)
    assert transforms.outputs() == {"a.out": b"one!two!"}


def test_filters_and_joins(transforms: Any) -> None:
    transforms.put("in/a", "id1,1,2\nid2,3,4\n")
    asked = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    for strategy in ("MultiRecord", "SingleRecord"):
        transforms.run(DataProcessing=asked, BatchStrategy=strategy)
        assert transforms.outputs() == {"a.out": b"id1,2!\nid2,4!\n"}


def test_a_json_file_as_a_whole_is_joined(transforms: Any) -> None:
    transforms.put("in/a", '{"features": "1", "id": 5}')
    asked = {"InputFilter": "$.id", "JoinSource": "Input"}
    job = transforms.run(
        DataProcessing=asked,
        SplitType=None,
        AssembleWith=None,
        ContentType="application/json",
        Accept="application/json",
    )
    # The container's answer, 5!, is no JSON.
    assert "no valid JSON" in job["FailureReason"]
    assert job["FailureReason"].startswith("AlgorithmError: ")


def test_a_refused_file_leaves_no_output_and_others_go_on(transforms: Any) -> None:
    transforms.put("in/a", "1\nstatus400\n2")
    transforms.put("in/b", "1\n")
    job = transforms.run()
    assert job["TransformJobStatus"] == "Failed"
    name = f"{transforms.bucket}/in/a"
    assert job["FailureReason"].startswith("ClientError: See job logs for more information")
    assert f"{name}: 400 no good" in job["FailureReason"]
    assert transforms.outputs() == {"b.out": b"1!\n"}
    said = [line.partition("[sagemaker logs]: ")[2] for line in job_log(transforms, job)]
    assert said[1:] == [
        f"{name}: ClientError: 400",
        f"{name}: ",
        f"{name}: Message:",
        f"{name}: no good",
        f"{name}: at all",
    ]
    assert len(transforms.asked(job["TransformJobName"])) == 2, "what is refused is not asked again"


def job_log(transforms: Any, job: Data) -> list[str]:
    found: list[str] = transforms.lines(job["TransformJobName"])["data"]
    return found


def test_failures_are_tried_again_as_often_as_told(transforms: Any) -> None:
    transforms.put("in/a", "once")
    assert transforms.run()["TransformJobStatus"] == "Completed"
    assert transforms.outputs() == {"a.out": b"once!\n"}
    transforms.put("in/a", "status500")
    for retries in (0, 2):
        job = transforms.run(ModelClientConfig={"InvocationsMaxRetries": retries})
        assert job["FailureReason"].startswith("AlgorithmError: ")
        assert "Bad HTTP status received from algorithm: 500" in job["FailureReason"]
        assert len(transforms.asked(job["TransformJobName"])) == 1 + retries


def test_an_answer_may_take_as_long_as_told(transforms: Any) -> None:
    transforms.put("in/a", "hang")
    transforms.put("in/b", "1")
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    job = transforms.run(ModelClientConfig=client, MaxConcurrentTransforms=2)
    assert "Unable to get response from algorithm" in job["FailureReason"]
    assert transforms.outputs() == {"b.out": b"1!\n"}


def test_a_container_that_dies_comes_back(transforms: Any) -> None:
    transforms.put("in/a", "".join(f"{number}\n" for number in range(50)) + "die\n")
    transforms.put("in/b", "1\n" * 50)
    job = transforms.run(
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=4,
        ModelClientConfig={"InvocationsMaxRetries": 1},
    )
    assert transforms.outputs() == {"b.out": b"1!\n" * 50}
    assert "in/a: Unable to get response from algorithm" in job["FailureReason"]


def test_a_stopped_job_leaves_no_output(transforms: Any) -> None:
    transforms.model("slow", PAUSE="0.2")
    transforms.put("in/a", "1")
    transforms.put("in/b", "1\n" * 1000)
    name = transforms.create(ModelName="slow", BatchStrategy="SingleRecord")
    transforms.server.until(lambda: len(transforms.asked(name)) > 2)
    transforms.server.call("StopTransformJob", TransformJobName=name)
    assert transforms.describe(name)["TransformJobStatus"] in ("Stopping", "Stopped")
    job = transforms.wait(name)
    assert job["TransformJobStatus"] == "Stopped"
    assert transforms.outputs() == {}
    transforms.until_cleared()


def test_nothing_of_a_job_stays_but_its_row(transforms: Any) -> None:
    transforms.put("in/a", "1")
    transforms.run()
    transforms.until_cleared()
    assert transforms.server.platform.db.all("SELECT * FROM sagemaker_transform_files") == []


def test_captured_manifests_name_what_was_transformed(transforms: Any) -> None:
    transforms.put("in/a", "1")
    transforms.put("in/d/b", "2")
    transforms.put("in/bad", "status400")
    destination = f"s3://{transforms.bucket}/captured"
    transforms.run(DataCaptureConfig={"DestinationS3Uri": destination, "GenerateInferenceId": True})
    found = {
        re.sub(r"/\d{4}/\d\d/\d\d/\d\d/.*", "", key): json.loads(body)
        for key, body in transforms.outputs("captured/").items()
    }
    assert found == {
        "input": [{"prefix": f"s3://{transforms.bucket}/in/"}, "a", "d/b"],
        "output": [{"prefix": f"s3://{transforms.bucket}/out/"}, "a.out", "d/b.out"],
    }
    assert re.fullmatch(
        rb"1!,[0-9a-f-]{36},\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", transforms.outputs()["a.out"]
    )


def test_an_output_bucket_that_is_missing_fails_the_job(transforms: Any) -> None:
    transforms.put("in/a", "1")
    job = transforms.run(S3OutputPath="s3://no-such-bucket-here/out")
    assert job["FailureReason"].startswith("ClientError: The output cannot be stored: NoSuchBucket")


def test_a_model_that_cannot_be_unpacked_fails_the_job(transforms: Any) -> None:
    transforms.put("in/a", "1")
    transforms.put("model.tar.gz", b"nothing of the kind")
    job = transforms.run()
    assert job["FailureReason"].startswith("ClientError: Failed to extract model data archive")


def test_jobs_wait_for_their_turn(transforms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def runner() -> Any:
        return runner_of(transforms.server.platform)

    monkeypatch.setattr(transforms.server.run(runner()).runs, "capacity", 1)
    transforms.model("slow", PAUSE="0.1")
    transforms.put("in/a", "1")
    names = [transforms.create(ModelName="slow") for _ in range(3)]
    jobs = [transforms.wait(name) for name in names]
    for earlier, later in itertools.pairwise(jobs):
        assert later["TransformStartTime"] >= earlier["TransformEndTime"]
