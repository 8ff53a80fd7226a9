"""Inference experiments: shadow tests through unmodified boto3, on a clock that steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.e2e.endpoints.conftest import IMAGES, Hosting
from tests.e2e.hosting.steering import clock, crash

from sagebrush.launch import PrivateServer

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
REAL_TIME = {"InstanceType": "ml.m5.large", "InstanceCount": 1}


def advance(hosting: Any, seconds: float) -> None:
    clock(hosting.server, advance_s=seconds)


def now(hosting: Any) -> datetime:
    """Return what the server's clock says."""
    return datetime.fromisoformat(clock(hosting.server)["now"]).astimezone(UTC)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Hosting]:
    """A server that a test may kill."""
    with PrivateServer(tmp_path / "server") as running:
        yield Hosting(running, tmp_path)


def prepare(hosting: Any, name: str) -> None:
    hosting.model(f"{name}-one", hosting.kmeans((1.0, 0.0)))
    hosting.model(f"{name}-two", hosting.kmeans((2.0, 0.0)))
    hosting.endpoint(name, {"VariantName": "first", "ModelName": f"{name}-one"})


def create(
    hosting: Any,
    name: str,
    percentage: int = 100,
    experiment: str = "",
    shadow: str = "",
    **fields: Any,
) -> None:
    """Create an experiment of an endpoint, named like it unless told otherwise."""
    variants = [
        {
            "ModelName": model,
            "VariantName": variant,
            "InfrastructureConfig": {
                "InfrastructureType": "RealTimeInference",
                "RealTimeInferenceConfig": REAL_TIME,
            },
        }
        for variant, model in (("first", f"{name}-one"), ("second", shadow or f"{name}-two"))
    ]
    request = {
        "Name": experiment or name,
        "Type": "ShadowMode",
        "RoleArn": ROLE,
        "EndpointName": name,
        "ModelVariants": variants,
        "ShadowModeConfig": shadow_mode(percentage),
    }
    hosting.sagemaker.create_inference_experiment(**request | fields)


def shadow_mode(percentage: int) -> dict[str, Any]:
    return {
        "SourceModelVariantName": "first",
        "ShadowModelVariants": [
            {"ShadowModelVariantName": "second", "SamplingPercentage": percentage}
        ],
    }


def reached(hosting: Any, name: str, *statuses: str) -> Any:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = hosting.sagemaker.describe_inference_experiment(Name=name)
        if told["Status"] in statuses:
            return told
        assert told["Status"] not in ("Completed", "Cancelled"), told
        time.sleep(0.05)
    raise AssertionError(told)


def shadows(hosting: Any, name: str) -> list[str]:
    told = hosting.settled(name)
    return [one["VariantName"] for one in told.get("ShadowProductionVariants", [])]


def test_an_experiment_runs_for_a_week_and_leaves_the_endpoint_as_it_was(hosting: Any) -> None:
    prepare(hosting, "week")
    create(hosting, "week")
    told = reached(hosting, "week", "Running")
    assert told["Schedule"]["EndTime"] - told["Schedule"]["StartTime"] == timedelta(days=7)
    assert told["EndpointMetadata"]["EndpointStatus"] == "InService"
    assert [one["Status"] for one in told["ModelVariants"]] == ["InService", "InService"]
    assert shadows(hosting, "week") == ["second"]
    assert hosting.distance("week") == (1.0, "first")
    advance(hosting, 6 * 86_400)
    assert reached(hosting, "week", "Running")
    advance(hosting, 86_400 + 1)
    told = reached(hosting, "week", "Completed")
    assert told["CompletionTime"] >= told["Schedule"]["EndTime"]
    assert shadows(hosting, "week") == []
    assert told["EndpointMetadata"]["EndpointConfigName"] == "week"
    assert hosting.distance("week") == (1.0, "first")
    hosting.sagemaker.delete_inference_experiment(Name="week")
    with pytest.raises(ClientError) as caught:
        hosting.sagemaker.describe_inference_experiment(Name="week")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_scheduled_experiment_starts_early_changes_and_is_promoted(hosting: Any) -> None:
    prepare(hosting, "later")
    start = now(hosting) + timedelta(hours=5)
    schedule = {"StartTime": start, "EndTime": start + timedelta(hours=2)}
    create(hosting, "later", 10, Schedule=schedule)
    reached(hosting, "later", "Created")
    assert shadows(hosting, "later") == []
    hosting.sagemaker.start_inference_experiment(Name="later")
    reached(hosting, "later", "Running")
    hosting.sagemaker.update_inference_experiment(
        Name="later", Description="more", ShadowModeConfig=shadow_mode(50)
    )
    told = reached(hosting, "later", "Running")
    (shadow,) = hosting.settled("later")["ShadowProductionVariants"]
    assert (shadow["CurrentWeight"], told["Description"]) == (0.5, "more")
    variants = told["ModelVariants"]
    kept = [{name: one[name] for name in one if name != "Status"} for one in variants]
    others: list[dict[str, Any]] = [
        {"ModelVariants": [kept[0], kept[1] | {"ModelName": "later-one"}]},
        {"DataStorageConfig": {"Destination": f"s3://{hosting.bucket}/captured"}},
        {"ShadowModeConfig": shadow_mode(50) | {"SourceModelVariantName": "second"}},
    ]
    for other in others:
        with pytest.raises(ClientError, match="of a running inference experiment"):
            hosting.sagemaker.update_inference_experiment(Name="later", **other)
    hosting.sagemaker.update_inference_experiment(Name="later", ModelVariants=kept)
    assert reached(hosting, "later", "Running")["ModelVariants"] == variants
    with pytest.raises(ClientError) as caught:
        hosting.sagemaker.delete_inference_experiment(Name="later")
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    hosting.sagemaker.stop_inference_experiment(
        Name="later",
        ModelVariantActions={"first": "Remove", "second": "Promote"},
        DesiredState="Completed",
        Reason="better",
    )
    told = reached(hosting, "later", "Completed")
    assert told["StatusReason"] == "better"
    assert hosting.distance("later") == (2.0, "second")
    listed = hosting.sagemaker.list_inference_experiments(StatusEquals="Completed")
    assert [one["Name"] for one in listed["InferenceExperiments"]] == ["later"]


