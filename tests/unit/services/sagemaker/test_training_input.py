"""What a job sees of its input: channels, modes, hosts, configuration."""

from __future__ import annotations

import gzip
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.run.sandbox import PROCESS
from sagebrush.services.sagemaker.jobs.channels import path_below

from .conftest import Server

_SHOW = 'cd $1/input/data; find . -type f | sort | while read f; do echo "$f=$(cat $f)"; done'
_TWO_HOSTS = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}


def _channel(uri: str, name: str = "train", **more: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri} | more.pop("source", {})
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


def _see(server: Server, *channels: dict[str, Any], program: str = _SHOW, **more: Any) -> Any:
    job = server.train("sees", program, InputDataConfig=list(channels), **more)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    return server.log("sees")


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [
        ("data/", "data/a.csv", "a.csv"),
        ("data/", "data/x/a.csv", "x/a.csv"),
        ("data", "data/a.csv", "a.csv"),
        ("data/a.csv", "data/a.csv", "a.csv"),
        ("data/tr", "data/train.csv", "train.csv"),
        ("data/tr", "data/train/a.csv", "train/a.csv"),
        ("", "a/b", "a/b"),
    ],
)
def test_path_below(prefix: str, key: str, path: str) -> None:
    assert path_below(prefix, key) == path


@given(st.text("ab/", max_size=6), st.text("ab/", min_size=1, max_size=6))
def test_path_below_is_the_end_of_the_key(prefix: str, rest: str) -> None:
    key = prefix + rest
    assert key.endswith(path_below(prefix, key))


def test_file_mode_gives_the_tree(server: Server) -> None:
    data = server.bucket(train__a="1", train__x__b="2", train__x__="", other="3")
    lines = _see(server, _channel(f"s3://{data}/train/"), _channel(f"s3://{data}/other", "val"))
    assert lines == {"algo-1": ["./train/a=1", "./train/x/b=2", "./val/other=3"]}


def test_input_is_not_the_object(server: Server) -> None:
    isolation = server.run(server.platform.supervisor.facilities()).isolation
    if isolation == PROCESS and os.geteuid() == 0:
        pytest.skip("root without a sandbox may write where it likes")
    data = server.bucket(train__a="precious" * 10_000)
    program = "echo x > $1/input/data/train/a && cat $1/input/data/train/a || true"
    _see(server, _channel(f"s3://{data}/train/"), program=program)
    assert server.read(data, "train/a") == b"precious" * 10_000


def test_https_location(server: Server) -> None:
    data = server.bucket(t__a="1")
    lines = _see(server, _channel(f"https://{data}.s3.us-east-1.amazonaws.com/t/"))
    assert lines == {"algo-1": ["./train/a=1"]}


def test_manifest_file(server: Server) -> None:
    data = server.bucket(d__a="1", d__x__b="2", d__c="3")
    manifest = [{"prefix": f"s3://{data}/d/"}, "x/b", "a"]
    server.put(data, "m.json", json.dumps(manifest))
    kind = {"S3DataType": "ManifestFile"}
    lines = _see(server, _channel(f"s3://{data}/m.json", source=kind))
    assert lines == {"algo-1": ["./train/a=1", "./train/x/b=2"]}


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("{", "Unable to parse manifest"),
        ('[{"prefix": "s3://no-such-bucket/"}, "a"]', "NoSuchKey"),
        ('["a", "b"]', "Unable to parse manifest"),
        ('[{"prefix": "s3://BUCKET/"}, "../m.json"]', "NoSuchKey"),
    ],
)
def test_wrong_manifest_fails_the_job(server: Server, manifest: str, problem: str) -> None:
    data = server.bucket()
    server.put(data, "m.json", manifest.replace("BUCKET", data))
    channel = _channel(f"s3://{data}/m.json", source={"S3DataType": "ManifestFile"})
    job = server.train("wrong", "exit 0", InputDataConfig=[channel])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")
    assert problem in job["FailureReason"]


@pytest.mark.parametrize("key", ["d//a", "d/../a", "d/x/./a"])
def test_key_that_is_no_path_fails_the_job(server: Server, key: str) -> None:
    data = server.bucket()
    server.put(data, key, "1")
    job = server.train("odd", "exit 0", InputDataConfig=[_channel(f"s3://{data}/d/")])
    assert job["FailureReason"].startswith("ClientError: Data download failed:S3 key: ")


