"""What the operations refuse, answer and list."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.unit.services.sagemaker.conftest import Server
from tests.unit.services.sagemaker.transform.conftest import Transforms

from sagebrush.base.errors import ApiError

JOIN = {"JoinSource": "Input"}


def refusal(call: Any, *arguments: Any, **keywords: Any) -> tuple[str, str]:
    with pytest.raises(ApiError) as caught:
        call(*arguments, **keywords)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ModelName": "none"}, 'Could not find model "arn:aws:sagemaker:'),
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB cannot be greater than 100 MB"),
        ({"MaxPayloadInMB": 0}, "built-in algorithms do not support"),
        ({"MaxPayloadInMB": 26, "MaxConcurrentTransforms": 4}, "cannot exceed 100 MB"),
        ({"S3OutputPath": "s3:///x"}, "does not name a bucket"),
        ({"DataProcessing": {"InputFilter": "$.."}}, 'Invalid InputFilter: "$..". Unexpected "."'),
        ({"DataProcessing": {"OutputFilter": "$[1:2,3]"}}, "only single range filters"),
        ({"DataProcessing": {"InputFilter": "$.id"}}, "A row of text/csv is an array"),
        ({"DataProcessing": JOIN, "Accept": "application/json"}, "Accept to be the same"),
        ({"DataProcessing": JOIN, "ContentType": None, "Accept": None}, "they are not set and"),
        ({"DataProcessing": JOIN, "AssembleWith": None}, "they are Line and None"),
        (
            {"DataProcessing": JOIN, "AssembleWith": None, "SplitType": None},
            "Line for text/csv; they are None and None",
        ),
        (
            {
                "DataCaptureConfig": {
                    "DestinationS3Uri": "s3://captured/x",
                    "GenerateInferenceId": True,
                },
                "Accept": "image/png",
            },
            "inference ids need ContentType and Accept",
        ),
        (
            {"TransformResources": {"InstanceType": "ml.none.large", "InstanceCount": 1}},
            "Instance type ml.none.large is not supported",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    transforms: Transforms, changes: dict[str, Any], problem: str
) -> None:
    transforms.put("in/a", "1")
    code, message = refusal(transforms.create, **changes)
    assert code == "ValidationException"
    assert problem in message


def test_inputs_must_exist_and_be_of_a_kind_that_can_be_split(transforms: Transforms) -> None:
    code, message = refusal(transforms.create)
    assert code == "ValidationException"
    assert message.startswith(f'No S3 objects found under S3 URL "s3://{transforms.bucket}/in/"')
    for kind in ("AugmentedManifestFile", "Converse"):
        source = {"S3DataSource": {"S3DataType": kind, "S3Uri": f"s3://{transforms.bucket}/"}}
        _, message = refusal(transforms.create, DataSource=source)
        assert f"S3DataType {kind} cannot be used" in message


def test_more_instances_than_there_are_need_another_quota(transforms: Transforms) -> None:
    transforms.put("in/a", "1")
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 21}
    code, message = refusal(transforms.create, TransformResources=resources)
    assert code == "ResourceLimitExceeded"
    assert "'ml.m5.large for transform job usage' is 20 Instances" in message


def test_a_name_can_be_used_once(transforms: Transforms) -> None:
    transforms.put("in/a", "1")
    name = transforms.create()
    code, message = refusal(transforms.create, TransformJobName=name)
    assert code == "ResourceInUse"
    assert message.startswith("Transform job names must be unique")


def test_a_description_has_the_request_and_the_defaults(transforms: Transforms) -> None:
    transforms.put("in/a", "1")
    kept = {
        "MaxConcurrentTransforms": 2,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 5},
        "Environment": {"A": "b"},
        "ExperimentConfig": {"ExperimentName": "e"},
        "BatchStrategy": "MultiRecord",
    }
    job = transforms.run(**kept, SplitType=None, AssembleWith=None)
    assert {name: job[name] for name in kept} == kept
    assert job["TransformInput"]["SplitType"] == job["TransformInput"]["CompressionType"] == "None"
    assert job["TransformOutput"]["AssembleWith"] == "None"
    assert job["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert "Tags" not in job


def test_jobs_are_listed_filtered_and_in_pages(transforms: Transforms) -> None:
    transforms.put("in/a", "1")
    transforms.put("in/b", "status400")
    names = [transforms.create(TransformJobName=f"list-{number}") for number in range(3)]
    other = transforms.create(TransformJobName="other", DataSource=only(transforms, "in/a"))
    for name in (*names, other):
        transforms.wait(name)

    def listed(**asked: Any) -> list[str]:
        answer = transforms.server.call("ListTransformJobs", **asked)
        return [job["TransformJobName"] for job in answer["TransformJobSummaries"]]

    assert listed() == ["other", "list-2", "list-1", "list-0"]
    assert listed(SortBy="Name", SortOrder="Ascending") == [*names, "other"]
    assert listed(StatusEquals="Completed") == ["other"]
    assert listed(NameContains="LIST") == ["list-2", "list-1", "list-0"]
    assert listed(CreationTimeAfter=transforms.describe("list-1")["CreationTime"]) == [
        "other",
        "list-2",
    ]
    for sort in ("Name", "CreationTime", "Status"):
        seen: list[str] = []
        asked: dict[str, Any] = {"MaxResults": 3, "SortBy": sort}
        while True:
            answer = transforms.server.call("ListTransformJobs", **asked)
            seen += [job["TransformJobName"] for job in answer["TransformJobSummaries"]]
            if "NextToken" not in answer:
                break
            asked["NextToken"] = answer["NextToken"]
        assert sorted(seen) == sorted([*names, "other"])
    code, _ = refusal(listed, NextToken="none")
    assert code == "ValidationException"
    failed = transforms.server.call("ListTransformJobs", StatusEquals="Failed")
    assert all(job["FailureReason"] for job in failed["TransformJobSummaries"])


def only(transforms: Transforms, key: str) -> dict[str, Any]:
    location = f"s3://{transforms.bucket}/{key}"
    return {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": location}}


def test_jobs_have_tags(transforms: Transforms) -> None:
    transforms.put("in/a", "1")
    name = transforms.create(Tags=[{"Key": "team", "Value": "blue"}])
    arn = transforms.describe(name)["TransformJobArn"]
    transforms.server.call("AddTags", ResourceArn=arn, Tags=[{"Key": "cost", "Value": "1"}])
    tags = transforms.server.call("ListTags", ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}, {"Key": "cost", "Value": "1"}]


def test_what_is_over_or_missing_cannot_be_stopped(transforms: Transforms) -> None:
    transforms.put("in/a", "1")
    name = str(transforms.run()["TransformJobName"])
    stop = transforms.server.call
    _, message = refusal(stop, "StopTransformJob", TransformJobName=name)
    assert message.endswith("because the transform job is in status Completed.")
    for operation in ("StopTransformJob", "DescribeTransformJob"):
        code, message = refusal(stop, operation, TransformJobName="none")
        assert (code, message) == ("ValidationException", "Requested resource not found.")


def test_a_deleted_model_serves_the_jobs_that_have_it(transforms: Transforms) -> None:
    transforms.put("in/a", "1")
    transforms.model("gone", PAUSE="0.1")
    name = transforms.create(ModelName="gone")
    transforms.server.call("DeleteModel", ModelName="gone")
    assert transforms.wait(name)["TransformJobStatus"] == "Completed"


@pytest.fixture
def restarting(own_server: Server) -> Transforms:
    return Transforms(own_server)


def test_a_restart_goes_on_behind_what_was_done(restarting: Transforms) -> None:
    transforms = restarting
    transforms.model("slow", PAUSE="0.1")
    for number in range(6):
        transforms.put(f"in/{number}", str(number))
    name = transforms.create(ModelName="slow")
    transforms.server.until(lambda: len(transforms.asked(name)) >= 3)
    transforms.server.stop()
    transforms.server.start()
    assert transforms.wait(name)["TransformJobStatus"] == "Completed"
    assert len(transforms.outputs()) == 6
    # Only what was under way is asked about again.
    assert 6 <= len(transforms.asked(name)) <= 7


def test_outputs_that_were_being_stored_are_all_stored_after_a_restart(
    restarting: Transforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    transforms = restarting
    for number in range(4):
        transforms.put(f"in/{number}", str(number))
    objects = transforms.server.platform.objects
    ingest, stored = objects.ingest, []

    async def slow(*arguments: Any, **keywords: Any) -> Any:
        stored.append(await ingest(*arguments, **keywords))
        if len(stored) == 2:
            await asyncio.Event().wait()
        return stored[-1]

    monkeypatch.setattr(objects, "ingest", slow)
    name = transforms.create()
    transforms.server.until(lambda: len(stored) == 2)
    transforms.server.call("StopTransformJob", TransformJobName=name)
    transforms.server.run(asyncio.sleep(0.05))
    assert transforms.describe_now(name) == "Stopping", "it is too late to leave no output"
    transforms.server.stop()
    transforms.server.start()
    assert transforms.wait(name)["TransformJobStatus"] == "Completed"
    assert len(transforms.outputs()) == 4
    assert len(transforms.asked(name)) == 4


def test_leftover_folders_go_with_the_next_start(own_server: Server, tmp_path: Path) -> None:
    transforms = Transforms(own_server)
    folder = tmp_path / "transform" / "77" / "output"
    folder.mkdir(parents=True)
    (folder / "0.part").write_text("half")
    transforms.put("in/a", "1")
    transforms.run()
    transforms.until_cleared()