def test_an_experiment_that_is_stopped_before_it_starts_touches_nothing(hosting: Any) -> None:
    prepare(hosting, "never")
    start = now(hosting) + timedelta(hours=5)
    create(hosting, "never", Schedule={"StartTime": start})
    reached(hosting, "never", "Created")
    actions = {"first": "Retain", "second": "Remove"}
    hosting.sagemaker.stop_inference_experiment(Name="never", ModelVariantActions=actions)
    told = reached(hosting, "never", "Cancelled")
    assert told["EndpointMetadata"]["EndpointConfigName"] == "never"


def test_an_endpoint_has_one_experiment_at_a_time_and_returns_to_what_it_was(
    mortal: Hosting,
) -> None:
    prepare(mortal, "turns")
    create(mortal, "turns")
    reached(mortal, "turns", "Running")
    end = now(mortal) + timedelta(days=7, minutes=1)
    mortal.sagemaker.update_inference_experiment(Name="turns", Schedule={"EndTime": end})
    reached(mortal, "turns", "Running")
    with pytest.raises(ClientError) as caught:
        create(mortal, "turns", experiment="second")
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    schedule = {"StartTime": end, "EndTime": end + timedelta(days=1)}
    create(mortal, "turns", experiment="second", Schedule=schedule)
    reached(mortal, "second", "Created")
    with pytest.raises(ClientError) as caught:
        mortal.sagemaker.start_inference_experiment(Name="second")
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    longer = {"EndTime": end + timedelta(seconds=1)}
    with pytest.raises(ClientError) as caught:
        mortal.sagemaker.update_inference_experiment(Name="turns", Schedule=longer)
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    # The second begins in the moment in which the first ends.
    advance(mortal, 7 * 86_400 + 120)
    reached(mortal, "turns", "Completed")
    reached(mortal, "second", "Running")
    assert shadows(mortal, "turns") == ["second"]
    advance(mortal, 86_400)
    told = reached(mortal, "second", "Completed")
    assert told["EndpointMetadata"]["EndpointConfigName"] == "turns"
    assert shadows(mortal, "turns") == []


def test_what_an_endpoint_serves_when_the_experiment_begins_comes_back(mortal: Hosting) -> None:
    prepare(mortal, "moved")
    start = now(mortal) + timedelta(hours=5)
    create(mortal, "moved", Schedule={"StartTime": start, "EndTime": start + timedelta(hours=1)})
    reached(mortal, "moved", "Created")
    mortal.config("newer", {"VariantName": "first", "ModelName": "moved-two"})
    mortal.sagemaker.update_endpoint(EndpointName="moved", EndpointConfigName="newer")
    mortal.settled("moved")
    advance(mortal, 5 * 3600 + 1)
    reached(mortal, "moved", "Running")
    crash(mortal.server)
    mortal.again()
    advance(mortal, 3600)
    told = reached(mortal, "moved", "Completed")
    assert told["EndpointMetadata"]["EndpointConfigName"] == "newer"
    assert mortal.distance("moved") == (2.0, "first")


