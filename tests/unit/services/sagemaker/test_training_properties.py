"""Any request that satisfies the model is answered or refused, and never a defect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.base.settings import Settings
from sagebrush.services.sagemaker import records, search, tags, training_jobs
from sagebrush.services.sagemaker.descriptions import describe
from sagebrush.services.sagemaker.instances import instance_of
from sagebrush.services.sagemaker.jobs.hosts import machine_memory_bytes, memory_limit_bytes

from .conftest import ACCOUNT, KMEANS, ROLE, Server

_MODEL = botocore.session.get_session().get_service_model("sagemaker")
_ONE = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
_GROUPS = {"InstanceGroups": [_ONE | {"InstanceGroupName": "g"}]}
# What a shape is drawn from: mostly values that pass, so that the later checks are reached.
_POOLS: dict[str, list[Any]] = {
    "AlgorithmImage": [KMEANS] * 5 + ["x/y:1", ""],
    "ResourceConfig": [_ONE, _GROUPS, {}, _ONE | _GROUPS, _ONE | {"InstanceCount": 0}],
    "StoppingCondition": [
        {},
        {"MaxRuntimeInSeconds": 1},
        {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2},
        {"MaxWaitTimeInSeconds": 1},
        {"MaxRuntimeInSeconds": 2**31 - 1},
    ],
    "S3Uri": ["s3://fuzzed/a"] * 8 + ["s3://none/a", "https://x/y", "https:///"],
    "RoleArn": [ROLE],
    "TrainingJobName": ["fuzzed"],
    "ResourceArn": [f"arn:aws:sagemaker:us-fuzz-1:{ACCOUNT}:training-job/fuzzed", "arn:aws:x"],
    "NextToken": ["", "W10=", "W3t9LCAxXQ==", "e30=", "WzEsMl0=", "WyJhIiwiYiJd", "#"],
    "MetricRegex": ["(a)"] * 5 + ["(", "a"],
    "ResourcePropertyName": ["TrainingJobName", "Tags.a", "InputDataConfig.ChannelName", "..", "A"],
    "FilterValue": ["1", "a", "2020-01-01T00:00:00", "a,b"],
    "ResourceType": ["TrainingJob", "TrainingJob", "Experiment"],
    "DirectoryPath": ["/opt/ml/checkpoints", "/opt/ml/model", "x", "", "/../.."],
}
# Left out, so that what comes after the check for them is reached.
_ALWAYS_REFUSED = {
    "AlgorithmName",
    "ContainerArguments",
    "ContainerEntrypoint",
    "DatasetSource",
    "DebugRuleConfigurations",
    "FileSystemDataSource",
    "HubAccessConfig",
    "InstancePlacementConfig",
    "InstancePreferences",
    "MlflowConfig",
    "ModelAccessConfig",
    "ModelPackageConfig",
    "ProfilerRuleConfigurations",
    "ServerlessJobConfig",
    "TrainingPlanArn",
}


def _values(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    if shape.name in _POOLS:
        return st.sampled_from(_POOLS[shape.name])
    if shape.type_name == "structure":
        required = {n: _values(shape.members[n], depth + 1) for n in shape.required_members}
        optional = {
            name: _values(member, depth + 1)
            for name, member in shape.members.items()
            if name not in required and depth < 5 and name not in _ALWAYS_REFUSED
        }
        return st.fixed_dictionaries(required, optional=optional)
    if shape.type_name == "list":
        least = shape.metadata.get("min", 0)
        return st.lists(_values(shape.member, depth + 1), min_size=least, max_size=least + 2)
    if shape.type_name == "map":
        keys = st.sampled_from(["k", "sagemaker_program", "SAGEBRUSH_SPOT_INTERRUPTION_SECONDS"])
        return st.dictionaries(keys, st.sampled_from(["1", "", "x"]), max_size=2)
    if shape.type_name in ("integer", "long"):
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 2**31 - 1)
        return st.one_of(st.integers(least, min(least + 3, most)), st.just(most))
    if shape.type_name == "timestamp":
        return st.floats(0, 4e9)
    if shape.type_name == "boolean":
        return st.booleans()
    if shape.enum:
        return st.sampled_from(shape.enum)
    assert shape.type_name == "string", shape
    least = max(1, shape.metadata.get("min", 1))
    return st.sampled_from(["a" * least, "b-1" + "c" * least])


_BASE: dict[str, Any] = {
    "TrainingJobName": "fuzzed",
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": KMEANS, "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://fuzzed/out"},
    "ResourceConfig": _ONE,
}


def _requests(shape: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Requests that are small changes of one that passes, where the operation has many members."""
    if len(shape.members) < 15:
        return _values(shape)
    names = sorted(set(shape.members) - _ALWAYS_REFUSED)
    changes = st.sets(st.sampled_from(names), max_size=3).flatmap(
        lambda chosen: st.fixed_dictionaries({n: _values(shape.members[n], 1) for n in chosen})
    )
    return changes.map(lambda changed: _BASE | changed)


