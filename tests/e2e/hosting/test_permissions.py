"""Endpoints where signatures and policies are checked, through unmodified boto3."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
from botocore.exceptions import ClientError
from tests.e2e.endpoints.conftest import IMAGES, REGION, Hosting

from sagebrush.launch import PrivateServer

ACCOUNT = "000000000000"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
VARIANT = {"VariantName": "all", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
Refused = tuple[str, str, int]


class Checked(Hosting):
    """The root user of a server that checks, and users it makes."""

    def __init__(self, server: PrivateServer, folder: Path) -> None:
        text = (server.data / "root-credentials").read_text()
        self._root = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
        super().__init__(server, folder)

    def client(self, service: str, **keys: str) -> Any:
        """Return a client of root, or of the keys given."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=REGION,
            config=Config(retries={"total_max_attempts": 1}),
            **keys or self._root,
        )

    def user(self, name: str, *statements: dict[str, Any]) -> dict[str, str]:
        """Return the keys of a new user with these statements as its policy."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        self.policy(name, *statements)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }

    def policy(self, name: str, *statements: dict[str, Any]) -> None:
        """Replace the policy of a user."""
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Resource": "*"} | s for s in statements],
        }
        self.client("iam").put_user_policy(
            UserName=name, PolicyName="p", PolicyDocument=json.dumps(document)
        )


@pytest.fixture(scope="module")
def hosting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checked]:
    """Endpoints that check: `Cities` of two models, and `Pair` of two containers."""
    folder = tmp_path_factory.mktemp("models")
    with PrivateServer(tmp_path_factory.mktemp("server"), ("--verify-signatures",)) as server:
        checked = Checked(server, folder)
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
        trust_policy = {
            "Version": "2012-10-17",
            "Statement": [trust | {"Principal": {"Service": "sagemaker.amazonaws.com"}}],
        }
        role = checked.client("iam").create_role(
            RoleName="serving", AssumeRolePolicyDocument=json.dumps(trust_policy)
        )["Role"]["Arn"]
        for city, bias in (("paris", 2.0), ("rome", 3.0)):
            checked.upload(f"cities/{city}/one.tar.gz", checked.linear([1.0], bias, "regressor"))
        checked.sagemaker.create_model(
            ModelName="cities",
            ExecutionRoleArn=role,
            PrimaryContainer={
                "Image": IMAGES["linear-learner"],
                "Mode": "MultiModel",
                "ModelDataUrl": f"s3://{checked.bucket}/cities/",
            },
        )
        checked.endpoint("Cities", {"ModelName": "cities"})
        checked.sagemaker.create_model(
            ModelName="pair",
            ExecutionRoleArn=role,
            Containers=[
                {
                    "Image": IMAGES["linear-learner"],
                    "ContainerHostname": name,
                    "ModelDataUrl": f"s3://{checked.bucket}/cities/{city}/one.tar.gz",
                }
                for name, city in (("common-paris", "paris"), ("special-rome", "rome"))
            ],
            InferenceExecutionConfig={"Mode": "Direct"},
        )
        checked.endpoint("Pair", {"ModelName": "pair"})
        yield checked


def refusal(call: Callable[..., Any], **request: Any) -> Refused:
    """Return code, message and HTTP status of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    told = caught.value.response
    return (
        told["Error"]["Code"],
        told["Error"]["Message"],
        told["ResponseMetadata"]["HTTPStatusCode"],
    )


def ask(runtime: Any, model: str | None = "paris/one.tar.gz") -> float:
    """Return what a model of the endpoint answers to the origin: its bias."""
    target = {} if model is None else {"TargetModel": model}
    return bias(runtime, EndpointName="Cities", **target)


def bias(runtime: Any, **named: str) -> float:
    """Return what an endpoint answers to the origin."""
    answer = runtime.invoke_endpoint(
        Body=b"0", ContentType="text/csv", Accept="application/json", **named
    )
    (prediction,) = json.loads(answer["Body"].read())["predictions"]
    return float(prediction["score"])