def test_endpoints_that_can_have_no_shadow_test(hosting: Any) -> None:
    archive = hosting.kmeans((1.0, 0.0))
    hosting.model("plain-one", archive)
    hosting.model("plain-two", archive)
    container = {"Image": IMAGES["kmeans"], "ModelDataUrl": hosting.upload("a.tar.gz", archive)}
    hosting.sagemaker.create_model(
        ModelName="chain-two", Containers=[container, container], ExecutionRoleArn=ROLE
    )
    many = {
        "Image": IMAGES["linear-learner"],
        "Mode": "MultiModel",
        "ModelDataUrl": f"s3://{hosting.bucket}/many/",
    }
    hosting.sagemaker.create_model(
        ModelName="plain-many", PrimaryContainer=many, ExecutionRoleArn=ROLE
    )
    first = {"VariantName": "first", "ModelName": "plain-one"}
    hosting.endpoint("plain", first)
    hosting.endpoint("several", first, {"VariantName": "other", "ModelName": "plain-one"})
    instances = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    output = {"OutputConfig": {"S3OutputPath": f"s3://{hosting.bucket}/out"}}
    kinds: dict[str, Any] = {
        "queue": {"ProductionVariants": [first | instances], "AsyncInferenceConfig": output},
        "serverless": {"ProductionVariants": [first | serverless]},
    }
    for name, config in kinds.items():
        hosting.sagemaker.create_endpoint_config(EndpointConfigName=name, **config)
        hosting.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        hosting.settled(name)
    for name, shadow, words in (
        ("queue", "plain-two", "asynchronous endpoints"),
        ("serverless", "plain-two", "serverless endpoints"),
        ("several", "plain-two", "has 2"),
        ("plain", "chain-two", "models of multiple containers"),
        ("plain", "plain-many", "multi-model endpoints"),
    ):
        with pytest.raises(ClientError) as caught:
            create(hosting, "plain", experiment="refused", shadow=shadow, EndpointName=name)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        assert words in caught.value.response["Error"]["Message"]
    assert hosting.sagemaker.list_inference_experiments()["InferenceExperiments"] == []


def test_an_experiment_whose_endpoint_goes_is_cancelled(hosting: Any) -> None:
    prepare(hosting, "gone")
    create(hosting, "gone")
    reached(hosting, "gone", "Running")
    hosting.settled("gone")
    hosting.sagemaker.delete_endpoint(EndpointName="gone")
    hosting.gone("gone")
    advance(hosting, 7 * 86_400 + 1)
    told = reached(hosting, "gone", "Cancelled")
    assert "has been deleted" in told["StatusReason"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"EndpointName": "nobody"}, "Could not find endpoint"),
        ({"ShadowModeConfig": shadow_mode(10) | {"SourceModelVariantName": "x"}}, "ModelVariants"),
        ({"Schedule": {"EndTime": 1_000.0}}, "at least 1 hour"),
    ],
)
def test_what_cannot_be_is_refused(hosting: Any, changes: dict[str, Any], words: str) -> None:
    prepare(hosting, "refused")
    variant = {
        "ModelName": "refused-one",
        "InfrastructureConfig": {
            "InfrastructureType": "RealTimeInference",
            "RealTimeInferenceConfig": REAL_TIME,
        },
    }
    request: dict[str, Any] = {
        "Name": "refused",
        "Type": "ShadowMode",
        "RoleArn": ROLE,
        "EndpointName": "refused",
        "ModelVariants": [{**variant, "VariantName": name} for name in ("first", "second")],
        "ShadowModeConfig": shadow_mode(10),
    }
    with pytest.raises(ClientError) as caught:
        hosting.sagemaker.create_inference_experiment(**request | changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert words in caught.value.response["Error"]["Message"]
    assert hosting.sagemaker.list_inference_experiments()["InferenceExperiments"] == []


@pytest.mark.parametrize("moment", ["Creating", "Created", "Starting", "Running", "Stopping"])
def test_an_experiment_goes_on_wherever_the_server_was_killed(mortal: Hosting, moment: str) -> None:
    prepare(mortal, "kept")
    schedule = {} if moment != "Created" else {"StartTime": now(mortal) + timedelta(hours=1)}
    create(mortal, "kept", Schedule=schedule)
    if moment == "Created":
        reached(mortal, "kept", "Created")
    if moment in ("Running", "Stopping"):
        reached(mortal, "kept", "Running")
    if moment == "Stopping":
        mortal.sagemaker.stop_inference_experiment(
            Name="kept",
            ModelVariantActions={"first": "Retain", "second": "Remove"},
            DesiredState="Completed",
        )
    crash(mortal.server)
    mortal = mortal.again()
    if moment != "Stopping":
        advance(mortal, 3601)
        reached(mortal, "kept", "Running")
        assert shadows(mortal, "kept") == ["second"]
        assert mortal.distance("kept") == (1.0, "first")
        advance(mortal, 7 * 86_400)
    told = reached(mortal, "kept", "Completed")
    assert told["EndpointMetadata"]["EndpointConfigName"] == "kept"
    assert shadows(mortal, "kept") == []
    assert mortal.distance("kept") == (1.0, "first")