def test_key_below_another_key_fails_the_job(server: Server) -> None:
    data = server.bucket(d__a="1", d__a__b="2")
    job = server.train("clash", "exit 0", InputDataConfig=[_channel(f"s3://{data}/d/")])
    assert "cannot be stored" in job["FailureReason"]


def test_sharded_by_key_splits_objects_over_hosts(server: Server) -> None:
    data = server.bucket(d__a="1", d__b="2", d__c="3")
    sharded = _channel(f"s3://{data}/d/", source={"S3DataDistributionType": "ShardedByS3Key"})
    whole = _channel(f"s3://{data}/d/a", "whole")
    lines = _see(server, sharded, whole, ResourceConfig=_TWO_HOSTS)
    assert lines == {
        "algo-1": ["./train/a=1", "./train/c=3", "./whole/a=1"],
        "algo-2": ["./train/b=2", "./whole/a=1"],
    }


def test_instance_groups_get_their_channels(server: Server) -> None:
    data = server.bucket(d__a="1")
    groups = [
        {"InstanceGroupName": "big", "InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "small", "InstanceType": "ml.m5.large", "InstanceCount": 1},
    ]
    lines = _see(
        server,
        _channel(f"s3://{data}/d/", source={"InstanceGroupNames": ["small"]}),
        program=f"cat $1/input/config/resourceconfig.json; echo; {_SHOW}",
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1},
    )
    first, second = (json.loads(lines[host][0]) for host in ("algo-1", "algo-2"))
    assert first["current_group_name"] == "big"
    assert second["current_instance_type"] == "ml.m5.large"
    assert first["hosts"] == ["algo-1", "algo-2"]
    assert [group["hosts"] for group in second["instance_groups"]] == [["algo-1"], ["algo-2"]]
    assert lines["algo-1"][1:] == []
    assert lines["algo-2"][1:] == ["./train/a=1"]


def test_config_files(server: Server) -> None:
    data = server.bucket(d__a="1")
    lines = _see(
        server,
        _channel(f"s3://{data}/d/", ContentType="text/csv"),
        program="cd $1/input/config; cat hyperparameters.json; echo; cat inputdataconfig.json",
        HyperParameters={"k": "3"},
    )
    parameters, channels = (json.loads(line) for line in lines["algo-1"])
    assert parameters == {"k": "3"}
    assert channels == {
        "train": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "text/csv",
        }
    }


def test_pipe_mode_concatenates_in_each_epoch(server: Server) -> None:
    data = server.bucket(d__a="1\n", d__b="2\n")
    lines = _see(
        server,
        _channel(f"s3://{data}/d/", InputMode="Pipe"),
        program="cd $1/input/data; cat train_0; echo -; cat train_1; test ! -e train",
    )
    assert lines == {"algo-1": ["1", "2", "-", "1", "2"]}


def test_pipe_mode_inflates(server: Server) -> None:
    data = server.bucket(d__a=gzip.compress(b"1\n"), d__b=gzip.compress(b"2\n"))
    lines = _see(
        server,
        _channel(f"s3://{data}/d/", InputMode="Pipe", CompressionType="Gzip"),
        program="cat $1/input/data/train_0",
    )
    assert lines == {"algo-1": ["1", "2"]}


def test_file_mode_does_not_inflate(server: Server) -> None:
    data = server.bucket(d__a=gzip.compress(b"1\n"))
    lines = _see(
        server,
        _channel(f"s3://{data}/d/", CompressionType="Gzip"),
        program="gzip -dc < $1/input/data/train/a",
    )
    assert lines == {"algo-1": ["1"]}


def test_pipe_mode_wraps_each_object_as_a_record(server: Server) -> None:
    data = server.bucket(d__a="one", d__b="three")
    lines = _see(
        server,
        _channel(f"s3://{data}/d/", InputMode="Pipe", RecordWrapperType="RecordIO"),
        program="od -An -v -tx1 -w4 $1/input/data/train_0",
    )
    # Magic number, length, bytes, zeros up to a multiple of four.
    magic = "0a 23 d7 ce"
    assert [line.strip() for line in lines["algo-1"]] == [
        *(magic, "03 00 00 00", "6f 6e 65 00"),
        *(magic, "05 00 00 00", "74 68 72 65", "65 00 00 00"),
    ]