def test_a_policy_may_name_the_models_of_an_endpoint(hosting: Checked) -> None:
    invoke = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint"}
    endpoint = f"{ARN}:endpoint/cities"
    only = {"StringLike": {"sagemaker:TargetModel": ["paris/*"]}}
    keys = hosting.user("tourist", invoke | {"Resource": endpoint, "Condition": only})
    runtime = hosting.client("sagemaker-runtime", **keys)
    assert ask(runtime) == 2.0
    denied = (
        f"User: arn:aws:iam::{ACCOUNT}:user/tourist is not authorized to perform:"
        f" sagemaker:InvokeEndpoint on resource: {endpoint}"
    )
    nothing_allows = " because no identity-based policy allows the sagemaker:InvokeEndpoint action"
    for model in ("rome/one.tar.gz", "paris", None):
        assert refusal(ask, runtime=runtime, model=model) == (
            "AccessDeniedException",
            denied + nothing_allows,
            403,
        )
    hosting.policy("tourist", invoke, invoke | {"Effect": "Deny", "Condition": only})
    assert ask(runtime, "rome/one.tar.gz") == 3.0
    explicit = " with an explicit deny in an identity-based policy"
    assert refusal(ask, runtime=runtime) == ("AccessDeniedException", denied + explicit, 403)


@pytest.mark.parametrize("key", ["TargetContainerHostname", "TargetModel"])
def test_a_policy_may_name_the_containers_of_an_endpoint(hosting: Checked, key: str) -> None:
    invoke = {
        "Effect": "Allow",
        "Action": "sagemaker:InvokeEndpoint",
        "Resource": f"{ARN}:endpoint/pair",
    }

    def containers(pattern: str) -> dict[str, Any]:
        return {"Condition": {"StringLike": {f"sagemaker:{key}": [pattern]}}}

    keys = hosting.user(f"guest-{key}", invoke | containers("common*"))
    runtime = hosting.client("sagemaker-runtime", **keys)
    paris = {"EndpointName": "Pair", "TargetContainerHostname": "common-paris"}
    rome = paris | {"TargetContainerHostname": "special-rome"}
    assert bias(runtime, **paris) == 2.0
    for refused in (rome, {"EndpointName": "Pair"}):
        code, message, status = refusal(bias, runtime=runtime, **refused)
        assert (code, status) == ("AccessDeniedException", 403)
        assert message.endswith(
            "no identity-based policy allows the sagemaker:InvokeEndpoint action"
        )
    # Allowed by the name, but there is no container of that name.
    assert refusal(bias, runtime=runtime, **paris | {"TargetContainerHostname": "common-oslo"}) == (
        "ValidationError",
        "Container common-oslo is not found in endpoint Pair.",
        400,
    )
    hosting.policy(
        f"guest-{key}",
        invoke | containers("*"),
        invoke | {"Effect": "Deny"} | containers("special*"),
    )
    assert bias(runtime, **paris) == 2.0
    code, message, status = refusal(bias, runtime=runtime, **rome)
    assert (code, status) == ("AccessDeniedException", 403)
    assert message.endswith("with an explicit deny in an identity-based policy")
    hosting.policy(f"guest-{key}", invoke)
    assert bias(runtime, **rome) == 3.0
    code, message, status = refusal(bias, runtime=runtime, EndpointName="Pair")
    assert (code, status) == ("ValidationError", 400)
    assert message.endswith("is missing a target container hostname header.")


def test_a_stream_of_a_container_needs_the_same_permission(hosting: Checked) -> None:
    stream = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpointWithResponseStream"}
    named = {"Condition": {"StringEquals": {"sagemaker:TargetContainerHostname": "special-rome"}}}
    runtime = hosting.client("sagemaker-runtime", **hosting.user("reader", stream | named))
    asked = {
        "EndpointName": "Pair",
        "Body": b"0",
        "ContentType": "text/csv",
        "Accept": "application/json",
    }
    call = runtime.invoke_endpoint_with_response_stream
    events = call(**asked, TargetContainerHostname="special-rome")["Body"]
    body = b"".join(event["PayloadPart"]["Bytes"] for event in events)
    assert json.loads(body)["predictions"][0]["score"] == 3.0
    for target in ({"TargetContainerHostname": "common-paris"}, {}):
        code, _, status = refusal(call, **asked, **target)
        assert (code, status) == ("AccessDeniedException", 403)


