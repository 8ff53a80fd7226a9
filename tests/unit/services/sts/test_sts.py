"""Who is calling, and temporary credentials."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.base.clock import ManualClock


@pytest.fixture
def sts(client: Any) -> Any:
    return client("sts")


def as_caller(client: Any, service: str, credentials: dict[str, Any]) -> Any:
    return client(
        service,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
    )


def test_a_key_nobody_issued_is_a_session_of_the_sagemaker_role(
    sts: Any, client: Any, account: str
) -> None:
    identity = sts.get_caller_identity()
    assert identity["Account"] == account
    assert identity["Arn"] == f"arn:aws:sts::{account}:assumed-role/SageMakerRole/sagebrush"
    role = client("iam").get_role(RoleName=identity["Arn"].split("/")[1])["Role"]
    assert identity["UserId"] == f"{role['RoleId']}:sagebrush"


def test_a_users_key_is_the_user(sts: Any, client: Any, account: str) -> None:
    iam = client("iam")
    user = iam.create_user(UserName="bob")["User"]
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    identity = as_caller(client, "sts", key).get_caller_identity()
    assert (identity["Arn"], identity["UserId"]) == (user["Arn"], user["UserId"])
    info = sts.get_access_key_info(AccessKeyId=key["AccessKeyId"])
    assert info["Account"] == account


def test_assume_role_gives_working_credentials(sts: Any, client: Any, account: str) -> None:
    arn = f"arn:aws:iam::{account}:role/SageMakerRole"
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=900)
    session = f"arn:aws:sts::{account}:assumed-role/SageMakerRole/me"
    assert answer["AssumedRoleUser"]["Arn"] == session
    credentials = answer["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
    identity = as_caller(client, "sts", credentials).get_caller_identity()
    assert (identity["Arn"], identity["Account"]) == (session, account)


def test_assume_role_refuses_what_it_must(sts: Any, client: Any, refusal: Any) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
    }
    role = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))
    asked = {"RoleArn": role["Role"]["Arn"], "RoleSessionName": "me"}
    code, message = refusal(sts.assume_role, **asked, DurationSeconds=7200)
    assert code == "ValidationError"
    assert "exceeds the MaxSessionDuration" in message
    assert refusal(sts.assume_role, **asked, Policy="{}")[0] == "MalformedPolicyDocument"
    user = asked | {"RoleArn": "arn:aws:iam::1:user/not-a-role"}
    assert refusal(sts.assume_role, **user)[0] == "ValidationError"


def test_session_tokens_are_not_given_to_sessions(sts: Any, client: Any, refusal: Any) -> None:
    credentials = sts.get_session_token()["Credentials"]
    session = as_caller(client, "sts", credentials)
    assert session.get_caller_identity()["Arn"] == sts.get_caller_identity()["Arn"]
    assert refusal(session.get_session_token) == (
        "AccessDenied",
        "Cannot call GetSessionToken with session credentials",
    )


def test_credentials_expire_by_real_time_however_the_servers_clock_runs(handlers: Any) -> None:
    real = handlers.platform.identity.credentials.machine_clock = ManualClock()
    handlers.clock.advance(10 * 86_400)
    answer = handlers.call(
        "sts",
        "AssumeRole",
        RoleArn="arn:aws:iam::111122223333:role/SageMakerRole",
        RoleSessionName="me",
    )
    credentials = answer["Credentials"]
    assert credentials["Expiration"] == real.now() + 3600
    identity = handlers.platform.identity
    assert identity.secret(credentials["AccessKeyId"]) == credentials["SecretAccessKey"]
    handlers.clock.advance(10 * 86_400)
    assert identity.secret(credentials["AccessKeyId"]) == credentials["SecretAccessKey"]
    real.advance(3600)
    assert identity.secret(credentials["AccessKeyId"]) is None