def test_pipe_mode_shuffles_anew_in_each_epoch(server: Server) -> None:
    data = server.bucket(**{f"d__{number:02}": f"{number:02} " for number in range(40)})
    lines = _see(
        server,
        _channel(f"s3://{data}/d/", InputMode="Pipe", ShuffleConfig={"Seed": 5}),
        program="cat $1/input/data/train_0; echo; cat $1/input/data/train_1",
    )
    first, second = (line.split() for line in lines["algo-1"])
    ordered = [f"{number:02}" for number in range(40)]
    assert sorted(first) == sorted(second) == ordered
    assert first != ordered
    assert first != second


def test_broken_gzip_fails_the_job(server: Server) -> None:
    data = server.bucket(d__a=b"no gzip at all")
    channel = _channel(f"s3://{data}/d/", InputMode="Pipe", CompressionType="Gzip")
    job = server.train("broken", "cat $1/input/data/train_0; sleep 30", InputDataConfig=[channel])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")


def test_augmented_manifest(server: Server) -> None:
    data = server.bucket(i__one="ONE", i__two="TWO")
    rows = [
        {"image-ref": f"s3://{data}/i/{name}", "label": number, "extra": 1}
        for number, name in enumerate(("one", "two"))
    ]
    server.put(data, "m.jsonl", "\n".join(json.dumps(row) for row in rows))
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["label", "image-ref"]}
    lines = _see(
        server,
        _channel(f"s3://{data}/m.jsonl", InputMode="Pipe", source=source),
        program="cat $1/input/data/train_0",
    )
    assert lines == {"algo-1": ["0ONE1TWO"]}


def test_augmented_manifest_without_attribute_fails_the_job(server: Server) -> None:
    data = server.bucket()
    server.put(data, "m.jsonl", '{"a": "1"}\n')
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["b"]}
    channel = _channel(f"s3://{data}/m.jsonl", InputMode="Pipe", source=source)
    job = server.train("wrong", "exit 0", InputDataConfig=[channel])
    assert "line 1: the attribute 'b' is missing" in job["FailureReason"]


def test_data_deleted_while_training_stays(server: Server) -> None:
    data = server.bucket(d__a="x" * 100_000)
    server.create(
        "keeps",
        "while [ ! -e $1/go ]; do sleep 0.01; done; wc -c < $1/input/data/train/a",
        InputDataConfig=[_channel(f"s3://{data}/d/")],
    )
    server.wait("keeps", "Training")
    objects = server.platform.objects
    bucket = objects.bucket(data)
    assert bucket is not None
    objects.versions.remove(objects.get(data, "d/a"), bucket)
    objects.remove_released()
    (server.root("keeps") / "go").touch()
    server.wait("keeps")
    assert server.log("keeps") == {"algo-1": ["100000"]}


def test_environment_of_a_job(server: Server) -> None:
    lines = _see(
        server,
        program="echo $TRAINING_JOB_NAME $AWS_REGION $MINE $SM_NUM_CPUS ${AWS_ENDPOINT_URL:-none} "
        "$SAGEBRUSH_IMAGE_TAG",
        Environment={"MINE": "yes"},
        EnableNetworkIsolation=True,
    )
    name, region, mine, cpus, endpoint, tag = lines["algo-1"][0].split()
    assert (name, region, mine, endpoint) == ("sees", server.region, "yes", "none")
    assert tag == "1"
    assert int(cpus) >= 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"source": {"S3Uri": "s3://no-such-bucket/x"}}, "No S3 objects found under S3 URL"),
        ({"source": {"S3Uri": "s3://BUCKET/none"}}, "No S3 objects found under S3 URL"),
        ({"source": {"S3DataType": "AugmentedManifestFile"}}, "input mode Pipe"),
        (
            {"source": {"S3DataType": "AugmentedManifestFile"}, "InputMode": "Pipe"},
            "AttributeNames is required",
        ),
        ({"source": {"S3DataType": "ManifestFile"}, "InputMode": "FastFile"}, "FastFile"),
        ({"source": {"InstanceGroupNames": ["nope"]}}, "no instance group"),
        ({"source": {"S3DataType": "Converse"}}, "Converse"),
    ],
)
def test_channel_refused_at_create(server: Server, changes: dict[str, Any], problem: str) -> None:
    data = server.bucket(d__a="1")
    channel = _channel(f"s3://{data}/d/", **changes)
    source = channel["DataSource"]["S3DataSource"]
    source["S3Uri"] = source["S3Uri"].replace("BUCKET", data)
    with pytest.raises(ApiError, match=problem) as error:
        server.call("CreateTrainingJob", **server.request("no", InputDataConfig=[channel]))
    assert error.value.code == "ValidationException"
    assert server.call("ListTrainingJobs") == {"TrainingJobSummaries": []}