class _Undone(Exception):
    pass


def _answer(server: Server, operation: str, handler: Any, request: dict[str, Any]) -> bool:
    """Return whether a request is accepted; what it did is undone."""
    server.region = "us-fuzz-1"
    db = server.platform.db

    async def call() -> bool:
        try:
            with db.transaction():
                if operation != "CreateTrainingJob":
                    records.insert_job(db, ACCOUNT, server.region, "fuzzed", _BASE, 1.0)
                handler(server.context(operation), request)
                for job in records.jobs_of(db, ACCOUNT, server.region):
                    describe(job)
                raise _Undone
        except _Undone:
            return True
        except ApiError:
            return False

    return server.run(call())


@pytest.fixture(autouse=True, scope="module")
def _bucket(one_server: Server) -> None:
    one_server.platform.objects.buckets.create(ACCOUNT, "us-fuzz-1", "fuzzed", 0.0)
    one_server.put("fuzzed", "a", b"1")


@pytest.mark.parametrize(
    ("operation", "handler"),
    [
        ("CreateTrainingJob", training_jobs.create_training_job),
        ("ListTrainingJobs", training_jobs.list_training_jobs),
        ("UpdateTrainingJob", training_jobs.update_training_job),
        ("StopTrainingJob", training_jobs.stop_training_job),
        ("DeleteTrainingJob", training_jobs.delete_training_job),
        ("Search", search.search),
        ("AddTags", tags.add_tags),
        ("ListTags", tags.list_tags),
        ("DeleteTags", tags.delete_tags),
    ],
)
def test_every_valid_request_has_an_answer(
    one_server: Server, operation: str, handler: Any
) -> None:
    shape = _MODEL.operation_model(operation).input_shape
    accepted: list[bool] = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_requests(shape))
    def check(request: dict[str, Any]) -> None:
        accepted.append(_answer(one_server, operation, handler, request))

    check()
    # A job that has not ended cannot be deleted.
    assert any(accepted) is (operation != "DeleteTrainingJob")


def test_every_instance_type_has_a_size() -> None:
    shape = _MODEL.shape_for("TrainingInstanceType")
    unknown = [name for name in shape.enum if instance_of(name) is None]
    assert unknown == []


@pytest.mark.parametrize(
    ("name", "cpus", "gib"),
    [
        ("ml.m5.large", 2, 8),
        ("ml.m5.24xlarge", 96, 384),
        ("ml.c5.xlarge", 4, 8),
        ("ml.c5.18xlarge", 72, 144),
        ("ml.r5.2xlarge", 8, 64),
        ("ml.p3.2xlarge", 8, 61),
        ("ml.t3.medium", 2, 4),
        ("ml.g4dn.xlarge", 4, 16),
    ],
)
def test_instance_sizes(name: str, cpus: int, gib: int) -> None:
    """The sizes of https://aws.amazon.com/sagemaker/pricing/."""
    size = instance_of(name)
    assert size is not None
    assert (size.cpu_count, size.memory_bytes) == (cpus, gib << 30)


def test_a_server_may_give_its_jobs_less_memory_than_their_instances_have(tmp_path: Path) -> None:
    size = instance_of("ml.m5.large")
    assert size is not None
    limits = [
        memory_limit_bytes(size, Settings(tmp_path, job_memory_bytes=ceiling))
        for ceiling in (None, 1 << 20, 1 << 60)
    ]
    whole = min(size.memory_bytes, machine_memory_bytes())
    assert limits == [whole, 1 << 20, whole]
