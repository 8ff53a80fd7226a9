"""Endpoints that cannot start, and what can be done with them."""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[..., tuple[str, str]]


def archive_of(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def escaping() -> bytes:
    member = tarfile.TarInfo("../../escaped")
    member.size = 1
    return archive_of(member)


def linking_out() -> bytes:
    member = tarfile.TarInfo("model_algo-1")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return archive_of(member)


def linking_within() -> bytes:
    member, link = tarfile.TarInfo("version-1"), tarfile.TarInfo("model_algo-1")
    link.type, link.linkname = tarfile.SYMTYPE, member.name
    return archive_of(member, link)


def device() -> bytes:
    member = tarfile.TarInfo("model_algo-1")
    member.type, member.devmajor, member.devminor = tarfile.CHRTYPE, 1, 3
    return archive_of(member)


def truncated() -> bytes:
    member = tarfile.TarInfo("model_algo-1")
    member.size = 100_000
    return archive_of(member)[:120]


def damaged() -> bytes:
    random = os.urandom(100_000)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("model_algo-1")
        member.size = len(random)
        tar.addfile(member, io.BytesIO(random))
    body = bytearray(buffer.getvalue())
    body[50_000:50_400] = b"\xff" * 400
    return bytes(body)


def plain_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("model_algo-1"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "body",
    [escaping(), linking_out(), linking_within(), device(), truncated(), damaged(), plain_tar(),
     b"", b"not a tar", zlib.compress(b"neither")],
    ids=["escaping", "linking-out", "linking-within", "device", "truncated", "damaged", "plain-tar",
         "empty", "text", "zlib"],
)  # fmt: skip
def test_an_archive_that_cannot_be_extracted_fails_the_endpoint(hosting: Any, body: bytes) -> None:
    hosting.model("broken", body)
    description = hosting.endpoint("broken", status="Failed")
    assert f"s3://{hosting.bucket}/broken.tar.gz" in description["FailureReason"]
    assert "archive" in description["FailureReason"]
    data: Path = hosting.server.data
    # os.walk bears folders that other work removes meanwhile.
    assert not any("escaped" in files for _, _, files in os.walk(data))
    assert not list((data / "endpoints").iterdir())


def test_an_artefact_that_is_gone_fails_the_endpoint(hosting: Any) -> None:
    hosting.model("gone", hosting.kmeans((0.0,)))
    hosting.client("s3").delete_object(Bucket=hosting.bucket, Key="gone.tar.gz")
    reason = hosting.endpoint("gone", status="Failed")["FailureReason"]
    assert f'"s3://{hosting.bucket}/gone.tar.gz"' in reason


def test_a_failed_endpoint_can_only_be_deleted(hosting: Any, refused: Refused) -> None:
    # An archive without a model: the model server says so and ends.
    hosting.model("empty", archive_of(tarfile.TarInfo("something-else")))
    description = hosting.endpoint("empty", status="Failed")
    reason = description["FailureReason"]
    assert "production variant variant-0 did not pass the ping health check" in reason
    assert "ProductionVariants" not in description
    sagemaker = hosting.sagemaker
    code, message = refused(
        hosting.runtime.invoke_endpoint, EndpointName="empty", Body=b"0", ContentType="text/csv"
    )
    assert code == "ValidationError"
    desired = [{"VariantName": "variant-0", "DesiredWeight": 1}]
    for call, fields in (
        (sagemaker.update_endpoint, {"EndpointConfigName": "empty"}),
        (
            sagemaker.update_endpoint_weights_and_capacities,
            {"DesiredWeightsAndCapacities": desired},
        ),
    ):
        code, message = refused(call, EndpointName="empty", **fields)
        assert code == "ValidationException"
        assert description["EndpointArn"] in message
    code, _ = refused(sagemaker.create_endpoint, EndpointName="empty", EndpointConfigName="empty")
    assert code == "ValidationException"
    sagemaker.delete_endpoint(EndpointName="empty")
    hosting.gone("empty")
    assert not list((hosting.server.data / "fleets").iterdir())


def test_an_update_that_fails_leaves_the_endpoint_as_it_was(hosting: Any) -> None:
    hosting.model("good", hosting.kmeans((1.0, 0.0)))
    hosting.model("bad", b"not a tar")
    hosting.endpoint("steady", {"ModelName": "good"})
    hosting.config("bad", {"ModelName": "bad"})
    hosting.sagemaker.update_endpoint(EndpointName="steady", EndpointConfigName="bad")
    description = hosting.settled("steady")
    assert description["EndpointConfigName"] == "steady"
    assert "bad.tar.gz" in description["FailureReason"]
    assert hosting.distance("steady") == (1.0, "variant-0")
    hosting.model("better", hosting.kmeans((3.0, 0.0)))
    hosting.config("better", {"ModelName": "better"})
    hosting.sagemaker.update_endpoint(EndpointName="steady", EndpointConfigName="better")
    assert "FailureReason" not in hosting.settled("steady")
    assert hosting.distance("steady") == (3.0, "variant-0")


def test_nothing_is_changed_while_a_change_is_under_way(hosting: Any, refused: Refused) -> None:
    hosting.model("slow", hosting.kmeans((1.0, 0.0)))
    hosting.config("slow", {"ModelName": "slow"})
    sagemaker = hosting.sagemaker
    arn = sagemaker.create_endpoint(EndpointName="slow", EndpointConfigName="slow")["EndpointArn"]
    (listed,) = sagemaker.list_endpoints(NameContains="slow")["Endpoints"]
    assert listed["EndpointStatus"] == "Creating"
    for call, fields in (
        (sagemaker.delete_endpoint, {}),
        (sagemaker.update_endpoint, {"EndpointConfigName": "slow"}),
    ):
        code, message = refused(call, EndpointName="slow", **fields)
        assert (code, message) == (
            "ValidationException",
            f'Cannot update in-progress endpoint "{arn}".',
        )
    # The first answer waits for the model servers: clients would ask again in 30 seconds only.
    assert sagemaker.describe_endpoint(EndpointName="slow")["EndpointStatus"] == "InService"


def test_network_isolation_takes_credentials_and_endpoint_away(hosting: Any) -> None:
    hosting.client("s3").put_object(
        Bucket=hosting.bucket, Key="m.tar.gz", Body=hosting.kmeans((1.0, 0.0))
    )
    container = {
        "Image": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
        "ModelDataUrl": f"s3://{hosting.bucket}/m.tar.gz",
    }
    role = "arn:aws:iam::000000000000:role/SageMakerRole"
    specs = {}
    for name, isolated in (("alone", True), ("open", False)):
        before = set(hosting.server.data.glob("fleets/*/*/spec.json"))
        hosting.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer=container,
            ExecutionRoleArn=role,
            EnableNetworkIsolation=isolated,
        )
        hosting.endpoint(name)
        assert hosting.distance(name) == (1.0, "variant-0")
        described = hosting.sagemaker.describe_model(ModelName=name)
        assert described["EnableNetworkIsolation"] is isolated
        (spec,) = set(hosting.server.data.glob("fleets/*/*/spec.json")) - before
        specs[name] = spec.read_text()
    assert '"network": false' in specs["alone"]
    assert '"network": true' in specs["open"]
    assert "AWS_ENDPOINT_URL" in specs["open"]
    assert "AWS_ENDPOINT_URL" not in specs["alone"]