def test_a_policy_may_name_tags_of_an_endpoint(hosting: Checked) -> None:
    team = {"StringEquals": {"aws:ResourceTag/Team": "red"}}
    keys = hosting.user(
        "tagged", {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Condition": team}
    )
    runtime = hosting.client("sagemaker-runtime", **keys)
    assert refusal(ask, runtime=runtime)[0] == "AccessDeniedException"
    tags = {"ResourceArn": f"{ARN}:endpoint/cities"}
    hosting.sagemaker.add_tags(**tags, Tags=[{"Key": "Team", "Value": "red"}])
    assert ask(runtime) == 2.0
    hosting.sagemaker.add_tags(**tags, Tags=[{"Key": "Team", "Value": "blue"}])
    assert refusal(ask, runtime=runtime)[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("condition", "good", "bad"),
    [
        (
            {"ForAllValues:StringLike": {"sagemaker:InstanceTypes": "ml.m5.*"}},
            VARIANT,
            VARIANT | {"InstanceType": "ml.c5.large"},
        ),
        ({"ArnLike": {"sagemaker:ModelArn": f"{ARN}:model/cit*"}}, VARIANT, {"ModelName": "other"}),
        (
            {"NumericLessThanEquals": {"sagemaker:ServerlessMaxConcurrency": "2"}},
            {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2}},
            {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 3}},
        ),
        (
            {"NumericEquals": {"sagemaker:ServerlessMemorySize": "1024"}},
            {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2}},
            {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2}},
        ),
    ],
)
def test_a_policy_may_say_what_configurations_are_like(
    hosting: Checked,
    request: pytest.FixtureRequest,
    condition: dict[str, Any],
    good: dict[str, Any],
    bad: dict[str, Any],
) -> None:
    name = f"builder-{request.node.callspec.id}"
    create = {"Effect": "Allow", "Action": "sagemaker:CreateEndpointConfig"}
    keys = hosting.user(name, create | {"Condition": condition})
    sagemaker = hosting.client("sagemaker", **keys)
    for number, (variant, allowed) in enumerate(((good, True), (bad, False))):
        wanted = {
            "EndpointConfigName": f"{name}-{number}",
            "ProductionVariants": [{"VariantName": "all", "ModelName": "cities"} | variant],
        }
        code = "" if allowed else "AccessDeniedException"
        if allowed and "ServerlessConfig" in variant:
            # Allowed, but models of a multi-model container are not served without servers.
            code = "ValidationException"
        if code:
            refused = refusal(sagemaker.create_endpoint_config, **wanted)
            assert (refused[0], refused[2]) == (code, 400)
        else:
            sagemaker.create_endpoint_config(**wanted)


def test_creating_an_endpoint_needs_its_configuration_too(hosting: Checked) -> None:
    create = {"Effect": "Allow", "Action": "sagemaker:CreateEndpoint"}
    keys = hosting.user("half", create | {"Resource": f"{ARN}:endpoint/*"})
    names = {"EndpointName": "mine", "EndpointConfigName": "missing"}
    call = hosting.client("sagemaker", **keys).create_endpoint
    code, message, status = refusal(call, **names)
    assert (code, status) == ("AccessDeniedException", 400)
    assert f"on resource: {ARN}:endpoint-config/missing because" in message
    hosting.policy("half", create)
    assert "Could not find endpoint configuration" in refusal(call, **names)[1]


def test_signatures_that_the_runtime_refuses(
    hosting: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = hosting.user("signer", {"Effect": "Allow", "Action": "sagemaker:*"})

    def refused(**changed: str) -> Refused:
        return refusal(ask, runtime=hosting.client("sagemaker-runtime", **keys | changed))

    code, message, status = refused(aws_secret_access_key="forged")
    assert (code, status) == ("InvalidSignatureException", 403)
    assert message.startswith("The request signature we calculated does not match")
    assert refused(aws_access_key_id="AKIA0000000000000000") == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        403,
    )
    moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=6)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
    code, message, status = refused()
    assert (code, status) == ("InvalidSignatureException", 403)
    assert message.startswith(f"Signature expired: {moment:%Y%m%dT%H%M%SZ} is now earlier than")


def test_an_expired_session_is_refused(hosting: Checked) -> None:
    keys = hosting.user("passing", {"Effect": "Allow", "Action": "sagemaker:*"})
    given = hosting.client("sts", **keys).get_session_token()["Credentials"]
    runtime = hosting.client(
        "sagemaker-runtime",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    assert ask(runtime) == 2.0
    with sqlite3.connect(hosting.server.data / "state.sqlite", timeout=20) as state:
        state.execute(
            "UPDATE identity_sessions SET expires = created WHERE access_key = ?",
            (given["AccessKeyId"],),
        )
    assert refusal(ask, runtime=runtime) == (
        "ExpiredTokenException",
        "The security token included in the request is expired",
        403,
    )
